/* The changes of a pass, of all targets, in the order in which they are carried out. Pure. */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "plan/change.h"

struct plan {
	struct arena *arena;
	vec_of(struct change) changes;
	vec_of(const struct target *) unknown; /* their live state could not be read */
};

/* A change that the caller fills in. */
struct change *plan_add(struct plan *p, const struct target *target, enum action action, const char *address);
/* For `before` and `after`: a string as a node. */
const struct node *plan_text(struct plan *p, const char *text);

/* By phase, rank, and the order in which they were added. */
void plan_order(struct plan *p);

struct plan_counts {
	size_t add, change, remove, drift;
};

struct plan_counts plan_count(const struct plan *p);

#endif
