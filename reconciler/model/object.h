/* The documents for the API server, as far as the mesh decides about them. Pure. */
#ifndef MODEL_OBJECT_H
#define MODEL_OBJECT_H

#include "model/mesh.h"

/* Adds an error for each kind of object that the mesh does not allow, and one if there is no API server for any.
 */
void objects_check(const struct model *m, struct diags *d);

/* Exactly one node writes the objects of the whole mesh. */
void writers_check(const struct model *m, const struct config *config, struct diags *d);

#endif
