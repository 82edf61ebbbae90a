/* The state of the capture target: the rules and policy routes of each network namespace, desired or live. */
#ifndef TARGETS_CAPTURE_STATE_H
#define TARGETS_CAPTURE_STATE_H

#include "targets/capture/edit.h"
#include "targets/capture/leftover/leftover.h"
#include "targets/capture/route.h"
#include "targets/target.h"

/* One network namespace. */
struct space {
	const char *netns; /* path; NULL: the node's own */
	struct ruleset rules;
	struct routes routes;
	bool unreadable;           /* live: there is no such namespace, so nothing is planned for it */
	const struct node *origin; /* desired: a service in it */
};

/* Something that can't be as the source wants it just now. */
struct problem {
	const struct node *node;
	const char *message;
};

struct state {
	vec_of(struct space) spaces;     /* the node's own first, then in the order of their paths */
	vec_of(struct problem) problems; /* desired */
	/* Desired: whose leftovers of other meshes are looked for, in its own namespace. NULL: nobody's. */
	const struct mesh_node *node;
	struct leftovers leftovers; /* live */
};

/* The space of that namespace, or NULL. */
const struct space *state_space(const struct state *s, const char *netns);

/* What the changes of one diff of one space have in common; `data` of each. */
struct transition {
	const char *netns;
	const struct space *want, *live;
	struct edits edits;
	vec_of(const struct route *) add_routes, remove_routes;
	const struct texts *adopt; /* meshes whose leftovers in nf_tables go in the same transaction; NULL: none */
	const struct leftovers
		*elsewhere; /* the adopted of these that are not in nf_tables go, and nothing else */
};

const struct state *capture_desire(const struct site *site, struct arena *a);
const struct state *capture_observe(struct host *h, const struct state *want, struct arena *a, struct diags *d);
const struct state *capture_imagine(const struct state *was, const struct state *want, struct arena *a);
void capture_diff(const struct state *want, const struct state *live, struct applied *last, struct plan *plan);
bool capture_apply(struct host *h, struct change *changes, size_t n, struct arena *a, struct diags *d);
void capture_record(const struct state *want, struct applied *out);

const struct node *capture_trace(const struct state *state, const char *netns, const struct connection *c,
	const struct network *n, struct arena *a);
bool capture_survey(
	const char *netns, struct connection *c, size_t n, struct arena *a, struct network *out, struct diags *d);

/* Effect: by which interface and with which source each goes from the calling thread's network namespace. 0 or
 * -errno. */
int survey_ways(struct connection *const *c, size_t n, const struct network *network, struct arena *a);
const struct node *capture_verify(const struct site *site, const struct state *want, const struct state *live,
	struct arena *a, struct diags *d);

/*
 * A fresh look at the rules of a namespace, without a message, and at the leftovers that nf_tables has at that
 * very moment, unless `leftovers` is NULL. 0 or -errno.
 */
int capture_look(const char *netns, struct arena *a, struct ruleset *out, struct leftovers *leftovers);

#endif
