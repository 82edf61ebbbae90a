/* Putting a ruleset together, statement by statement. Pure. Each function's comment is what it writes, in nft's
 * words. */
#ifndef TARGETS_CAPTURE_BUILD_H
#define TARGETS_CAPTURE_BUILD_H

#include "model/site.h"
#include "targets/capture/ruleset.h"

struct building {
	const struct site *site;
	struct arena *arena;
	struct ruleset *out;
};

/* ---- sets ---- */

struct set *build_set(
	struct building *b, const char *name, enum type key, enum type data); /* made at its first use */
struct element *build_element(struct building *b, struct set *s, struct value key);
void build_port(struct building *b, const char *map, enum type key_type, struct value key, uint16_t port);
void build_goto(struct building *b, const char *map, enum type key_type, struct value key, const char *chain);
/* Elements of a set of ports, which is one of intervals if any of them is a range. NULL: there are none. */
const char *build_ports(struct building *b, const char *name, const struct ports *ports);
/* The ranges of one family; NULL: there are none. */
const char *build_ranges(struct building *b, const char *name, const struct cidrs *ranges, int family);
const char *build_interfaces(struct building *b, const char *name, const struct texts *interfaces);
const char *build_accounts(struct building *b, const char *name, const struct accounts *accounts, bool group);
/* An id where this machine knows the account, else its name, which can be shown but not written. */
struct value build_account(const struct building *b, const struct account *account, bool group);
/* The name of a set that there is, else NULL. */
const char *build_known(const struct building *b, const char *name);
/* First and last port of a range; of a name, what this machine's /etc/services says. */
void build_port_range(
	const struct building *b, const struct port_range *p, struct value *first, struct value *last);

/* ---- rules ---- */

struct rule *build_rule(struct building *b, struct chain *chain);
void build_match(struct building *b, struct rule *r, enum field field, struct value value); /* FIELD VALUE */
void build_match_not(
	struct building *b, struct rule *r, enum field field, struct value value);           /* FIELD != VALUE */
void build_match_set(struct building *b, struct rule *r, enum field field, const char *set); /* FIELD @SET */
void build_match_not_set(struct building *b, struct rule *r, enum field field, const char *set);
void build_match_states(struct building *b, struct rule *r, uint32_t bits); /* ct state … */
void build_match_tcp(struct building *b, struct rule *r);                   /* meta l4proto tcp */
void build_match_interface(struct building *b, struct rule *r, enum field field, const char *name);
void build_count(struct building *b, struct rule *r);
void build_verdict(struct building *b, struct rule *r, enum verdict verdict, const char *chain);
void build_map(struct building *b, struct rule *r, enum statement_kind kind, enum field field, const char *map);
void build_statement(struct building *b, struct rule *r, enum statement_kind kind, struct value value);

/* counter VERDICT comment "…", which ends a rule. */
void build_let_go(struct building *b, struct rule *r, enum verdict verdict, const char *comment);

/* ---- whole rules ---- */

/* FIELD @SET counter accept comment "…"; nothing if set is NULL. */
void build_exclude(struct building *b, struct chain *chain, enum field field, const char *set,
	enum verdict verdict, const char *comment);
/* FIELD vmap @MAP; nothing if there is no such map. */
void build_dispatch(struct building *b, struct chain *chain, enum field field, uint32_t level, const char *map);

/* IPv4 and IPv6, and what differs between them. */
struct family {
	int family;
	uint8_t nfproto;
	enum field source, dest;
	const char *suffix;
	unsigned char passthrough[16]; /* what Istio's inbound cluster connects from */
};

extern const struct family build_families[2];
extern const unsigned char build_loopback6[16]; /* ::1 */

#endif
