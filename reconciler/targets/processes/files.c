#include "targets/processes/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"

enum { MODE_BITS = 07777, DIRECTORY_MODE = 0755 };

/* ---- looking ---- */

int file_look(const char *path, const struct file *like, struct arena *a, struct file *out)
{
	/* Non-blocking, so that opening a FIFO does not wait for a writer. */
	scoped(close_fd) int fd = file_open_plain(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	*out = (struct file){
		.path = path,
		.mode = st.st_mode & MODE_BITS,
		.user = { .known = true, .number = st.st_uid },
		.group = { .known = true, .number = st.st_gid },
	};
	r = file_read_fd(fd, FILES_READ_MAX, a, &out->content);
	if (r == -EFBIG)
		return 0;
	if (r)
		return r;
	if (like && like->content.size == out->content.size &&
		!memcmp(like->content.data, out->content.data, out->content.size))
		out->digest = like->digest;
	else
		out->digest = digest_of(out->content.data, out->content.size, a);
	return 0;
}

/* The first part of the path that is a link. */
static const char *find_link(const char *path, struct arena *a)
{
	char *part = arena_strdup(a, path);
	struct stat st;

	for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = 0;
		if (lstat(part, &st) < 0)
			return NULL;
		if (S_ISLNK(st.st_mode))
			return part;
		if (!slash)
			return NULL;
		*slash = '/';
	}
}

static const char *link_obstacle(const char *path, struct arena *a)
{
	const char *link = find_link(path, a), *rest;
	char real[PATH_MAX];

	if (!link)
		return "a symbolic link is in its path";
	rest = path + strlen(link);
	if (!*rest)
		return "it is a symbolic link, and links are not followed; write the path of the file itself, or "
		       "remove the "
		       "link";
	if (!realpath(link, real))
		return arena_printf(
			a, "%s is a symbolic link that leads nowhere, and links are not followed", link);
	return arena_printf(
		a, "%s is a symbolic link to %s, and links are not followed; write %s%s", link, real, real, rest);
}

const char *file_obstacle(
	const struct file *wanted, const struct file *live, int error, bool ours, struct arena *a)
{
	switch (error) {
	case 0:
		if (ours || file_same(live, wanted))
			return NULL;
		return "another file is there, which enmesh did not make and will not overwrite; move it away, or "
		       "let the "
		       "source say what is in it";
	case -ENOENT:
		return NULL;
	case -ELOOP:
		return link_obstacle(wanted->path, a);
	case -EINVAL:
	case -ENXIO:
		return "something that is not a regular file is there; move it away";
	case -ENOTDIR:
		return "a part of its path is not a directory";
	default:
		return strerror(-error);
	}
}

/* ---- making ---- */

void file_note(const char *path, struct owned *owned)
{
	char *part = arena_strdup(owned->arena, path);
	struct stat st;

	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (lstat(part, &st) < 0 && errno == ENOENT)
			owned_add(owned, part, true);
		*slash = '/';
	}
	owned_add(owned, path, false);
}

static const char *last_part(const char *path)
{
	return strrchr(path, '/') + 1;
}

static const char *parent(const char *path, struct arena *a)
{
	size_t n = (size_t)(last_part(path) - path);

	return arena_strndup(a, path, n > 1 ? n - 1 : 1);
}

int file_put(const struct file *f, struct arena *a)
{
	const struct file_attr attr = { .mode = f->mode, .uid = f->user.number, .gid = f->group.number };
	scoped(close_fd) int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir = -1;
	int r;

	if (root < 0)
		return -errno;
	r = dir_make(root, parent(f->path, a), DIRECTORY_MODE, &dir);
	return r ? r : file_write(dir, last_part(f->path), &f->content, &attr);
}

/* ---- removing ---- */

int directory_used(const char *path, bool *used)
{
	int fd = file_open_plain(path, O_RDONLY | O_DIRECTORY);
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	*used = false;
	while (!*used && (entry = readdir(dir)))
		*used = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return 0;
}

/* A path that has become a link, or is no directory any more, is somebody else's: there is nothing of ours to
 * remove. */
static bool is_gone(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -ELOOP;
}

static int remove_from(int dir, const char *name, int flags)
{
	struct stat st;

	/* What has become a link or a directory is not ours any more. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flags ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return 0;
	if (unlinkat(dir, name, flags) < 0 && errno != ENOENT)
		return -errno;
	/* Crossed out only when it cannot come back with a power cut. */
	return fsync(dir) < 0 ? -errno : 0;
}

int directory_remove(const char *path, const struct state *want, struct owned *owned, struct arena *a)
{
	const struct owned_item *item = owned_find(owned, path);
	scoped(close_fd) int dir = -1;
	int r;

	if (!item || !item->directory || state_needs(want, path))
		return 0;
	dir = file_open_plain(parent(path, a), O_RDONLY | O_DIRECTORY);
	if (dir < 0 && !is_gone(dir))
		return dir;
	r = dir < 0 ? 0 : remove_from(dir, last_part(path), AT_REMOVEDIR);
	if (r == -ENOTEMPTY || r == -EEXIST || r == -EBUSY)
		return 0;
	if (r && !is_gone(r))
		return r;
	owned_remove(owned, path);
	return directory_remove(parent(path, a), want, owned, a);
}

int file_remove(const char *path, const struct state *want, struct owned *owned, struct arena *a)
{
	scoped(close_fd) int dir = file_open_plain(parent(path, a), O_RDONLY | O_DIRECTORY);
	int r = 0;

	if (dir < 0 && !is_gone(dir))
		return dir;
	if (dir >= 0) {
		/* What a write that was killed has left. */
		unlinkat(dir, arena_printf(a, ".enmesh-tmp-%s", last_part(path)), 0);
		r = remove_from(dir, last_part(path), 0);
	}
	if (r)
		return r;
	owned_remove(owned, path);
	return directory_remove(parent(path, a), want, owned, a);
}
