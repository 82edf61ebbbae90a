/*
 * ${…} in the strings of MeshSidecar and MeshComponent. Values are put in once, after parsing, and never parsed
 * again;
 * `$${` is a literal `${`.
 */
#ifndef MODEL_VARS_H
#define MODEL_VARS_H

#include "model/mesh.h"

struct scope {
	const struct mesh *mesh;
	const struct mesh_node *node;
	const struct mesh_service *service;     /* NULL in a component */
	const struct mesh_sidecar *sidecar;     /* NULL in a component */
	const struct mesh_component *component; /* NULL in a sidecar */
};

/* NULL: an error was added, at `pos`. */
const char *vars_expand(
	const char *text, const struct scope *scope, struct pos pos, struct arena *a, struct diags *d);

/*
 * Checks the names alone, without a node: what is unknown anywhere is an error in every document. `sidecar`:
 * service.* and sidecar.* are known; else component.* is.
 */
bool vars_check(const char *text, bool sidecar, struct pos pos, struct diags *d);

#endif
