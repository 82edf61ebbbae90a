/* The members of ApplySets, as the API server lists them by their label. Effects: reads only. */
#ifndef OBJECTS_MEMBERS_H
#define OBJECTS_MEMBERS_H

#include "targets/objects/api.h"
#include "targets/objects/kinds.h"

/* An object that carries the label of one of the sets. */
struct found {
	struct object_id id;
	const struct resource *resource;
	const char *uid;
	size_t set;                /* that its label names */
	const struct node *object; /* normalized */
	const char *digest;        /* shape_digest */
	const char *version;       /* metadata.resourceVersion */
	bool by_us;                /* our field manager has set the label */
	bool owned;                /* it has an owner that deletes it in its time */
	bool going;                /* it is being deleted */
	bool wanted;               /* for the caller's use */
};

struct members {
	vec_of(struct found) list;
};

/*
 * Adds the members of one kind in the namespaces given (of a kind without namespaces: all). False: an error was
 * added.
 */
bool members_list(struct api *api, const struct resource *r, const struct texts *namespaces,
	const struct state *live, struct arena *a, struct members *out, struct diags *d);

void members_sort(struct members *members);
/* NULL: there is none. */
struct found *members_find(const struct members *members, const struct object_id *id);

/* The set of ours that a live object's label names; SET_NONE: none. */
size_t members_set_of(const struct state *live, const struct node *object);

#endif
