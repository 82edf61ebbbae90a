/*
 * The rules of other meshes, in one form for all three kinds of table (nf_tables' own, iptables' in nf_tables,
 * iptables-legacy). It is for recognising and showing rules, so values are texts as iptables-save has them; what
 * it does not understand of a rule is marked, and such a rule is never taken for one that it merely resembles.
 * Only leftover/ includes this.
 */
#ifndef TARGETS_CAPTURE_LEFTOVER_OLD_H
#define TARGETS_CAPTURE_LEFTOVER_OLD_H

#include "base/str.h"
#include "targets/capture/leftover/leftover.h"

struct netlink;

/* A mesh whose rules are known. */
struct known_mesh {
	const char *name; /* as in MeshNode.spec.adopt */
	const char
		*comment; /* how the comments of its rules begin; NULL: they have none, or none that proves it */
};

enum part_field {
	PART_FAMILY, /* "ipv4", "ipv6" */
	PART_SOURCE,
	PART_DEST,
	PART_IN, /* interface */
	PART_OUT,
	PART_PROTOCOL,
	PART_SPORT, /* "53,15008", "1024:2048" */
	PART_DPORT,
	PART_MARK,
	PART_CT_MARK,
	PART_CT_STATE, /* "RELATED,ESTABLISHED" */
	PART_USER,
	PART_GROUP,
	PART_COMMENT,
	PART_OTHER, /* the value is its whole text */
};

/* What a rule looks at. */
struct old_part {
	enum part_field field;
	bool negated;
	const char *module; /* of iptables: "tcp", "owner"; NULL: it needs none */
	const char *value;
};

enum old_action {
	OLD_NONE,
	OLD_ACCEPT,
	OLD_DROP,
	OLD_RETURN,
	OLD_JUMP,
	OLD_GOTO,
	OLD_REDIRECT,
	OLD_TPROXY,
	OLD_DNAT,
	OLD_SET_MARK,
	OLD_SAVE_MARK,
	OLD_RESTORE_MARK,
	OLD_ZONE,
	OLD_OTHER,
};

struct old_rule {
	vec_of(struct old_part) parts;
	enum old_action action;
	const char *to;      /* chain, port, address and port, zone; of OLD_OTHER: the name of the target */
	const char *mark;    /* that OLD_SET_MARK and OLD_TPROXY set: "0x539" */
	const char *options; /* of the target, as iptables-save has them; NULL: none */
	bool partly;         /* something of it is not understood */
	uint64_t handle;     /* in nf_tables */
	/* By leftover_recognise: */
	const struct known_mesh *mesh; /* whose it is; NULL: foreign */
	bool possibly;                 /* only perhaps: it is named, and stays */
};

enum { NO_HOOK = -1 };

struct old_chain {
	const char *name;
	int hook;      /* enum nf_inet_hooks of a base chain, or NO_HOOK */
	uint32_t uses; /* nf_tables: how many rules it has, and how many things refer to it */
	vec_of(struct old_rule) rules;
	/* By leftover_recognise: */
	const struct known_mesh *mesh; /* whose it is; NULL: foreign, or a base chain that all share */
	bool kept;                     /* it is emptied, but something unknown (a map) refers to it */
};

struct old_table {
	uint8_t family; /* enum nf_inet_proto's NFPROTO_… */
	const char *name;
	bool legacy;
	bool iptables; /* iptables made it: its rules are shown in iptables' language, else in nft's */
	vec_of(struct old_chain) chains;
	/* By leftover_recognise: */
	const struct known_mesh *mesh; /* whose the table is; NULL: it is shared */
	bool whole;                    /* there is nothing else in it: it goes as a whole */
};

/* A policy rule. */
struct old_lookup {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint32_t priority, mark, table;
	bool plain; /* `from all fwmark MARK lookup TABLE`, and not made by a routing daemon */
	/* By leftover_recognise: */
	const struct known_mesh *mesh; /* NULL: foreign */
	bool sure;                     /* that the table is the mesh's needs no proof */
	/* By leftover_read_routes: */
	bool last; /* it is the last that leads to the route `local default dev lo` of the table, which goes too */
};

/* ---- known.c: pure ---- */

/* NULL: none of them has a table or chain of that name there; `ISTIO_ALLOW` in a firewall's table is foreign. */
const struct known_mesh *known_table(const char *table);
const struct known_mesh *known_chain(uint8_t family, const char *table, const char *chain);
/* Whether iptables has a table of that name that the meshes use. */
bool known_iptables(uint8_t family, const char *table);

/* ---- words.c: pure ---- */

/* As iptables-save has it, without `-A CHAIN`; and without comment. */
const char *old_rule_shape(const struct old_rule *r, struct arena *a);
/* In the language of its table. */
const char *old_rule_text(const struct old_table *t, const struct old_rule *r, struct arena *a);
/* "ip nat", "legacy ip nat" */
const char *old_table_name(const struct old_table *t, struct arena *a);
const char *old_lookup_text(const struct old_lookup *l, struct arena *a);
/* The chains and rules of a mesh in a table, one a line. */
const char *leftover_rules(const struct old_table *t, const struct known_mesh *mesh, struct arena *a);
/* "ip nat (4 chains, 17 rules), …"; NULL: it has left nothing. */
const char *leftover_where(const struct leftovers *l, const struct known_mesh *mesh, struct arena *a);

/* ---- captures.c: pure ---- */

/*
 * "outbound TCP of everyone but uid 1337 to port 15001, …": what the rules in all tables or in one (`only`, else
 * NULL) send elsewhere. NULL: nothing.
 */
const char *leftover_captures(
	const struct leftovers *l, const struct old_table *only, const struct known_mesh *mesh, struct arena *a);

/* ---- extension.c: pure; an extension of x_tables as the kernel has it ---- */

struct old_extension {
	const char *name;
	uint8_t revision;
	const void *data;
	size_t size;
};

void old_read_match(struct old_rule *r, const struct old_extension *e, struct arena *a);
void old_read_target(struct old_rule *r, const struct old_extension *e, uint8_t family, struct arena *a);
void old_add_part(struct old_rule *r, enum part_field field, bool negated, const char *module, const char *value,
	struct arena *a);
const char *old_protocol(uint8_t number, struct arena *a);
/* "10.0.0.0/8"; as iptables-save has it, with a prefix always, or with a mask that is none. */
const char *old_address(int family, const void *address, const void *mask, struct arena *a);
/* A value and the bits of it that count: "0x539", "0x1/0xff". */
const char *old_masked(uint32_t value, uint32_t mask, struct arena *a);

/* ---- leftover.c ---- */

/* One step of a removal in nf_tables. */
struct leftover_step {
	enum { STEP_RULE, STEP_EMPTY_CHAIN, STEP_CHAIN, STEP_TABLE } kind;
	const struct old_table *table;
	const struct old_chain *chain;
	const struct old_rule *rule;
};

bool leftover_adopted(const struct texts *adopt, const struct known_mesh *mesh);

/* ---- legacy.c, routing.c: effects; 0 or -errno ---- */

/*
 * Adds the legacy tables that exist in this network namespace, of those that meshes use. No kernel module is
 * loaded. A failure is told by `unseen`.
 */
void leftover_read_legacy(struct arena *a, struct leftovers *out);
/*
 * Removes what the legacy tables have of the meshes that `adopt` names, with iptables' own lock held; each table
 * in one commit. `stopped` ends the waiting for the lock; may be NULL. `*problem` says in words what failed.
 */
int leftover_remove_legacy(
	const struct texts *adopt, bool (*stopped)(void), struct arena *a, const char **problem);

/* Adds the policy rules, but for ours. */
int leftover_read_rules(struct netlink *rtnl, struct arena *a, struct leftovers *out);
/* Looks for the routes of those that are recognised: what has none, and is not sure, is not a mesh's. */
int leftover_read_routes(struct netlink *rtnl, struct leftovers *l);
/* With the route, if it is the last that leads there. */
int leftover_remove_routing(struct netlink *rtnl, const struct old_lookup *lookup);

#endif
