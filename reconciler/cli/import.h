/*
 * Istio's settings of a machine (env files, environment, flags of istio-iptables) as enmesh documents. All of this
 * is pure but for the command itself, import.c. What Istio means by a setting is its own source's word
 * (tools/istio-iptables, tools/common/config and tools/packaging/common there).
 */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "base/diag.h"
#include "base/file.h"
#include "base/vec.h"

enum import_key {
	IMPORT_NOTHING, /* known, but without a meaning for enmesh */
	IMPORT_NODE,    /* of enmesh's own --node */
	IMPORT_OUTBOUND_PORT,
	IMPORT_INBOUND_PORT,
	IMPORT_TUNNEL_PORT,
	IMPORT_USERS,
	IMPORT_GROUPS,
	IMPORT_ENVOY_USER,
	IMPORT_MODE,
	IMPORT_MARK,
	IMPORT_TABLE,
	IMPORT_IN_PORTS,
	IMPORT_IN_EXCLUDE,
	IMPORT_OUT_CIDRS,
	IMPORT_OUT_EXCLUDE_CIDRS,
	IMPORT_OUT_PORTS,
	IMPORT_OUT_EXCLUDE,
	IMPORT_OWNERS,
	IMPORT_OWNERS_EXCLUDE,
	IMPORT_INTERFACES,
	IMPORT_VIRTUAL,
	IMPORT_LOOPBACK,
	IMPORT_DNS,
	IMPORT_DNS_ALL,
	IMPORT_DROP_INVALID,
	IMPORT_DUAL_STACK,
	IMPORT_NFTABLES,
	IMPORT_NETNS,
	IMPORT_CLEANUP,
	IMPORT_CUSTOM,
	IMPORT_SERVICE,
	IMPORT_NAMESPACE,
	IMPORT_ACCOUNT,
	IMPORT_ADDRESS,
	IMPORT_LABELS,
	IMPORT_NETWORK,
	IMPORT_MESH_ID,
	IMPORT_TRUST_DOMAIN,
	IMPORT_CA,
	IMPORT_PILOT,
	IMPORT_PILOT_PORT,
	IMPORT_SYSTEM_NAMESPACE,
	IMPORT_KEYS
};

/* A setting as Istio has it: a flag, the variables that stand for it, or both. */
struct import_name {
	enum import_key key;
	char letter;
	const char *flag; /* without dashes; NULL: it has none */
	bool is_switch;
	const char *variables[4]; /* a later one wins over an earlier one */
	bool files_only;          /* its variables do not count in the environment */
	const char *reason;       /* of IMPORT_NOTHING: why it has no meaning */
};

extern const struct import_name import_names[]; /* key IMPORT_KEYS ends them */

struct import_variable {
	const char *name, *value;
	struct pos pos; /* of a file */
	bool expands;   /* the value has what only a shell can put in */
};

struct import_variables {
	vec_of(struct import_variable) list;
};

/* What was given for a key, by whom. */
struct import_value {
	const char *text; /* NULL: nothing */
	const char *name; /* "-b", "ISTIO_INBOUND_PORTS" */
	const char *from; /* the same, of a file with its place: "ISTIO_INBOUND_PORTS in cluster.env:7" */
	struct pos pos;   /* of a file */
};

struct import_note {
	const char *name, *reason;
};

struct import {
	struct arena *arena;
	struct diags *diags;
	const char *node, *address; /* name of the node; address of this machine, where none is given */
	long long envoy_user;       /* number of the user import_envoy_user() on this machine; -1: it has none */
	struct import_value values[IMPORT_KEYS];
	vec_of(struct import_note) notes; /* what is named only */
	vec_of(enum import_key) lines;    /* of the documents: what each was made from */
};

/* ---- reading: import_input.c ---- */

/*
 * Adds the variables of a file in the shell's syntax: NAME=VALUE, quotes, comments, `export`. False: errors were
 * added for what only a shell understands.
 */
bool import_read_file(const char *file, const struct bytes *text, struct arena *a, struct import_variables *out,
	struct diags *d);
/* Adds what the environment has of Istio. */
void import_read_environment(const char *const *environment, struct arena *a, struct import_variables *out);

/* Each wins over what was given before. False: an error was added. */
bool import_use_variables(struct import *im, const struct import_variables *variables);
/* Words after `--`, as istio-iptables takes them. */
bool import_use_flags(struct import *im, const char *const *words, size_t n);

/* The user whose connections are the proxy's own, if no ids are given. */
const char *import_envoy_user(const struct import *im);

/* ---- values: import_values.c. False: an error that names who gave the value was added ---- */

bool import_given(const struct import *im, enum import_key key); /* and not empty */
bool import_error(struct import *im, enum import_key key, const char *format, ...) printf_like(3, 4);
/* Every switch that was given is true or false. */
bool import_check_switches(struct import *im);
bool import_switch(const struct import *im, enum import_key key);
/* `*out` stays as it is if nothing is given. */
bool import_number(struct import *im, enum import_key key, long long min, long long max, long long *out);

/* A list as YAML has it. */
struct import_list {
	size_t n;
	const char *text; /* "[80, 8000-8100]" */
	bool holds_22;    /* of ports: 22 is among them … */
	bool may_hold_22; /* … or may be, by a name of the node's /etc/services */
};

bool import_ports(struct import *im, enum import_key key, struct import_list *out);
bool import_cidrs(struct import *im, enum import_key key, struct import_list *out);
bool import_ids(struct import *im, enum import_key key, struct import_list *out);
bool import_interfaces(struct import *im, enum import_key key, struct import_list *out);
bool import_loopback(struct import *im, const char **out);

/* A string as a YAML scalar that every reader takes for one. */
const char *import_scalar(const char *s, struct arena *a);
/* Any value, on one line of YAML. */
const char *import_json(const struct node *n, struct arena *a);

/* ---- writing: import_write.c ---- */

/* The documents, as text. NULL: an error was added. What schemas check (names, addresses …) is left to them. */
const char *import_write(struct import *im);

#endif
