/* The node's files: reading, writing and removing them, and what to say when a path is not what it should be. */
#ifndef TARGETS_PROCESSES_FILES_H
#define TARGETS_PROCESSES_FILES_H

#include "targets/processes/state.h"

enum { FILES_READ_MAX = 2 * 1024 * 1024 }; /* larger than any file that a source can have */

/*
 * Reads what is at a path that is no link and leads over none. 0 or -errno: -ENOENT, -ELOOP: a link, -EINVAL: not
 * a regular file. `like` (may be NULL): what it probably is, which saves its digest.
 */
int file_look(const char *path, const struct file *like, struct arena *a, struct file *out);

/*
 * Why a wanted file cannot be put in its place, for people; NULL: it can, or is there already. `live` is what was
 * found there, NULL if nothing could be; `error` is file_look's.
 */
const char *file_obstacle(
	const struct file *wanted, const struct file *live, int error, bool ours, struct arena *a);

/* Adds the file, and the directories that must be made for it, to what enmesh owns. */
void file_note(const char *path, struct owned *owned);

/* Writes a wanted file whole; makes the directories that it needs. 0 or -errno. */
int file_put(const struct file *f, struct arena *a);

/*
 * Removes a file that enmesh owns, and then the directories above it that it owns, that `want` does not need
 * and that are empty, and crosses them out. 0 or -errno; 0 also if it was gone.
 */
int file_remove(const char *path, const struct state *want, struct owned *owned, struct arena *a);
/* The same for such a directory itself; one that is not empty stays, and stays its own. */
int directory_remove(const char *path, const struct state *want, struct owned *owned, struct arena *a);

/* Whether the directory is there and has something in it. 0 or -errno (-ENOENT). */
int directory_used(const char *path, bool *used);

#endif
