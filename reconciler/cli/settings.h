/* The settings of this machine: /etc/enmesh/agent.yaml, over which flags win. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "cli/command.h"
#include "pass/pass.h"

struct settings {
	const char *source;  /* NULL: neither operand nor file names one */
	struct git_spec git; /* if `source` is an address */
	struct remote remote;
	const char *node;
	bool node_is_host_name; /* nobody named it */
	long long timeout_ms, interval_ms;
	struct host host;
};

/* Not CODE_OK: an error was added. Effect: reads the file. */
enum code settings_read(struct session *s, struct settings *out);

/* As above, for commands that need a source. */
enum code settings_read_source(struct session *s, struct settings *out);

/* As above; where source and node are given as arguments no settings are needed, so any machine will do. */
enum code settings_read_offline(struct session *s, struct settings *out);

/* The targets that --target names, or all. */
enum code settings_targets(struct session *s, const struct target *const **out);

/* Source, node and host of the settings, which must outlive the pass. */
void settings_use(struct settings *settings, struct pass *p);

/*
 * The source and what it wants of the node, into a pass with arena and diags. False: an error was added. `needed`:
 * as pass_site.
 */
bool settings_load(struct session *s, struct settings *settings, struct pass *p, bool needed);

/* The target that decides about connections: the one that can trace and verify. */
const struct target *settings_target_of_connections(void);

/* Where the source lacks a node that nobody named, says where the name came from. */
void settings_explain_node(struct session *s, const struct settings *settings, const struct model *m);

#endif
