/*
 * What the last pass that converged wanted of this node: a digest for each address. Against it a difference is
 * told to be drift (somebody else changed the node) or a change of the source. Kept in STATE_DIR/applied.json.
 */
#ifndef STORE_APPLIED_H
#define STORE_APPLIED_H

#include <stdbool.h>

#include "base/file.h"
#include "base/vec.h"

struct applied_item {
	const char *address, *digest;
};

struct applied {
	struct arena *arena;
	vec_of(struct applied_item) items;
	bool sorted;
	/* Of a file that was read. A pass in sync needs hardly anything of it. */
	struct bytes text;
	bool loaded; /* into `items` */
};

/* Adds an item; addresses are unique. `digest` is copied, as is `address`. */
void applied_add(struct applied *applied, const char *address, const char *digest);
/* NULL: it was not wanted. */
const char *applied_digest(struct applied *applied, const char *address);
/* Whether it has just this; finds that out without reading all of it. False if in doubt. */
bool applied_has(const struct applied *applied, const char *address, const char *digest);
/* To be called before `items` of what was read is used. */
void applied_load(struct applied *applied);

/*
 * Reads the file; no file, or one that is damaged, is an empty record (it is written anew by the next pass that
 * changes something). 0 or -errno.
 */
int applied_read(const char *state_dir, struct applied *out);
/* Writes the file unless it holds just this already. 0 or -errno. */
int applied_write(const char *state_dir, struct applied *applied);
/* 0 or -errno; 0 if there was none. */
int applied_remove(const char *state_dir);

#endif
