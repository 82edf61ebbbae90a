/*
 * STATE_DIR/objects.json: where this node has written objects, so that they are found again when the source no
 * longer says so. It holds no secrets. It is there before the first write, and goes when nothing is left.
 */
#ifndef OBJECTS_RECORD_H
#define OBJECTS_RECORD_H

#include "targets/objects/state.h"

struct record {
	bool exists;
	struct texts servers;
	struct bytes ca;
	vec_of(struct applyset) sets;
};

/* 0 or -errno (-EBADMSG: the file is damaged). */
int record_read(const char *state_dir, struct arena *a, struct record *out);
/* Writes the file unless it says just this. 0 or -errno. */
int record_write(const char *state_dir, const struct record *record, struct arena *a);
int record_remove(const char *state_dir);

#endif
