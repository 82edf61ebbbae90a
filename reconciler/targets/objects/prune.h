/* Which of the objects that are no longer wanted are deleted. Pure. */
#ifndef OBJECTS_PRUNE_H
#define OBJECTS_PRUNE_H

#include "targets/objects/state.h"

struct prune_policy {
	bool allowed; /* the Mesh and the caller want objects to be deleted */
	bool mass;    /* however many they are */
};

/* An orphan that its owner, its own annotation, or its kind keeps; NULL: it may go. */
const char *prune_obstacle(const struct object *orphan, bool owned);

/*
 * Sets the fate of the orphans that may go (their fate is FATE_PRUNE) back to FATE_KEEP where the policy, the
 * brake, or something wanted that is refused says so, and adds a diagnostic for each set of which something is
 * kept back. False: the brake was put on.
 */
bool prune_decide(struct state *live, const struct prune_policy *policy, struct diags *d);

#endif
