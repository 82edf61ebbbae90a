/*
 * What enmesh made in the node's file system, in STATE_DIR/files.json: nothing else is ever removed. A path is
 * written down before the thing is made and crossed out after it is removed, so a pass that is killed leaves no
 * file that nobody knows.
 */
#ifndef TARGETS_PROCESSES_OWNED_H
#define TARGETS_PROCESSES_OWNED_H

#include "base/diag.h"

struct owned_item {
	const char *path;
	bool directory;
};

struct owned {
	struct arena *arena;
	vec_of(struct owned_item) items; /* in the order of paths */
	bool changed;                    /* since it was read or written */
};

/* False: there is one, but it cannot be read; an error was added. */
bool owned_read(const char *state_dir, struct owned *out, struct diags *d);
/* Writes it if it changed, and syncs; an empty one is no file. 0 or -errno. */
int owned_write(const char *state_dir, struct owned *owned);

/* NULL: not ours. */
const struct owned_item *owned_find(const struct owned *owned, const char *path);
void owned_add(struct owned *owned, const char *path, bool directory);
void owned_remove(struct owned *owned, const char *path);

#endif
