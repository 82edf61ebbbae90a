/* What documents say of one another by name. */
#ifndef MODEL_REFERENCE_H
#define MODEL_REFERENCE_H

#include "model/mesh.h"

/* Of an object without a namespace; one that has none at all, the API server takes as it is. */
#define OBJECT_NAMESPACE_DEFAULT "default"

/*
 * Puts in the sidecars and captures of services and what components wait for, and gives components their ranks.
 * Adds an error for each name that is none, and for each circle.
 */
void references_resolve(struct model *m, const struct config *config, struct arena *a, struct diags *d);

/*
 * "there is no KIND 'x'", with a suggestion; nothing if a file that could not be read may hold it. `items` are the
 * n known ones, of a struct that begins with its name. Always false.
 */
bool reference_missing(const struct node *ref, enum kind kind, const void *items, size_t n, size_t size,
	const struct config *config, struct diags *d);

#endif
