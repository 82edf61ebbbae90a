#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"

#define TEMPORARY ".enmesh-tmp-"

/* One part of a path, which may not be a link. */
static int open_part(int dir, const char *part, size_t n, int flags)
{
	char name[NAME_MAX + 1];
	struct stat st;
	int fd;

	if (n > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, part, n);
	name[n] = 0;
	if (!strcmp(name, ".."))
		return -EXDEV;
	fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* With O_PATH that has opened the link. */
	if (flags & O_PATH && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode)) {
		close_fd(&fd);
		return -ELOOP;
	}
	return fd;
}

/* Where openat2 is missing (Linux before 5.6, old seccomp filters, valgrind): no link is followed at all. */
static int walk_beneath(int dir, const char *path, int flags)
{
	scoped(close_fd) int at = -1;

	if (path[0] == '/')
		return -EXDEV;
	for (;;) {
		size_t n = strcspn(path, "/"), slashes = strspn(path + n, "/");
		bool last = !path[n + slashes];
		int fd = open_part(at < 0 ? dir : at, path, n, last ? flags : O_PATH | O_DIRECTORY);

		if (fd < 0 || last)
			return fd;
		close_fd(&at);
		at = fd;
		path += n + slashes;
	}
}

static int open_how(int dir, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .resolve = resolve };
	long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int file_open_beneath(int dir, const char *path, int flags)
{
	int fd = open_how(dir, path, flags, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);

	return fd == -ENOSYS ? walk_beneath(dir, path, flags) : fd;
}

int file_open_plain(const char *path, int flags)
{
	int fd = open_how(AT_FDCWD, path, flags, RESOLVE_NO_SYMLINKS);
	scoped(close_fd) int root = -1;

	if (fd != -ENOSYS)
		return fd;
	root = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	path += strspn(path, "/");
	return root < 0 ? -errno : walk_beneath(root, *path ? path : ".", flags);
}

int file_read_fd(int fd, size_t limit, struct arena *a, struct bytes *out)
{
	size_t cap, used = 0;
	struct stat st;
	char *data;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > (off_t)limit)
		return -EFBIG;
	/* Files of /proc say size 0. One byte more than expected shows the end in one read. */
	cap = st.st_size ? (size_t)st.st_size + 1 : 4096;
	data = arena_alloc(a, cap + 1);
	for (;;) {
		ssize_t n = read(fd, data + used, cap - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		used += (size_t)n;
		if (used > limit)
			return -EFBIG;
		/* Less than was asked for, and just what it is said to hold: that was the end. */
		if (used < cap && used == (size_t)st.st_size)
			break;
		if (used == cap) {
			char *grown = arena_alloc(a, cap * 2 + 1);

			memcpy(grown, data, used);
			data = grown;
			cap *= 2;
		}
	}
	data[used] = 0;
	*out = (struct bytes){ data, used };
	return 0;
}

int file_read(int dir, const char *path, size_t limit, struct arena *a, struct bytes *out)
{
	/* Non-blocking, so that opening a FIFO does not wait for a writer; regular files ignore it. */
	scoped(close_fd) int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : file_read_fd(fd, limit, a, out);
}

static int write_all(int fd, const struct bytes *content)
{
	for (size_t done = 0; done < content->size;) {
		ssize_t n = write(fd, content->data + done, content->size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

static int fill(int fd, const struct bytes *content, const struct file_attr *attr)
{
	int r;

	/* Owner before mode: a change of owner takes set-id bits away. Both before the content can be read. */
	if (fchown(fd, attr->uid, attr->gid) < 0 || fchmod(fd, attr->mode) < 0)
		return -errno;
	r = write_all(fd, content);
	if (!r && !attr->volatile_ && fsync(fd) < 0)
		r = -errno;
	return r;
}

int file_write(int dir, const char *name, const struct bytes *content, const struct file_attr *attr)
{
	scoped(close_fd) int fd = -1;
	char temporary[NAME_MAX + 1];
	int r;

	if (snprintf(temporary, sizeof(temporary), TEMPORARY "%s", name) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	if (unlinkat(dir, temporary, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fill(fd, content, attr);
	if (!r && renameat(dir, temporary, dir, name) < 0)
		r = -errno;
	if (r) {
		unlinkat(dir, temporary, 0);
		return r;
	}
	return attr->volatile_ || fsync(dir) == 0 ? 0 : -errno;
}

void dir_sweep(const char *path)
{
	scoped(close_dir) DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)))
			unlinkat(dirfd(dir), entry->d_name, 0);
}

static int open_one(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd >= 0)
		return fd;
	/* With O_DIRECTORY, a link is first of all no directory. */
	if (errno == ENOTDIR && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return -ELOOP;
	return -errno;
}

static int make_one(int dir, const char *name, mode_t mode)
{
	int fd = open_one(dir, name), r = 0;
	mode_t mask;

	if (fd != -ENOENT)
		return fd;
	/* Not a chmod afterwards: killed in between, the directory would keep the wrong mode. */
	mask = umask(0);
	if (mkdirat(dir, name, mode) < 0)
		r = -errno;
	umask(mask);
	if (!r && fsync(dir) < 0)
		r = -errno;
	return r && r != -EEXIST ? r : open_one(dir, name);
}

int dir_make(int dir, const char *path, mode_t mode, int *fd)
{
	scoped(close_fd) int at = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char part[NAME_MAX + 1];

	if (at < 0)
		return -errno;
	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		size_t n = strcspn(path, "/");
		int next;

		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(part, path, n);
		part[n] = 0;
		path += n;
		if (!strcmp(part, "..") || !strcmp(part, "."))
			return -EINVAL;
		next = make_one(at, part, mode);
		if (next < 0)
			return next;
		close_fd(&at);
		at = next;
	}
	*fd = take_fd(at);
	return 0;
}

int dir_open(const char *path, mode_t mode, int *fd)
{
	char *parent, *slash;
	int r = 0, opened = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (opened < 0 && errno != ENOENT)
		return -errno;
	if (opened < 0) {
		parent = mem_strdup(path);
		for (size_t n = strlen(parent); n > 1 && parent[n - 1] == '/'; n--)
			parent[n - 1] = 0;
		slash = strrchr(parent, '/');
		if (slash && slash != parent) {
			int above = -1;

			*slash = 0;
			r = dir_open(parent, 0755, &above);
			close_fd(&above);
		}
		free(parent);
		if (r)
			return r;
		if (mkdir(path, mode) < 0 && errno != EEXIST)
			return -errno;
		opened = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (opened < 0)
			return -errno;
	}
	*fd = opened;
	return 0;
}
