/* The state of the capture target: a ruleset, desired or live. */
#ifndef TARGETS_CAPTURE_STATE_H
#define TARGETS_CAPTURE_STATE_H

#include "targets/capture/edit.h"
#include "targets/target.h"

struct state {
	struct ruleset rules;
};

/* What the changes of one diff have in common; `data` of each. */
struct transition {
	const struct ruleset *want, *live;
	struct edits edits;
};

const struct state *capture_desire(const struct site *site, struct arena *a);
const struct state *capture_observe(struct host *h, const struct state *want, struct arena *a, struct diags *d);
void capture_diff(const struct state *want, const struct state *live, struct applied *last, struct plan *plan);
bool capture_apply(struct host *h, struct change *changes, size_t n, struct arena *a, struct diags *d);
void capture_record(const struct state *want, struct applied *out);

/* A fresh look, without a message. 0 or -errno. */
int capture_look(struct arena *a, struct ruleset *out);

#endif
