/* What several services and components on one node claim twice: ports, users, everyone's traffic, files. Pure. */
#ifndef MODEL_CONFLICT_H
#define MODEL_CONFLICT_H

#include "model/mesh.h"

/* Adds one error for each pair that shares something, naming both, all that they share, and a node where they do.
 */
void conflict_check(const struct model *m, struct arena *a, struct diags *d);

#endif
