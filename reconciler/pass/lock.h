/* One pass at a time writes to a machine: a lock in the run directory (flock(2)), which ends with its holder. */
#ifndef PASS_LOCK_H
#define PASS_LOCK_H

#include <stdbool.h>

#include "base/arena.h"

struct lock {
	const char *run_dir;
	int dir, fd; /* -1: not held */
};

struct lock_wish {
	const char *run_dir; /* made if it is missing; must outlive the lock */
	const char *command; /* what others are told that the holder does */
	long long timeout_ms;
	bool (*stopped)(void); /* ends the waiting; may be NULL */
};

/*
 * 0: held; release it with lock_release. -EBUSY: somebody else holds it, and still did when the time was over;
 * `*holder` says who, for people, or is NULL if that can't be known. -EINTR: stopped. -EXDEV: the directory is on
 * a network file system, where locks do not exclude other machines' or are not there at all. Or another -errno.
 */
int lock_take(const struct lock_wish *wish, struct arena *a, struct lock *out, const char **holder);
void lock_release(struct lock *l);

/* Removes the file of a lock that is held, and its directory if that is then empty. It stays held. 0 or -errno. */
int lock_remove(struct lock *l);

#endif
