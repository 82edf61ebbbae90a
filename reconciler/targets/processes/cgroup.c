#include "targets/processes/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/file.h"
#include "base/str.h"

#define RECORD "user.enmesh.spec"
#define ENDING "user.enmesh.ending"
enum {
	PROC_FILE_MAX = 16 * 1024 * 1024,
	END_MS = 30000,
	/* how long killed processes may take to end: they may hang in a disk or network file
	   system */
	DEPTH_MAX = 64, /* of groups that a process made in its own */
	/*
	 * The sticky bit says that we made the root: unlike an attribute it is there from the first instant, and
	 * it means nothing where only root may write.
	 */
	MADE_BY_US = S_ISVTX,
};

/* ---- where ---- */

const char *cgroup_default(struct arena *a, int *error)
{
	const char *mount = cgroup_mount(a, error);

	return mount ? arena_printf(a, "%s/enmesh", mount) : NULL;
}

static int open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int cgroup_open_root(const char *path, int *fd)
{
	scoped(close_fd) int dir = open_dir(AT_FDCWD, path);
	struct statfs fs;

	if (dir < 0)
		return dir;
	if (fstatfs(dir, &fs) < 0)
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return -ENOTSUP;
	*fd = take_fd(dir);
	return 0;
}

/* Not a chmod afterwards: killed in between, the directory would keep the wrong mode. */
static int make_dir(int at, const char *path, mode_t mode)
{
	mode_t mask = umask(0);
	int r = mkdirat(at, path, mode) < 0 ? -errno : 0;

	umask(mask);
	return r;
}

int cgroup_make_root(const char *path, int *fd)
{
	char parent[4096], *slash;
	int r = cgroup_open_root(path, fd), above = -1;

	if (r != -ENOENT)
		return r;
	if (snprintf(parent, sizeof(parent), "%s", path) >= (int)sizeof(parent))
		return -ENAMETOOLONG;
	slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return -ENOTSUP;
	*slash = 0;
	/* A missing cgroup tree must not become a directory of another file system. */
	r = cgroup_open_root(parent, &above);
	close_fd(&above);
	if (!r)
		r = make_dir(AT_FDCWD, path, 0755 | MADE_BY_US);
	return !r || r == -EEXIST ? cgroup_open_root(path, fd) : r;
}

void cgroup_remove_root(const char *path, int root)
{
	struct stat st;

	if (fstat(root, &st) == 0 && (st.st_mode & MADE_BY_US))
		rmdir(path);
}

/* ---- reading ---- */

static bool is_group_name(const char *name)
{
	return strlen(name) == GROUP_NAME_SIZE && strspn(name, "0123456789abcdef") == GROUP_NAME_SIZE;
}

static bool is_process_name(const char *name)
{
	return str_starts(name, "sidecar-") || str_starts(name, "component-");
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The groups in a group, sorted. */
static int list_groups(int group, bool (*accept)(const char *), struct arena *a, struct group_names *out)
{
	int fd = open_dir(group, ".");
	scoped(close_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (fd < 0)
		return fd;
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((errno = 0, entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && (!accept || accept(entry->d_name)))
			*vec_push(a, &out->list) = arena_strdup(a, entry->d_name);
	if (errno)
		return -errno;
	if (out->list.n)
		qsort(out->list.items, out->list.n, sizeof(*out->list.items), by_name);
	return 0;
}

/* From the text of cgroup.events. */
static int read_populated(int events, bool *populated)
{
	char text[256];
	const char *at;
	ssize_t n = pread(events, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = 0;
	at = strstr(text, "populated ");
	if (!at)
		return -EPROTO;
	*populated = at[strlen("populated ")] == '1';
	return 0;
}

static int open_events(int group)
{
	int fd = openat(group, "cgroup.events", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int is_populated(int group, bool *populated)
{
	scoped(close_fd) int events = open_events(group);

	return events < 0 ? events : read_populated(events, populated);
}

/* The process of a group that has lived the longest. */
static int find_oldest(int group, struct arena *a, struct group *out)
{
	struct bytes text;
	int r = file_read(group, "cgroup.procs", PROC_FILE_MAX, a, &text);
	char *rest;

	if (r)
		return r;
	for (const char *at = text.data; *at; at = *rest ? rest + 1 : rest) {
		struct process_id id;
		bool ended;
		pid_t pid = (pid_t)strtol(at, &rest, 10);

		if (rest == at)
			break;
		if (process_identify(pid, &id, &ended) || ended || (out->runs && out->main.start <= id.start))
			continue;
		out->main = id;
		out->runs = true;
	}
	return 0;
}

/* -ENODATA: no process has marked the group. */
static int read_mark(int group, struct group *out)
{
	char text[128];
	ssize_t n = fgetxattr(group, CGROUP_MARK, text, sizeof(text) - 1);
	int pid;

	if (n < 0)
		return errno == EOPNOTSUPP ? -ENODATA : -errno;
	text[n] = 0;
	if (sscanf(text, "%d %llu %lld", &pid, &out->main.start, &out->log_from) != 3)
		return -EPROTO;
	out->main.pid = pid;
	return 0;
}

static int read_main(int group, struct arena *a, struct group *out)
{
	bool marked;
	int r = read_mark(group, out);

	if (r && r != -ENODATA)
		return r;
	marked = !r;
	out->runs = marked && process_alive(&out->main);
	out->ended = marked && !out->runs;
	out->populated = out->runs;
	r = out->runs ? 0 : is_populated(group, &out->populated);
	return r || marked || !out->populated ? r : find_oldest(group, a, out);
}

/* What cannot be read as a record is as good as none. */
static void read_record(int group, struct arena *a, struct group *out)
{
	char text[4096], *large;
	ssize_t n = fgetxattr(group, RECORD, text, sizeof(text));

	if (n >= 0) {
		out->record = arena_strndup(a, text, (size_t)n);
	} else if (errno == ERANGE) {
		large = arena_alloc(a, XATTR_SIZE_MAX + 1);
		n = fgetxattr(group, RECORD, large, XATTR_SIZE_MAX);
		out->record = n < 0 ? NULL : large;
	}
}

static bool has_mark(int group, const char *name)
{
	return fgetxattr(group, name, NULL, 0) >= 0;
}

/* `path`: from `at`; its last part is `name`. */
static int read_group(int at, const char *path, const char *name, struct arena *a, struct group *out)
{
	scoped(close_fd) int group = open_dir(at, path);
	struct stat st;
	int r;

	if (group < 0)
		return group;
	if (fstat(group, &st) < 0)
		return -errno;
	*out = (struct group){
		.name = arena_strdup(a, name), .made = st.st_ino, .ending = has_mark(group, ENDING)
	};
	r = read_main(group, a, out);
	if (!r)
		read_record(group, a, out);
	return r;
}

int cgroup_list(int root, struct arena *a, struct group_names *out)
{
	return list_groups(root, is_process_name, a, out);
}

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ENODEV;
}

/* cgroups count the groups in a group as links, as other file systems do. */
static bool has_one_group(int root, const char *process)
{
	struct stat st;

	return fstatat(root, process, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 3;
}

int cgroup_read(int root, const char *process, const char *expected, struct arena *a, struct groups *out)
{
	scoped(close_fd) int outer = -1;
	struct group_names names = { 0 };
	struct group group;
	int r;

	*out = (struct groups){ .process = process };
	if (expected && has_one_group(root, process) && !cgroup_read_one(root, process, expected, a, &group)) {
		*vec_push(a, &out->list) = group;
		return 0;
	}
	outer = open_dir(root, process);
	r = outer < 0 ? outer : list_groups(outer, is_group_name, a, &names);
	vec_each (name, &names.list) {
		r = r ? r : read_group(outer, *name, *name, a, &group);
		if (!r)
			*vec_push(a, &out->list) = group;
		if (is_gone(r)) /* removed meanwhile */
			r = 0;
	}
	return is_gone(r) ? -ENOENT : r;
}

int cgroup_read_one(int root, const char *process, const char *name, struct arena *a, struct group *out)
{
	return read_group(root, arena_printf(a, "%s/%s", process, name), name, a, out);
}

/* ---- making ---- */

int cgroup_record(int group, const char *record)
{
	if (fsetxattr(group, RECORD, record, strlen(record), 0) == 0)
		return 0;
	if (errno != E2BIG && errno != ENOSPC && errno != ERANGE && errno != EOPNOTSUPP)
		return -errno;
	/* None is better than a wrong one. */
	fremovexattr(group, RECORD);
	return 0;
}

int cgroup_open(int root, const char *process, const char *name, int *fd)
{
	scoped(close_fd) int outer = open_dir(root, process);
	int group = outer < 0 ? outer : open_dir(outer, name);

	if (group < 0)
		return group;
	*fd = group;
	return 0;
}

int cgroup_make(int root, const char *process, const char *name, const char *record, int *fd)
{
	scoped(close_fd) int outer = -1;
	int r = make_dir(root, process, 0755), group;

	if (r && r != -EEXIST)
		return r;
	outer = open_dir(root, process);
	if (outer < 0)
		return outer;
	/* Its record has the environment, which is only the process's owner's to read in /proc too. */
	r = make_dir(outer, name, 0700);
	if (r)
		return r;
	group = open_dir(outer, name);
	if (group < 0)
		return group;
	r = cgroup_record(group, record);
	if (r)
		close(group);
	else
		*fd = group;
	return r;
}

/* ---- ending ---- */

void cgroup_mark_ending(int root, const char *process, const char *name)
{
	int group = -1;

	if (cgroup_open(root, process, name, &group))
		return;
	fsetxattr(group, ENDING, "", 0, 0);
	close(group);
}
static int kill_all(int group)
{
	scoped(close_fd) int fd = openat(group, "cgroup.kill", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, "1", 1) < 0 ? -errno : 0;
}

static int wait_empty(int group)
{
	scoped(close_fd) int events = open_events(group);
	bool populated = true;
	int r = events < 0 ? events : read_populated(events, &populated);

	while (!r && populated) {
		struct pollfd changed = { .fd = events, .events = POLLPRI };
		int n = poll(&changed, 1, END_MS);

		if (n < 0 && errno != EINTR)
			return -errno;
		r = read_populated(events, &populated);
		if (!r && !n && populated)
			return -ETIMEDOUT;
	}
	return r;
}

/* Groups that a process made in its own go first. */
static int remove_tree(int at, const char *name, unsigned depth)
{
	struct arena a = { 0 };
	struct group_names names = { 0 };
	int r = 0, group;

	if (unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	group = depth ? open_dir(at, name) : -ELOOP;
	if (group < 0)
		return group;
	r = list_groups(group, NULL, &a, &names);
	vec_each (child, &names.list)
		if (!r)
			r = remove_tree(group, *child, depth - 1);
	close(group);
	arena_finish(&a);
	if (!r && unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int cgroup_destroy(int root, const char *process, const char *name)
{
	scoped(close_fd) int outer = open_dir(root, process), group = -1;
	bool populated = false;
	int r;

	if (outer < 0)
		return outer == -ENOENT ? 0 : outer;
	group = open_dir(outer, name);
	if (group < 0)
		return group == -ENOENT ? 0 : group;
	r = is_populated(group, &populated);
	if (!r && populated)
		r = kill_all(group);
	if (!r)
		r = wait_empty(group);
	return r ? r : remove_tree(outer, name, DEPTH_MAX);
}

int cgroup_remove_outer(int root, const char *process)
{
	return unlinkat(root, process, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}
