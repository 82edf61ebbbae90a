/* A command of the program, as a table entry. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli/options.h"

enum code {
	CODE_OK = 0,
	CODE_ERROR = 1,
	CODE_DIFFERENT = 2,
	CODE_NOT_READY = 3,
	CODE_NOTHING_DONE = 4,
	CODE_USAGE = 64,
	CODE_SIGNAL = 128, /* plus its number */
};

/* The first three have the numbers of the words in formats[]. */
enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_MARKDOWN };
enum render_format { RENDER_YAML, RENDER_JSON, RENDER_NFT };
enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* The fields of all commands' options. */
struct arguments {
	bool help, version, verbose, quiet;
	int color, format;
	const char *json_into;
	const char *config, *node, *state_dir, *run_dir, *cgroup;
	const char *token_file, *cert_file, *key_file, *ca_file;
	struct source_arguments {
		const char *ref, *path, *token_file, *username, *password_file, *cert_file, *key_file, *ca_file,
			*proxy;
		const char *ssh_key_file, *known_hosts_file, *allowed_signers_file, *revoked_file, *keyring_file;
		const char *user;
		bool bundle, verify_tag, allow_rollback, offline, last_good;
		long long timeout_ms; /* -1: not given */
	} git;
	struct texts targets;
	struct texts from, to, addresses, closed;
	const char *from_revision, *to_revision;
	const char *signing_key, *out, *sequence;
	const char *interface, *netns;
	int protocol;
	bool live;
	bool strict, dry_run, wait, prune, allow_mass_prune, mesh_objects, detailed_exit_code;
	int diff_exit_code;
	long long timeout_ms, interval_ms, lock_timeout_ms; /* the first two -1: not given */
	struct operands operands;
};

/* The tables that several commands share; arguments.c. */
extern const struct opt opts_general[], opts_config[], opts_node[], opts_format[], opts_report[], opts_log[],
	opts_run_dir[], opts_state[], opts_machine[], opts_targets[], opts_lock[], opts_prune[], opts_source[],
	opts_fallback[];

struct session {
	struct arena *arena;
	struct diags *diags;
	const struct command *command;
	struct arguments args;
};

struct command {
	const char *name;
	const char *operands; /* as the usage line shows them; NULL: it takes none */
	size_t min_operands, max_operands;
	const char *summary;     /* one line, for lists */
	const char *description; /* paragraphs, separated by empty lines; "  " begins a line that stays as it is */
	const struct opt *tables[12]; /* NULL ends them */
	const struct code_meaning {
		enum code code;
		const char *meaning;
	} codes[8]; /* those that it can end with, besides 0 (`meaning` of the first) and 64 */
	enum code (*run)(struct session *s);
};

extern const struct command *const commands_all[]; /* NULL ends them */

const struct command *command_find(const char *name);

#endif
