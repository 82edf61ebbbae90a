#include "source/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"

#define PROGRAM "enmesh-fetch"

enum {
	ANSWER_MAX = 4 * 1024 * 1024,
	SLICE_MS = 200,
	CANNOT_RUN = 126,
	PROGRAM_FD = WORKER_FILE + 1, /* in the child, until it runs */
	HIGH = 10,                    /* descriptors from here on are in nobody's way in the child */
};

struct worker {
	const struct worker_request *request;
	const char *purpose;
	struct arena *arena;
	struct diags *diags;
	int program, input, answer, file; /* descriptors of this process */
	int answer_end;                   /* the child's end of the pipe */
	bool changes_user;
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

static bool fail(const struct worker *w, const char *reason)
{
	return diag_failure(w->diags, "%s: %s", w->purpose, reason);
}

static bool fail_errno(const struct worker *w, const char *what)
{
	return diag_failure(w->diags, "%s: %s: %s", w->purpose, what, strerror(errno));
}

/* ---- what it needs ---- */

/* Beside this program, as in a build directory, or where it is installed. */
static bool find_program(struct worker *w)
{
	char path[PATH_MAX] = "", beside[PATH_MAX + sizeof(PROGRAM) + 1];

	if (readlink("/proc/self/exe", path, sizeof(path) - 1) > 0) {
		snprintf(beside, sizeof(beside), "%s/" PROGRAM, dirname(path));
		w->program = open(beside, O_RDONLY | O_CLOEXEC);
	}
	if (w->program < 0)
		w->program = open(ENMESH_LIBEXECDIR "/" PROGRAM, O_RDONLY | O_CLOEXEC);
	return w->program >= 0 || fail_errno(w, "the program " ENMESH_LIBEXECDIR "/" PROGRAM " cannot be run");
}

static bool find_user(struct worker *w)
{
	const char *user = w->request->user;
	const struct passwd *entry;
	struct stat st;

	if (geteuid() != 0)
		return true;
	if (!user) {
		if (stat(w->request->repository, &st) < 0)
			return fail_errno(w, w->request->repository);
		w->changes_user = st.st_uid != 0;
		w->uid = st.st_uid;
		w->gid = st.st_gid;
		return true;
	}
	entry = getpwnam(user);
	if (!entry)
		return diag_failure(w->diags,
			"%s: this machine has no user '%s', as which enmesh talks to servers; make it (useradd "
			"--system "
			"--shell /usr/sbin/nologin %s) or name another as source.user in the settings",
			w->purpose, user, user);
	if (!entry->pw_uid)
		return diag_failure(w->diags,
			"%s: source.user '%s' is root, who is not to talk to servers; name another", w->purpose,
			user);
	w->changes_user = true;
	w->uid = entry->pw_uid;
	w->gid = entry->pw_gid;
	return true;
}

/* ---- its directory ---- */

static bool let_through(struct worker *w, int above)
{
	struct stat st;

	if (!w->changes_user)
		return true;
	if (fstat(above, &st) < 0)
		return fail_errno(w, "the state directory");
	if (st.st_mode & S_IXOTH || (st.st_gid == w->gid && st.st_mode & S_IXGRP))
		return true;
	return (fchown(above, (uid_t)-1, w->gid) == 0 && fchmod(above, (st.st_mode & 0700) | S_IXGRP) == 0) ||
	       fail_errno(w, "the state directory");
}

bool worker_make_home(const struct worker_request *r, const char *purpose, struct arena *a, struct diags *d)
{
	struct worker w = { .request = r, .purpose = purpose, .arena = a, .diags = d };
	char *path = arena_strdup(a, r->repository), *slash = strrchr(path, '/');
	scoped(close_fd) int above = -1, home = -1;
	int error;

	if (!find_user(&w))
		return false;
	*slash = 0;
	error = dir_open(path, 0700, &above);
	if (error) {
		errno = -error;
		return fail_errno(
			&w, arena_printf(a, "the directory %s cannot be made; name another --state-dir", path));
	}
	if (!let_through(&w, above))
		return false;
	if (mkdirat(above, slash + 1, 0700) < 0 && errno != EEXIST)
		return fail_errno(&w, r->repository);
	home = openat(above, slash + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (home < 0 || (w.changes_user && fchown(home, w.uid, w.gid) < 0))
		return fail_errno(&w, r->repository);
	return true;
}

static bool write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

static size_t blob_size(const struct blob *b)
{
	return b->secret ? strlen(b->secret->data_) : b->bytes.size;
}

/* In memory, so that nobody has to wait for the other to read. */
static bool write_request(struct worker *w)
{
	const struct worker_request *r = w->request;
	struct node *list = node_put_list(w->arena, r->words, "blobs");
	const char *line;
	bool ok;

	for (size_t i = 0; i < r->n_blobs; i++) {
		struct node *item = node_add_map(w->arena, list);

		node_put_text(w->arena, item, "name", r->blobs[i].name);
		node_put_int(w->arena, item, "size", (int64_t)blob_size(&r->blobs[i]));
	}
	line = arena_printf(w->arena, "%s\n", json_write(r->words, JSON_ONE_LINE, w->arena));
	w->input = memfd_create("enmesh-request", MFD_CLOEXEC);
	ok = w->input >= 0 && write_all(w->input, line, strlen(line));
	for (size_t i = 0; ok && i < r->n_blobs; i++)
		ok = write_all(w->input, r->blobs[i].secret ? r->blobs[i].secret->data_ : r->blobs[i].bytes.data,
			blob_size(&r->blobs[i]));
	return (ok && lseek(w->input, 0, SEEK_SET) == 0) || fail_errno(w, "the request cannot be written");
}

/* The child gets its descriptors by number: none may be where another has to go. */
static bool lift(int *fd)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, HIGH);

	close_fd(fd);
	*fd = high;
	return high >= 0;
}

static bool prepare(struct worker *w)
{
	int pair[2];

	if (!find_program(w) || !find_user(w) || !write_request(w))
		return false;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return fail_errno(w, "no pipe");
	w->answer = pair[0];
	w->answer_end = pair[1];
	w->file = memfd_create("enmesh-files", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (w->file < 0 || !lift(&w->program) || !lift(&w->input) || !lift(&w->answer_end) || !lift(&w->file))
		return fail_errno(w, "no descriptor");
	return true;
}

/* ---- the child ---- */

/* System calls only. The program limits itself further before it reads anything. */
static void run_child(const struct worker *w, pid_t parent, char *const *argv)
{
	static char *const env[] = { NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(w->input, STDIN_FILENO) < 0 || dup2(w->answer_end, STDOUT_FILENO) < 0 ||
		dup2(w->file, WORKER_FILE) < 0 || dup2(w->program, PROGRAM_FD) < 0 ||
		fcntl(PROGRAM_FD, F_SETFD, FD_CLOEXEC) < 0 || close_range(PROGRAM_FD + 1, UINT_MAX, 0) < 0)
		_exit(CANNOT_RUN);
	setsid();
	if (w->changes_user && (setgroups(0, NULL) < 0 || setresgid(w->gid, w->gid, w->gid) < 0 ||
				       setresuid(w->uid, w->uid, w->uid) < 0))
		_exit(CANNOT_RUN);
	/* A change of user forgets the signal, so it comes after it. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
		getppid() != parent)
		_exit(CANNOT_RUN);
	execveat(PROGRAM_FD, "", argv, env, AT_EMPTY_PATH);
	_exit(CANNOT_RUN);
}

static bool start(struct worker *w)
{
	const struct worker_request *r = w->request;
	char *argv[] = { arena_strdup(w->arena, PROGRAM), arena_strdup(w->arena, r->action),
		arena_strdup(w->arena, r->repository), r->origin ? arena_strdup(w->arena, r->origin) : NULL,
		NULL };
	pid_t parent = getpid();

	w->pid = fork();
	if (w->pid < 0)
		return fail_errno(w, "no process can be started");
	if (!w->pid)
		run_child(w, parent, argv);
	close_fd(&w->answer_end);
	w->answer_end = -1;
	return true;
}

static bool end_of_wait(struct worker *w, long long until_ms)
{
	const struct worker_request *r = w->request;

	if (r->stopped && r->stopped())
		return fail(w, "stopped by a signal");
	if (clock_monotonic_ms() < until_ms)
		return true;
	return diag_failure(
		w->diags, "%s: no end after %lld s, so it was given up", w->purpose, r->timeout_ms / 1000);
}

/* False: an error was added. */
static bool hear(struct worker *w, struct str *out)
{
	long long until = clock_monotonic_ms() + w->request->timeout_ms;
	char buffer[16 * 1024];

	for (;;) {
		struct pollfd p = { .fd = w->answer, .events = POLLIN };
		ssize_t n;

		if (!end_of_wait(w, until))
			return false;
		if (poll(&p, 1, SLICE_MS) <= 0)
			continue;
		n = read(w->answer, buffer, sizeof(buffer));
		if (n < 0)
			return fail_errno(w, "no answer");
		if (!n)
			return true;
		if (out->n + (size_t)n > ANSWER_MAX)
			return fail(w, "the answer is too long");
		str_add_n(out, buffer, (size_t)n);
	}
}

static bool ended_well(const struct worker *w, int status)
{
	const struct child_end end = { .known = true, .status = status };

	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
		return fail(w, "it is larger than what enmesh accepts");
	return fail(w, arena_printf(w->arena, PROGRAM " %s", child_end_text(&end, w->arena)));
}

/* ---- what it says ---- */

static bool map_file(struct worker *w, struct bytes *out)
{
	struct stat st;
	void *data;

	if (fcntl(w->file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ||
		fstat(w->file, &st) < 0)
		return fail_errno(w, "what was handed over cannot be read");
	if ((size_t)st.st_size > w->request->file_limit)
		return fail(w, "it is larger than what enmesh accepts");
	*out = (struct bytes){ "", 0 };
	if (!st.st_size)
		return true;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, w->file, 0);
	if (data == MAP_FAILED)
		return fail_errno(w, "what was handed over cannot be read");
	*out = (struct bytes){ data, (size_t)st.st_size };
	return true;
}

static bool read_answer(struct worker *w, const struct str *text, struct worker_answer *out)
{
	const char *problem, *error;

	out->json = json_read(str_text(text), text->n, w->arena, &problem);
	if (!out->json)
		return fail(w, arena_printf(w->arena, "the answer of " PROGRAM " makes no sense: %s", problem));
	error = node_get_text(out->json, "error");
	return error ? fail(w, error) : map_file(w, &out->file);
}

static void worker_finish(struct worker *w)
{
	close_fd(&w->program);
	close_fd(&w->input);
	close_fd(&w->answer);
	close_fd(&w->answer_end);
	close_fd(&w->file);
}

bool worker_run(
	struct worker_request *r, const char *purpose, struct arena *a, struct worker_answer *out, struct diags *d)
{
	scoped(worker_finish) struct worker w = { .request = r,
		.purpose = purpose,
		.arena = a,
		.diags = d,
		.program = -1,
		.input = -1,
		.answer = -1,
		.answer_end = -1,
		.file = -1 };
	struct str text = { .arena = a };
	bool heard;
	int status = 0;

	*out = (struct worker_answer){ 0 };
	if (!prepare(&w) || !start(&w))
		return false;
	heard = hear(&w, &text);
	if (!heard)
		kill(w.pid, SIGKILL);
	while (waitpid(w.pid, &status, 0) < 0 && errno == EINTR)
		;
	return heard && ended_well(&w, status) && read_answer(&w, &text, out);
}
