/*
 * What a ruleset does with the first packet of a connection: its way through the kernel's hooks, rule by rule, and
 * where it lands. The packets behind it follow: connection tracking remembers what was decided. Pure.
 */
#ifndef TARGETS_CAPTURE_EVALUATE_H
#define TARGETS_CAPTURE_EVALUATE_H

#include "model/connection.h"
#include "targets/capture/state.h"

/* A look into a set or map. */
struct look_up {
	const char *set;
	const char *key;     /* what was looked for */
	const char *element; /* what was found; NULL: nothing */
};

struct step {
	uint32_t hook;            /* enum nf_inet_hooks */
	const struct chain *base; /* NULL: it is not a rule's, but routing's, or connection tracking's */
	const struct chain *chain;
	const struct rule *rule; /* NULL: the policy of a base chain */
	size_t number;           /* of the rule in its chain, from 1 */
	bool matched;
	const char *why;    /* it did not match: what did not fit */
	const char *effect; /* what it did; NULL: nothing that the packet would show */
	vec_of(struct look_up) look_ups;
};

enum landing {
	LANDING_LOCAL,     /* a socket of this machine takes it */
	LANDING_SENT,      /* it leaves the machine */
	LANDING_FORWARDED, /* it is for somebody else, and sent on */
	LANDING_REFUSED,   /* by a rule, or because nobody waits there */
	LANDING_DROPPED,   /* by a rule */
	LANDING_UNKNOWN,   /* a rule or set that has no typed form decides */
};

#define NO_STEP ((size_t)-1)

struct evaluation {
	vec_of(struct step) steps;
	struct endpoint source; /* as chosen */
	enum landing landing;
	bool no_listener; /* refused, because nobody waits there */
	bool redirected;
	uint16_t tproxy; /* port; 0: none took it */
	struct endpoint
		at; /* where it goes at last: destination after NAT; for TPROXY with the port that takes it */
	const char *what;      /* what waits there; NULL: not known */
	const char *interface; /* by which it leaves; NULL: not known, or it stays */
	size_t decision; /* the step of the rule that captures it, ends it or lets it go; NO_STEP: there is none */
	uint32_t mark, connection_mark, zone;
	const struct route *policy_route; /* the rule that leads it to this machine; NULL: none */
	vec_of(const char *) assumptions;
};

void evaluate(const struct space *space, const struct connection *c, const struct network *n, struct arena *a,
	struct evaluation *out);

/* Where it lands, as a sentence. */
const char *evaluation_text(const struct evaluation *e, const struct connection *c, struct arena *a);

/* ---- what evaluate.c and match.c share ---- */

struct packet {
	uint8_t protocol;
	struct endpoint source, dest;
	uint32_t mark;
	const char *in, *out; /* interfaces; NULL: it has none, "?": not known */
	bool owned;           /* it comes straight from the socket of a process */
	bool tracked;         /* connection tracking has seen it */
	bool translated;      /* whether its destination changes has been decided */
};

/* What came of a rule. */
enum ruling {
	RULING_CONTINUE,
	RULING_ACCEPT,
	RULING_DROP,
	RULING_REFUSE,
	RULING_RETURN,
	RULING_JUMP,
	RULING_GOTO,
	RULING_UNKNOWN, /* it has something without a typed form */
};

struct evaluating {
	const struct space *space;
	const struct connection *connection;
	const struct network *network;
	struct arena *arena;
	struct packet packet;
	struct evaluation *out;
};

/* Something that is taken for granted; said once. */
void evaluate_assume(struct evaluating *e, const char *text);

/* Carries out one rule, and tells `step` what came of it. `*chain`: where to jump or go. */
enum ruling match_rule(struct evaluating *e, const struct rule *r, struct step *step, const char **chain);

#endif
