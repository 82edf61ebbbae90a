/* What the API server's refusals mean, as diagnostics in the user's words. Pure. */
#ifndef OBJECTS_REFUSAL_H
#define OBJECTS_REFUSAL_H

#include "targets/objects/api.h"

/* What was asked for. */
struct asked {
	const char *verb;                /* as RBAC has it: "get", "patch" … */
	const struct resource *resource; /* NULL: a discovery document */
	const char *namespace;           /* "": none, or all */
	const char *name;                /* NULL: a list */
};

/*
 * Adds an error about `object` (NULL: about none of them), at its document; one for each field where the server
 * names fields. Always false.
 */
bool refusal_add(
	const struct api_answer *answer, const struct asked *asked, const struct object *object, struct diags *d);

bool refusal_is_conflict(const struct api_answer *answer);
/* The namespace that an answer says is missing; NULL: it says no such thing. */
const char *refusal_missing_namespace(const struct api_answer *answer);

#endif
