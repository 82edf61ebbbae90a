/*
 * A typed nftables ruleset: the one form in which rules are compiled, printed, written to the kernel, read back
 * and compared. Plain data in an arena. Desired and live rulesets are normalized alike: chains and sets in the
 * order of their names, elements in the order of their keys, intervals merged.
 */
#ifndef TARGETS_CAPTURE_RULESET_H
#define TARGETS_CAPTURE_RULESET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/names.h"
#include "base/node.h"
#include "base/vec.h"

#define RULESET_TABLE "enmesh" /* of family inet */

/* Flags of a table; the kernel's header does not name all of them before 6.9. */
enum { TABLE_DORMANT = 0x1, TABLE_OWNED = 0x2, TABLE_PERSISTS = 0x4, TABLE_HELD = TABLE_OWNED | TABLE_PERSISTS };

enum { VALUE_SIZE = 16, INTERFACE_SIZE = 16 };

/* Data types; `nft describe` names them. */
enum type {
	TYPE_NONE,
	TYPE_VERDICT,
	TYPE_NFPROTO,
	TYPE_L4PROTO,
	TYPE_IPV4,
	TYPE_IPV6,
	TYPE_PORT,
	TYPE_MARK,
	TYPE_USER,
	TYPE_GROUP,
	TYPE_INTERFACE,
	TYPE_ADDRESS_TYPE,
	TYPE_CT_STATE,
	TYPE_FLAG,
	TYPE_CGROUP,
	TYPE_COUNT,
};

struct type_info {
	const char *name; /* in nft's text */
	uint32_t number;  /* in the kernel's NFTA_SET_KEY_TYPE: nft's enum datatypes */
	uint32_t size;    /* bytes */
	bool host_order;  /* else network order */
};

const struct type_info *type_info(enum type type);

/* What a rule can look at. */
enum field {
	FIELD_NFPROTO,
	FIELD_L4PROTO,
	FIELD_MARK,
	FIELD_USER,
	FIELD_GROUP,
	FIELD_IN_INTERFACE,
	FIELD_OUT_INTERFACE,
	FIELD_IP_SOURCE,
	FIELD_IP_DEST,
	FIELD_IP6_SOURCE,
	FIELD_IP6_DEST,
	FIELD_TCP_DEST_PORT,
	FIELD_UDP_DEST_PORT,
	FIELD_UDP_SOURCE_PORT,
	FIELD_DEST_TYPE, /* fib: local, unicast … */
	FIELD_CT_STATE,
	FIELD_CT_MARK,
	FIELD_TRANSPARENT, /* a socket with IP_TRANSPARENT waits for the packet */
	FIELD_CGROUP,      /* the socket's, at a level below the root */
	FIELD_COUNT,
};

enum loader { LOAD_META, LOAD_NETWORK_HEADER, LOAD_TRANSPORT_HEADER, LOAD_FIB, LOAD_CT, LOAD_SOCKET };

struct field_info {
	const char *name; /* in nft's text */
	enum type type;
	enum loader loader;
	uint32_t key;    /* of meta, ct, socket: the kernel's enum; of a header: offset in bytes; of fib: flags */
	uint8_t nfproto; /* which the packet must be known to have; 0: any */
	uint8_t l4proto;
};

const struct field_info *field_info(enum field field);

/*
 * As the kernel has it, padded with zeros. `shown` stands for it in texts: the path of a cgroup, the name of an
 * account. `missing`: this machine lacks it, so it can be shown but not written.
 */
struct value {
	unsigned char data[VALUE_SIZE];
	const char *shown;
	bool missing;
};

struct value value_byte(uint8_t n);     /* a protocol, an address family */
struct value value_port(uint16_t port); /* network order */
struct value value_number(uint32_t n);  /* host order: marks, ids, address types */
struct value value_address(int family, const unsigned char *address);
struct value value_interface(const char *name);
uint32_t value_as_number(const struct value *v);                                 /* of one in host order */
int value_compare(enum type type, const struct value *a, const struct value *b); /* as people order them */

enum verdict { VERDICT_ACCEPT, VERDICT_DROP, VERDICT_RETURN, VERDICT_JUMP, VERDICT_GOTO };

enum statement_kind {
	MATCH_VALUE, /* field == value, or != */
	MATCH_SET,   /* field in set, or not */
	STATEMENT_COUNTER,
	STATEMENT_VERDICT,
	STATEMENT_VERDICT_MAP,  /* field → verdict */
	MATCH_FLAGS,            /* one of the bits is set */
	STATEMENT_REDIRECT,     /* to a port */
	STATEMENT_REDIRECT_MAP, /* to the port that a map has for field */
	STATEMENT_TPROXY,       /* to a port */
	STATEMENT_TPROXY_MAP,
	STATEMENT_SET_MARK,     /* of the packet */
	STATEMENT_SAVE_MARK,    /* the connection gets the packet's */
	STATEMENT_RESTORE_MARK, /* the packet gets the connection's */
	STATEMENT_SET_ZONE,     /* of connection tracking, for the original direction */
	STATEMENT_REJECT,       /* with an ICMP or ICMPv6 message that the port is unreachable */
	STATEMENT_RESET,        /* TCP */
};

struct statement {
	enum statement_kind kind;
	enum field field;
	bool negated;
	struct value value;
	uint32_t level;  /* of a cgroup */
	const char *set; /* of MATCH_SET and the maps */
	enum verdict verdict;
	const char *chain; /* of jump and goto */
};

struct rule {
	vec_of(struct statement) statements;
	const char *comment; /* NULL: none */
	const char *text;    /* in nft's language; equal text, equal rule */
	bool foreign;        /* something of it has no typed form; `text` shows it raw */
	size_t known;        /* of a foreign rule: how many statements come before what has no form */
	uint64_t handle;     /* of a live rule */
	uint64_t packets;    /* of a live rule with a counter */
};

enum chain_type { CHAIN_REGULAR, CHAIN_FILTER, CHAIN_NAT, CHAIN_ROUTE };

struct chain {
	const char *name;
	enum chain_type type;
	uint32_t hook;    /* enum nf_inet_hooks; of a base chain */
	int32_t priority; /* of a base chain */
	bool drop;        /* policy of a base chain */
	vec_of(struct rule) rules;
	const struct node *origin; /* of a desired chain: the document that it comes from, or NULL */
};

struct element {
	struct value key, end; /* a range, both ends included; a single key is a range of one */
	struct value data;     /* of a map */
	enum verdict verdict;  /* of a verdict map */
	const char *chain;
};

struct set {
	const char *name;
	enum type key, data; /* data: TYPE_NONE: a set; TYPE_VERDICT: a verdict map */
	bool interval;
	bool foreign; /* has a flag or type that the form does not know */
	vec_of(struct element) elements;
};

struct ruleset {
	bool present;   /* the table is there */
	uint32_t flags; /* of the table */
	uint32_t owner; /* live: netlink port of the socket that holds it; 0: nobody does */
	uint32_t keep;  /* live: the flags that it is to have (hold.h) */
	bool remade;    /* live: it can't get them, so all of it is made anew */
	vec_of(struct chain) chains;
	vec_of(struct set) sets;
	struct names chain_names, set_names;
	vec_of(const char *) strangers; /* what else is in the table (flowtables, objects): "flowtable f" */
	uint32_t generation;            /* of the namespace, when it was read */
};

/* ---- building ---- */

struct chain *ruleset_add_chain(struct ruleset *r, struct arena *a, const char *name);
struct set *ruleset_add_set(struct ruleset *r, struct arena *a, const char *name, enum type key, enum type data);
struct chain *ruleset_chain(const struct ruleset *r, const char *name); /* NULL: there is none */
struct set *ruleset_set(const struct ruleset *r, const char *name);

/* The name of an account that this machine lacks, without which the ruleset can't be written; NULL: there is none.
 */
const char *ruleset_unresolved(const struct ruleset *r);

/* By key, then by what a map has for it. */
int element_compare(const struct set *s, const struct element *a, const struct element *b);

/* Puts everything in order, merges intervals, and makes the texts of the rules. */
void ruleset_normalize(struct ruleset *r, struct arena *a);

/* The same for what the kernel holds: adjacent ranges stay two, because the kernel removes them only as they were
 * added. */
void ruleset_sort(struct ruleset *r, struct arena *a);

/* ---- print.c: nft's text ---- */

const char *hook_name(uint32_t hook); /* "output"; NULL: one that has no name here */
const char *chain_type_name(enum chain_type type);

const char *print_value(enum type type, const struct value *v, struct arena *a);
const char *print_rule(const struct rule *r, struct arena *a);
const char *print_element(const struct set *s, const struct element *e, struct arena *a);
/* "set NAME { type …; flags interval; }", without elements. */
const char *print_set_head(const struct set *s, struct arena *a);
/* "chain NAME { type nat hook output priority -100; policy accept; }", without rules. */
const char *print_chain_head(const struct chain *c, struct arena *a);
/* The whole table, as `nft -f` takes it; "" if it is not present. */
const char *print_ruleset(const struct ruleset *r, struct arena *a);

#endif
