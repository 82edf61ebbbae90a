#include "targets/processes/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

enum { LOG_MAX = 16 * 1024 * 1024, TAIL_BYTES = 2048, TAIL_LINES = 3, LINE_BYTES = 200 };

const char *log_path(const char *state_dir, const char *process, struct arena *a)
{
	return arena_printf(a, "%s/log/%s.log", state_dir, process);
}

static const char *aside(const char *name, struct arena *a)
{
	return arena_printf(a, "%s.1", name);
}

int log_open(const char *state_dir, const char *process, uid_t uid, gid_t gid, struct arena *a, long long *size,
	int *fd)
{
	const char *name = arena_printf(a, "%s.log", process);
	scoped(close_fd) int dir = -1, log = -1;
	int r = dir_open(arena_printf(a, "%s/log", state_dir), 0700, &dir);
	struct stat st;

	if (r)
		return r;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > LOG_MAX &&
		renameat(dir, name, dir, aside(name, a)) < 0)
		return -errno;
	log = openat(dir, name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (log < 0)
		return -errno;
	if (fchown(log, uid, gid) < 0 || fstat(log, &st) < 0)
		return -errno;
	*size = st.st_size;
	*fd = take_fd(log);
	return 0;
}

/* The end of the file, at most `room` bytes. */
static size_t read_end(int fd, long long from, char *out, size_t room)
{
	struct stat st;
	off_t start;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	start = from <= st.st_size ? (off_t)from : 0; /* the process may have truncated it */
	if (st.st_size - start > (off_t)room)
		start = st.st_size - (off_t)room;
	n = pread(fd, out, room, start);
	return n < 0 ? 0 : (size_t)n;
}

/* What a process writes must not steer the terminal that shows it. */
static void add_line(struct str *out, const char *line, size_t n)
{
	str_add(out, out->n ? "\", \"" : "; its log ends with: \"");
	for (size_t i = 0; i < n && i < LINE_BYTES; i++) {
		char c = line[i];

		str_add_n(out, c >= ' ' && c <= '~' && c != '"' ? &c : "?", 1);
	}
	if (n > LINE_BYTES)
		str_add(out, "...");
}

const char *log_tail(const char *state_dir, const char *process, long long from, struct arena *a)
{
	scoped(close_fd) int fd =
		open(log_path(state_dir, process, a), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct str out = { .arena = a };
	char text[TAIL_BYTES];
	size_t n, start, lines = 1;

	if (fd < 0)
		return "";
	n = read_end(fd, from, text, sizeof(text));
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	if (!n)
		return "";
	for (start = n; start > 0; start--)
		if (text[start - 1] == '\n' && lines++ == TAIL_LINES)
			break;
	while (start < n) {
		const char *end = memchr(text + start, '\n', n - start);
		size_t length = end ? (size_t)(end - text) - start : n - start;

		add_line(&out, text + start, length);
		start += length + 1;
	}
	str_add(&out, "\"");
	return str_text(&out);
}

int log_remove(const char *state_dir, const char *process, struct arena *a)
{
	const char *name = arena_printf(a, "%s.log", process);
	scoped(close_fd) int dir =
		open(arena_printf(a, "%s/log", state_dir), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	if (unlinkat(dir, aside(name, a), 0) < 0 && errno != ENOENT)
		return -errno;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	rmdir(arena_printf(a, "%s/log", state_dir)); /* when it was the last */
	return 0;
}

int log_list(const char *state_dir, struct arena *a, struct log_names *out)
{
	scoped(close_dir) DIR *dir = opendir(arena_printf(a, "%s/log", state_dir));
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((errno = 0, entry = readdir(dir)))
		if (entry->d_name[0] != '.' && str_ends(entry->d_name, ".log"))
			*vec_push(a, &out->list) = arena_strndup(a, entry->d_name, strlen(entry->d_name) - 4);
	if (errno)
		return -errno;
	if (!out->list.n)
		*vec_push(a, &out->list) = "";
	return 0;
}
