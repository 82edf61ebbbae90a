/* API objects as data: their normal form for comparison and display. Pure. */
#ifndef OBJECTS_SHAPE_H
#define OBJECTS_SHAPE_H

#include "targets/objects/state.h"

/*
 * An object without what the server keeps for itself (uid, versions, times, managed fields, status), with digests
 * in place of a Secret's data: two objects are alike if these are equal, and this is what people see. A deep copy.
 */
const struct node *shape_normal(
	const struct node *object, const char *api_version, const char *kind, struct arena *a);

/*
 * Of all that an apply's outcome depends on, as far as the object shows it: its content, its uid, and who manages
 * which fields. Not of its status and versions, which change without that.
 */
const char *shape_digest(const struct node *object, const char *api_version, struct arena *a);

/* A copy of `object` with a label put in, or the same with another value. */
const struct node *shape_with_label(
	const struct node *object, const char *key, const char *value, struct arena *a);

/* metadata.NAME as text, or NULL; likewise of labels and annotations. */
const char *shape_metadata(const struct node *object, const char *name);
const char *shape_label(const struct node *object, const char *key);
const char *shape_annotation(const struct node *object, const char *key);

/* Whether our field manager has set the label that makes the object a member of an ApplySet. */
bool shape_labelled_by_us(const struct node *object);

/*
 * The node at a field path of the API server's messages (".spec.ports[0].name", "spec.hosts"), or the nearest one
 * above it that is there.
 */
const struct node *shape_locate(const struct node *object, const char *path, struct arena *a);

#endif
