/*
 * An ApplySet's parent: a ConfigMap with the labels and annotations of the ApplySet specification, by which
 * kubectl and others find the members, and with our inventory as data: for each kind
 * ("WorkloadEntry.networking.istio.io") a line "NAMESPACE/NAME UID" for each member. Pure.
 */
#ifndef OBJECTS_INVENTORY_H
#define OBJECTS_INVENTORY_H

#include "targets/objects/state.h"

/* The id that the specification prescribes for a ConfigMap of that name. */
const char *inventory_set_id(const char *namespace, const char *name, struct arena *a);

/* Reads a parent's data. Lines that are no members are left out: the next pass writes the inventory anew. */
void inventory_read(const struct node *parent, struct arena *a, struct inventory *out);
void inventory_sort(struct inventory *inventory);
/* NULL: it is not in the inventory, which must be sorted. */
const struct member *inventory_find(const struct inventory *inventory, const struct object_id *id);

/* The parent as it is applied. `inventory` must be sorted. */
const struct node *inventory_parent(
	const struct applyset *set, const struct inventory *inventory, struct arena *a);
/* Whether the set's live parent says that these are its members. What others put beside it does not matter. */
bool inventory_agrees(const struct applyset *set, const struct inventory *inventory, struct arena *a);
/* The tool that a live parent belongs to, if that is another one; else NULL. */
const char *inventory_foreign_tool(const struct node *live);

/* What is a member now, and what will be one when all that is planned is done; both sorted. */
void inventory_now(const struct state *live, size_t set, struct arena *a, struct inventory *out);
void inventory_then(const struct state *live, size_t set, struct arena *a, struct inventory *out);

#endif
