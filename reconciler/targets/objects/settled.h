/*
 * STATE_DIR/objects-settled.json: the objects of which the API server has said that applying what is wanted
 * changes nothing. While neither they nor what is wanted have changed, it need not be asked again. What that
 * cannot see is a change of the server's own rules (defaults, admission) that leaves the objects as they are: so
 * what is known lasts for a day, and never longer than one version of enmesh. Nothing is lost with the file: what
 * is not known is asked.
 */
#ifndef OBJECTS_SETTLED_H
#define OBJECTS_SETTLED_H

#include <time.h>

#include "targets/objects/state.h"

struct settled_item {
	const char *address, *key;
};

struct settled_items {
	vec_of(struct settled_item) list; /* in the order of addresses */
};

struct settled {
	struct timespec since;      /* of the oldest of `known` */
	struct settled_items known; /* before this pass */
	struct settled_items now;   /* in any order */
};

/* Reads the file. One that is missing, damaged, too old or of the future is as good as none. Effect. */
void settled_read(const char *state_dir, struct timespec now, struct arena *a, struct settled *out);

/*
 * Of all that the outcome of an apply depends on: the program, the servers, what is wanted, and the object as it
 * is (shape_digest). Pure.
 */
const char *settled_key(
	const struct state *live, const struct object *wanted, const char *object, struct arena *a);
/* Pure. */
bool settled_holds(const struct settled *s, const char *address, const char *key);
void settled_add(struct settled *s, const char *address, const char *key, struct arena *a);

/* Writes the file if it says anything else; nothing is no file. 0 or -errno. Effect. */
int settled_write(const char *state_dir, struct timespec now, struct settled *s, struct arena *a);

#endif
