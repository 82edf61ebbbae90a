/*
 * Profiles: defaults of a MeshSidecar as data. The files under config/profiles/ are built into the program; each
 * is the `spec` that a document with that profile starts from.
 */
#ifndef CONFIG_PROFILE_H
#define CONFIG_PROFILE_H

#include "base/diag.h"

/* The profiles that were needed so far; each is parsed once. */
struct profiles {
	struct arena *arena;
	vec_of(struct profile {
		const char *name;
		const struct node *spec;
	}) known;
};

/*
 * The document with the fields of the profile that its spec names. The document's own fields win: maps are merged
 * name by name, anything else is taken whole. What comes from the profile stands, for messages, where the document
 * names it. Documents without a profile come back as they are. NULL: an error was added.
 */
const struct node *profile_apply(struct profiles *profiles, const struct node *document, struct diags *d);

#endif
