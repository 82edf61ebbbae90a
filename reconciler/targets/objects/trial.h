/* What the API server would make of the desired objects: server-side dry runs. Effects, but none that stays. */
#ifndef OBJECTS_TRIAL_H
#define OBJECTS_TRIAL_H

#include "targets/objects/kinds.h"
#include "targets/objects/members.h"

struct trial {
	struct api *api;
	struct state *live;
	const struct members *members;
	struct arena *arena;
	struct diags *diags;
	struct texts missing; /* namespaces that are not there, and about which that was said */
};

/*
 * Finds out an object's fate, `before` and `after`. What can't be applied is refused, with an error. False: the
 * API server went away, and an error was added.
 */
bool trial_run(struct trial *t, struct object *o);

/* Whether a Namespace of that name is among the desired objects, and can be applied. */
bool trial_namespace_comes(const struct state *live, const char *name);
/* The definition of a kind among the desired objects; NULL: there is none. */
const struct object *trial_definition(const struct state *live, const char *group, const char *kind);

/* Adds the error that a namespace does not exist, and what would help. */
void trial_no_namespace(
	const struct state *live, const char *name, struct pos pos, const char *use, struct diags *d);

/* The query of an apply. */
const char *trial_query(bool dry_run, bool force);

#endif
