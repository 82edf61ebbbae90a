#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/netns.h"
#include "base/str.h"
#include "base/vec.h"

const char *child_step_text(enum child_step step)
{
	static const char *const texts[] = {
		[CHILD_PREPARE] = "prepare its start",
		[CHILD_NETWORK] = "enter its network namespace",
		[CHILD_FORK] = "make a process in its cgroup",
		[CHILD_DETACH] = "hand it over to the init process",
		[CHILD_JOIN] = "join its cgroup",
		[CHILD_MARK] = "mark its cgroup",
		[CHILD_OUTPUT] = "open its output",
		[CHILD_SESSION] = "make a session for it",
		[CHILD_GROUPS] = "set its supplementary groups",
		[CHILD_GID] = "take on its group",
		[CHILD_UID] = "take on its user",
		[CHILD_DIRECTORY] = "enter its working directory",
		[CHILD_CLOSE] = "close what it should not inherit",
		[CHILD_EXEC] = "execute its program",
	};

	return texts[step];
}

/* ---- which process it is ---- */

/* The state and the time of start in a line of /proc/PID/stat. The name, in brackets, may hold anything. */
static bool parse_stat(const char *line, char *state, unsigned long long *start)
{
	const char *at = strrchr(line, ')');

	if (!at || at[1] != ' ')
		return false;
	at += 2;
	*state = *at;
	for (int field = 3; field < 22; field++) {
		at = strchr(at, ' ');
		if (!at)
			return false;
		at++;
	}
	*start = 0;
	if (*at < '0' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9'; at++)
		*start = *start * 10 + (unsigned long long)(*at - '0');
	return true;
}

enum { STAT_SIZE = 1024 };

/* Only system calls: a child uses it between fork and exec. `pid` 0: of the caller. */
static int read_stat(pid_t pid, char line[STAT_SIZE], char *state, unsigned long long *start)
{
	char path[64] = "/proc/self/stat";
	ssize_t n;
	int fd, r;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, line, STAT_SIZE - 1);
	r = n < 0 ? -errno : 0; /* -ESRCH: it ended between */
	close(fd);
	if (n < 0)
		return r;
	line[n] = 0;
	return parse_stat(line, state, start) ? 0 : -EPROTO;
}

int process_identify(pid_t pid, struct process_id *id, bool *ended)
{
	char line[STAT_SIZE], state;
	unsigned long long start;
	int r = read_stat(pid, line, &state, &start);

	if (r)
		return r;
	*id = (struct process_id){ pid, start };
	*ended = state == 'Z' || state == 'X';
	return 0;
}

bool process_alive(const struct process_id *id)
{
	struct process_id now;
	bool ended;

	return process_identify(id->pid, &now, &ended) == 0 && now.start == id->start && !ended;
}

int process_open(const struct process_id *id)
{
	int fd = (int)syscall(SYS_pidfd_open, id->pid, 0);
	struct process_id now;
	bool ended;

	if (fd < 0)
		return -errno;
	/* Asked after the descriptor is open: from now on the pid is not given to another. */
	if (process_identify(id->pid, &now, &ended) || now.start != id->start) {
		close(fd);
		return -ESRCH;
	}
	return fd;
}

int process_signal(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

bool child_ended(pid_t pid, struct child_end *end)
{
	pid_t r;

	*end = (struct child_end){ 0 };
	do
		r = waitpid(pid, &end->status, WNOHANG);
	while (r < 0 && errno == EINTR);
	end->known = r == pid;
	return r != 0;
}

void process_collect(const struct process_id *id)
{
	struct process_id now;
	bool ended;

	/* Its pid may be another child's by now. */
	if (process_identify(id->pid, &now, &ended) == 0 && now.start == id->start && ended)
		waitpid(id->pid, NULL, WNOHANG);
}

/* Of <linux/pidfd.h>, as of Linux 6.15. */
struct pidfd_exit_info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
#define PIDFD_EXIT_INFO _IOWR(0xFF, 11, struct pidfd_exit_info)
#define PIDFD_EXIT_KNOWN (UINT64_C(1) << 3)

void process_end(const struct process_id *id, int pidfd, struct child_end *end)
{
	struct pidfd_exit_info info = { .mask = PIDFD_EXIT_KNOWN };
	char line[STAT_SIZE], state;
	unsigned long long start;

	*end = (struct child_end){ 0 };
	/* Until its parent has collected it: the last field. To those who may not know, the kernel says 0. */
	if (read_stat(id->pid, line, &state, &start) == 0 && start == id->start) {
		end->known = state == 'Z' && geteuid() == 0;
		end->status = atoi(strrchr(line, ' ') + 1);
	} else if (pidfd >= 0 && ioctl(pidfd, PIDFD_EXIT_INFO, &info) == 0 && (info.mask & PIDFD_EXIT_KNOWN)) {
		end->known = true;
		end->status = info.exit_code;
	}
}

const char *child_end_text(const struct child_end *end, struct arena *a)
{
	if (!end->known)
		return "ended";
	if (WIFEXITED(end->status))
		return arena_printf(a, "ended with exit status %d", WEXITSTATUS(end->status));
	return arena_printf(
		a, "was killed by signal %d (%s)", WTERMSIG(end->status), strsignal(WTERMSIG(end->status)));
}

/* ---- the program ---- */

struct candidates {
	vec_of(const char *) list; /* NULL ends it */
};

/* Every path that the program may have, made before the fork. */
static void list_candidates(const struct child_spec *spec, struct arena *a, struct candidates *out)
{
	const char *program = spec->argv[0], *path = CHILD_PATH;

	if (strchr(program, '/')) {
		*vec_push(a, &out->list) = program;
		path = "";
	}
	for (const char *const *e = spec->env; *e && *path; e++)
		if (str_starts(*e, "PATH="))
			path = *e + strlen("PATH=");
	while (*path && *program) {
		size_t n = strcspn(path, ":");

		/* An empty part of PATH would mean the working directory. */
		if (n)
			*vec_push(a, &out->list) = arena_printf(a, "%.*s/%s", (int)n, path, program);
		path += n + (path[n] == ':');
	}
	*vec_push(a, &out->list) = NULL;
}

static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

const char *child_find(const struct child_spec *spec, struct arena *a, int *error)
{
	struct candidates candidates = { 0 };

	*error = -ENOENT;
	list_candidates(spec, a, &candidates);
	for (const char **c = candidates.list.items; *c; c++) {
		const char *path = **c == '/' ? *c : arena_printf(a, "%s/%s", spec->directory, *c);
		int r = check_program(path);

		if (!r)
			return path;
		if (r != -ENOENT && r != -ENOTDIR)
			*error = r;
	}
	return NULL;
}

/* ---- between fork and exec: system calls only, other threads may have held any lock ---- */

struct failure {
	enum child_step step;
	int error;
};

struct launch {
	const struct child_spec *spec;
	const char *const *candidates;
	int report;   /* the pipe */
	bool join;    /* it was not made in its cgroup */
	pid_t parent; /* that it waits for to end; 0: none */
};

/* The kernel's own calls: the C library's would first ask every thread to take part, and they are not in the
 * child. */
#ifdef SYS_setresuid32
enum { CALL_SETGROUPS = SYS_setgroups32, CALL_SETRESGID = SYS_setresgid32, CALL_SETRESUID = SYS_setresuid32 };
#else
enum { CALL_SETGROUPS = SYS_setgroups, CALL_SETRESGID = SYS_setresgid, CALL_SETRESUID = SYS_setresuid };
#endif

static _Noreturn void fail(const struct launch *l, enum child_step step, int error)
{
	struct failure f = { step, error };
	ssize_t n = write(l->report, &f, sizeof(f));

	_exit(n < 0 ? 126 : 127);
}

static void check(const struct launch *l, enum child_step step, long result)
{
	if (result < 0)
		fail(l, step, errno);
}

static void join_cgroup(const struct launch *l)
{
	int fd = openat(l->spec->cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	check(l, CHILD_JOIN, fd);
	check(l, CHILD_JOIN, write(fd, "0", 1));
	close(fd);
}

/*
 * Until its parent has ended, and the init process is its parent. All signals are blocked; the kernel sends the
 * one asked for after it has changed the parent.
 */
static void wait_detached(const struct launch *l)
{
	struct timespec none = { 0 };
	sigset_t parent_ended;

	sigemptyset(&parent_ended);
	sigaddset(&parent_ended, SIGUSR1);
	check(l, CHILD_DETACH, prctl(PR_SET_PDEATHSIG, SIGUSR1));
	while (getppid() == l->parent)
		sigwaitinfo(&parent_ended, NULL);
	check(l, CHILD_DETACH, prctl(PR_SET_PDEATHSIG, 0));
	/* If the parent was gone just after the signal was asked for, it is still pending. */
	sigtimedwait(&parent_ended, NULL, &none);
}

static char *add_number(char *at, unsigned long long n)
{
	char digits[24];
	int i = 0;

	do
		digits[i++] = (char)('0' + n % 10);
	while (n /= 10);
	while (i)
		*at++ = digits[--i];
	return at;
}

static void mark_cgroup(const struct launch *l)
{
	char value[96], *at = value, line[STAT_SIZE], state;
	unsigned long long start = 0;
	int r = read_stat(0, line, &state, &start);

	if (r)
		fail(l, CHILD_MARK, -r);
	at = add_number(at, (unsigned long long)getpid());
	*at++ = ' ';
	at = add_number(at, start);
	*at++ = ' ';
	at = add_number(at, (unsigned long long)l->spec->note);
	if (fsetxattr(l->spec->cgroup, l->spec->mark, value, (size_t)(at - value), 0) < 0 && errno != EOPNOTSUPP)
		fail(l, CHILD_MARK, errno);
}

static void set_streams(const struct launch *l)
{
	/* Above 2 first: one of 0 to 2 may have been closed in the caller, and be any of these descriptors. */
	int output = fcntl(l->spec->output, F_DUPFD_CLOEXEC, 3), null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	check(l, CHILD_OUTPUT, output);
	check(l, CHILD_OUTPUT, null);
	if (null)
		check(l, CHILD_OUTPUT, dup2(null, 0));
	else
		check(l, CHILD_OUTPUT, fcntl(0, F_SETFD, 0));
	check(l, CHILD_OUTPUT, dup2(output, 1));
	check(l, CHILD_OUTPUT, dup2(output, 2));
}

static void reset_signals(void)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		sigaction(s, &standard, NULL); /* fails for a few, which have it anyway */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void execute(const struct launch *l)
{
	int error = ENOENT;

	/* execve does not write to the strings; its type is older than const. */
	union {
		const char *const *given;
		char *const *wanted;
	} argv = { l->spec->argv }, env = { l->spec->env };

	for (const char *const *c = l->candidates; *c; c++) {
		execve(*c, argv.wanted, env.wanted);
		if (errno != ENOENT && errno != ENOTDIR)
			error = errno;
		if (error != ENOENT && error != EACCES)
			break;
	}
	fail(l, CHILD_EXEC, error);
}

static _Noreturn void run(const struct launch *l)
{
	const struct child_spec *spec = l->spec;

	if (l->parent)
		wait_detached(l);
	if (l->join)
		join_cgroup(l);
	if (spec->mark)
		mark_cgroup(l);
	check(l, CHILD_SESSION, setsid());
	set_streams(l);
	umask(022);
	check(l, CHILD_GROUPS, syscall(CALL_SETGROUPS, spec->n_groups, spec->groups));
	check(l, CHILD_GID, syscall(CALL_SETRESGID, spec->gid, spec->gid, spec->gid));
	check(l, CHILD_UID, syscall(CALL_SETRESUID, spec->uid, spec->uid, spec->uid));
	check(l, CHILD_DIRECTORY, chdir(spec->directory));
	/* Closed by exec and not before, so that the caller's lock is held until the program runs. */
	check(l, CHILD_CLOSE, syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC));
	reset_signals();
	execute(l);
}

/* ---- the caller's side ---- */

/* Fork; where clone3 is not there (seccomp profiles of container runtimes, valgrind) the C library's. */
static pid_t fork_into(int cgroup, bool *outside)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pid;

	if (cgroup >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid >= 0 || errno != ENOSYS)
		return pid;
	*outside = cgroup >= 0;
	return fork();
}

/* In the cgroup from the first instant, if that is possible. Returns in the caller only. */
static pid_t make_process(struct launch *l)
{
	pid_t pid = fork_into(l->spec->cgroup, &l->join);

	if (!pid)
		run(l);
	return pid;
}

/* By way of a process that ends at once. */
static int make_detached(struct launch *l)
{
	bool outside;
	pid_t pid = fork_into(-1, &outside);

	if (pid < 0)
		return -errno;
	if (!pid) {
		l->parent = getpid();
		if (make_process(l) < 0)
			fail(l, CHILD_FORK, errno);
		_exit(0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static int open_pipe(int *in, int *out)
{
	int ends[2], moved;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	/* Out of the way of 0 to 2, which the child sets. */
	moved = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
	close(ends[1]);
	if (moved < 0) {
		close(ends[0]);
		return -EMFILE;
	}
	*in = ends[0];
	*out = moved;
	return 0;
}

static int read_failure(int pipe, enum child_step *step)
{
	struct failure f;
	ssize_t n;

	do
		n = read(pipe, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(f))
		return 0;
	*step = f.step;
	return -f.error;
}

int child_start(const struct child_spec *spec, struct arena *a, pid_t *pid, enum child_step *step)
{
	scoped(close_fd) int in = -1, report = -1;
	scoped(netns_leave) int back = -1;
	struct candidates candidates = { 0 };
	struct launch l = { .spec = spec };
	sigset_t all, before;
	int r;

	*pid = 0;
	*step = CHILD_PREPARE;
	r = open_pipe(&in, &report);
	if (r)
		return r;
	list_candidates(spec, a, &candidates);
	l.candidates = candidates.list.items;
	l.report = report;
	*step = CHILD_NETWORK;
	r = netns_enter(spec->netns, &back); /* the child inherits it */
	if (r)
		return r;
	*step = CHILD_FORK;
	/* No handler of ours runs in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	if (spec->detached) {
		r = make_detached(&l);
	} else {
		*pid = make_process(&l);
		r = *pid < 0 ? -errno : 0;
		*pid = r ? 0 : *pid;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (r)
		return r;
	close_fd(&report);
	r = read_failure(in, step);
	if (!r)
		return 0;
	while (*pid && waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
	return r;
}
