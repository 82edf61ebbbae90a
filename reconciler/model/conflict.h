/* What several services and components on one node claim twice: ports, users, everyone's traffic. Pure. */
#ifndef MODEL_CONFLICT_H
#define MODEL_CONFLICT_H

#include "model/mesh.h"

/* Adds one error for each pair on each node, naming both. */
void conflict_check(const struct model *m, struct arena *a, struct diags *d);

#endif
