/*
 * ${…} in the strings of MeshSidecar and MeshComponent. Values are put in once, after parsing, and never parsed
 * again;
 * `$${` is a literal `${`.
 */
#ifndef MODEL_VARS_H
#define MODEL_VARS_H

#include "model/mesh.h"

enum { VARS_LABELS_MAX = 64 }; /* labels that one process may take from its node */

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

/* Where a text stands that is checked without a node. */
struct vars_place {
	const struct mesh *mesh; /* NULL: not known */
	bool sidecar;            /* service.* and sidecar.* are known there; else component.* is */
	const struct node *node;
};

/*
 * Checks all that can be known without a node: the names, and that the Mesh has the values. Adds the labels that
 * the text takes from its node to `spec`.
 */
bool vars_check(const char *text, const struct vars_place *place, struct process_spec *spec, struct arena *a,
	struct diags *d);

#endif
