/*
 * Profiles: defaults of a MeshSidecar as data. The files under config/profiles/ are built into the program; each
 * is the `spec` that a document with that profile starts from.
 */
#ifndef CONFIG_PROFILE_H
#define CONFIG_PROFILE_H

#include "base/diag.h"

/*
 * The document with the fields of the profile that its spec names. The document's own fields win: maps are merged
 * name by name, anything else is taken whole. Documents without a profile come back as they are. NULL: an error
 * was added.
 */
const struct node *profile_apply(const struct node *document, struct arena *a, struct diags *d);

#endif
