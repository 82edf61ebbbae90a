/*
 * Which services and components run on which node. Made once for a revision, in time that grows with the number of
 * matches, so that one node's part is found without looking at all of the fleet's.
 */
#ifndef MODEL_PLACE_H
#define MODEL_PLACE_H

#include "model/mesh.h"

struct placed {
	const struct mesh_service *const *services; /* in the order of the model */
	size_t n_services;
	const struct mesh_component *const *components; /* in the order of rank, then name */
	size_t n_components;
};

enum { PLACED_MAX = 2000000 }; /* services and components, each counted on each of its nodes */

/*
 * Warns of selectors that match nothing; errors for names that are no node, and for nodes that lack a label which
 * a process of theirs needs. False: there are too many matches, and nothing was placed.
 */
bool place_all(struct model *m, const struct config *config, struct arena *a, struct diags *d);
struct placed place_of(const struct model *m, const struct mesh_node *node);

/* Adds an error for each name in a selector, as it is written, that is no node; false: there was one. */
bool selector_check_names(
	const struct node *selector, const struct model *m, const struct config *config, struct diags *d);

/* Whether a selector takes a node. */
bool selector_matches(const struct selector *s, const struct mesh_node *node);

#endif
