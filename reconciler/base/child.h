/*
 * Starting programs, and telling whether a process still lives. Knows cgroups only as directories to start in.
 * Linux 5.14 or newer.
 */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/arena.h"

#define CHILD_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * What it starts: a session of its own, umask 022, every signal as at the start of a system, no descriptor but 0
 * to 2, and stdin empty. Set-user-id programs and file capabilities keep working (no_new_privs is not set):
 * proxies are often given the right to low ports that way, and who may write a mesh may name root as its user
 * anyway.
 */
struct child_spec {
	/* NULL ends them. A program without '/' is looked up in the PATH of env, or in CHILD_PATH. */
	const char *const *argv;
	const char *const *env; /* "NAME=value"; all that there is */
	const char *directory;
	const char *netns; /* path of the network namespace that it runs in; NULL: that of the caller */
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* supplementary */
	size_t n_groups;
	int output; /* becomes stdout and stderr */
	int cgroup; /* directory of a cgroup v2 group; -1: that of the caller */
	/*
	 * Extended attribute that the child itself gives its cgroup before the program runs: "PID START NOTE", as
	 * struct process_id has them. NULL: none. Where the kernel has none there, the program is started without.
	 */
	const char *mark;
	long long note;
	/*
	 * It is nobody's child but the init process's before its program runs, and lives on whatever becomes of
	 * the caller. A child of ours would not: a program may ask to be ended with its parent, and Envoy does.
	 */
	bool detached;
};

/* Where starting went wrong. */
enum child_step {
	CHILD_PREPARE,
	CHILD_NETWORK,
	CHILD_FORK,
	CHILD_DETACH,
	CHILD_JOIN,
	CHILD_MARK,
	CHILD_OUTPUT,
	CHILD_SESSION,
	CHILD_GROUPS,
	CHILD_GID,
	CHILD_UID,
	CHILD_DIRECTORY,
	CHILD_CLOSE,
	CHILD_EXEC,
};

/* Continues "it could not …". */
const char *child_step_text(enum child_step step);

/*
 * 0: the program runs, or has ended by itself. -errno: it does not, nothing is left behind, and `*step` says
 * where. If the caller is killed meanwhile, either there is no process, or one that has all that the spec says.
 * The caller's close-on-exec descriptors (a lock) stay open in the child until the program runs. `*pid` is 0 if it
 * is detached.
 */
int child_start(const struct child_spec *spec, struct arena *a, pid_t *pid, enum child_step *step);

/* Where the program would be found, to tell a mistake before it does harm. NULL: nowhere, `*error` is the -errno.
 */
const char *child_find(const struct child_spec *spec, struct arena *a, int *error);

/* A process for good: pids are used again, but not with the same time of start (in clock ticks since boot). */
struct process_id {
	pid_t pid;
	unsigned long long start;
};

/* 0 or -errno (-ESRCH: there is none). `*ended`: what is left of it only waits to be collected. */
int process_identify(pid_t pid, struct process_id *id, bool *ended);
bool process_alive(const struct process_id *id);
/* A pidfd, or -ESRCH; also of one that ended and was not yet collected. */
int process_open(const struct process_id *id);
int process_signal(int pidfd, int signal);

/* How a process ended. */
struct child_end {
	/* Only its parent can tell for sure; others while it was not collected, and from Linux 6.15 on. */
	bool known;
	int status; /* as waitpid has it */
};

/* A child of ours; does not wait. False: it has not ended. If it has, it is collected: this can be asked once. */
bool child_ended(pid_t pid, struct child_end *end);
/* Any process that has ended. `pidfd`, opened while it lived, or -1. A child of ours is not collected by this. */
void process_end(const struct process_id *id, int pidfd, struct child_end *end);
/* Collects it if it is a child of ours and has ended. */
void process_collect(const struct process_id *id);
/* "ended with exit status 1", "was killed by signal 9 (Killed)". */
const char *child_end_text(const struct child_end *end, struct arena *a);

#endif
