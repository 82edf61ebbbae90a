/*
 * Two revisions of a source: what going from one to the other would change on each node that was as the first one
 * wants it. Desired against desired: no live state, no network, no rights. Pure, but for reading what files of a
 * directory are named.
 */
#ifndef PASS_COMPARE_H
#define PASS_COMPARE_H

#include "pass/pass.h"

/* Nodes with the same changes, up to their own name and addresses. */
struct comparison_group {
	vec_of(const char *) nodes; /* in the order of names */
	enum presence {
		PRESENCE_BOTH,
		PRESENCE_NEW,  /* the first revision does not name them */
		PRESENCE_GONE, /* the second one does not: nothing is changed there any more */
	} presence;
	const struct pass *pass; /* with the plan of the first of the nodes, and its parts */
};

struct comparison {
	/* What the caller asks for. */
	struct arena *arena;
	struct diags *diags;
	struct pass from, to; /* loaded (pass_load), with the same targets */
	const char *node;     /* only this one; NULL: all */

	/* What came of it. */
	vec_of(struct comparison_group) groups; /* with changes, in the order of their first nodes */
	size_t nodes;                           /* how many were compared */
	struct plan_counts counts;              /* of all nodes together */
};

/* False: an error was added. Release with compare_finish in any case. */
bool compare_run(struct comparison *c);
void compare_finish(struct comparison *c);

#endif
