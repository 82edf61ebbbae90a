/*
 * The cgroup v2 groups that our processes run in: ROOT/<process>/<digest of its spec>. Nothing else records what
 * runs, so whatever kills enmesh, and whenever, the next pass finds either a group without processes or a process
 * that it knows. The outer group stays while its process is wanted: its path may be named elsewhere.
 *
 * A group has extended attributes, gone with it: `user.enmesh.main` ("PID START NOTE", base/child.h) is set by the
 * main process itself before its program runs, `user.enmesh.spec` (JSON) before the process is made,
 * `user.enmesh.ending` before the process is drained or asked to end. Where the kernel has no such attributes
 * there, the oldest process of a group counts as its main one, and a process that is no longer wanted is stopped
 * without draining.
 *
 * All return 0 or -errno and print nothing.
 */
#ifndef TARGETS_PROCESSES_CGROUP_H
#define TARGETS_PROCESSES_CGROUP_H

#include "base/child.h"
#include "base/vec.h"

#define CGROUP_MARK "user.enmesh.main"

enum { GROUP_NAME_SIZE = 32 };

struct group {
	const char *name;        /* the first 32 digits of the digest */
	unsigned long long made; /* grows from group to group in the order in which they were made */
	bool populated;          /* with anything that has not ended */
	bool runs;               /* its main process does; `main` is then good */
	bool ended;              /* its main process has ended; `main` says which it was */
	bool ending;             /* a pass began to end it: it is not what should run, even if it is like it */
	struct process_id main;
	long long log_from; /* size of the log when it was started */
	const char *record; /* user.enmesh.spec; NULL: none */
};

/* The groups of one process, whether wanted or not. */
struct groups {
	const char *process;
	vec_of(struct group) list;
};

struct group_names {
	vec_of(const char *) list; /* in their order */
};

/* "enmesh" in the root of the cgroup v2 mount. NULL: there is none; *error says why if it could not be read. */
const char *cgroup_default(struct arena *a, int *error);

/* Opens what cgroup_make_root made. -ENOENT: there is nothing. -ENOTSUP: the directory is not of cgroup v2. */
int cgroup_open_root(const char *path, int *fd);
/* Makes the directory itself if need be, not those above it. */
int cgroup_make_root(const char *path, int *fd);
/* Removes the directory if cgroup_make_root made it and nothing is in it. */
void cgroup_remove_root(const char *path, int root);

/* The processes that ROOT has groups of: all that is ours by its name. */
int cgroup_list(int root, struct arena *a, struct group_names *out);
/*
 * The groups of one process; -ENOENT: it has none any more. `expected` (may be NULL) is the one that it probably
 * has, which saves listing them.
 */
int cgroup_read(int root, const char *process, const char *expected, struct arena *a, struct groups *out);
/* One group; -ENOENT: there is none. */
int cgroup_read_one(int root, const char *process, const char *name, struct arena *a, struct group *out);

/* Makes the outer group too. The result is for child_start. */
int cgroup_make(int root, const char *process, const char *name, const char *record, int *fd);
int cgroup_open(int root, const char *process, const char *name, int *fd);
/* Replaces the record of a group. One that is too large for the kernel is left out. */
int cgroup_record(int group, const char *record);

void cgroup_mark_ending(int root, const char *process, const char *name);
/* Kills whatever is in the group or below, waits until it has ended, and removes the group. -ETIMEDOUT: it does
 * not end. */
int cgroup_destroy(int root, const char *process, const char *name);
/* Removes the outer group if nothing is in it. */
int cgroup_remove_outer(int root, const char *process);

#endif
