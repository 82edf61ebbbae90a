/* Where cgroup v2 is mounted. */
#ifndef BASE_CGROUP_H
#define BASE_CGROUP_H

#include "base/arena.h"

/*
 * The mount point of a cgroup v2 hierarchy, of several the first that can be written to. NULL: there is none
 * (`*error` is 0), or mountinfo could not be read (-errno). Source: proc_pid_mountinfo(5).
 */
const char *cgroup_mount(struct arena *a, int *error);

#endif
