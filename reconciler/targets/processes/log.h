/* What a process writes to its output: STATE_DIR/log/<process>.log. 0 or -errno, nothing printed. */
#ifndef TARGETS_PROCESSES_LOG_H
#define TARGETS_PROCESSES_LOG_H

#include "base/child.h"
#include "base/vec.h"

const char *log_path(const char *state_dir, const char *process, struct arena *a);
/*
 * Opens it for appending, as the property of the process's user: /dev/stdout, by which many programs name their
 * output, is opened anew by them. Who may not pass the directory does not get at it otherwise. A long one is put
 * aside first, in place of the one put aside before. `*size`: what is in it already.
 */
int log_open(const char *state_dir, const char *process, uid_t uid, gid_t gid, struct arena *a, long long *size,
	int *fd);
/* "; its log ends with: …", the last lines since `from`; "" if there are none. Printable, bounded. */
const char *log_tail(const char *state_dir, const char *process, long long from, struct arena *a);
int log_remove(const char *state_dir, const char *process, struct arena *a);

struct log_names {
	vec_of(const char *) list;
};

/* The processes that have a log; "" where there is only an empty directory for them, which log_remove then
 * removes. */
int log_list(const char *state_dir, struct arena *a, struct log_names *out);

#endif
