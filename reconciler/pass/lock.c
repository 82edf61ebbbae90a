#include "pass/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/file.h"

#define FILE_NAME "lock"

/* Not all versions of linux/magic.h have these. */
#define CIFS_MAGIC 0xff534d42u
#define SMB2_MAGIC 0xfe534d42u

enum {
	RETRY_MS = 20,
	TEXT_MAX = 256,
	/*
	 * A process that a pass was starting when it was killed still has the lock, until its program runs: nobody
	 * must look at the node before that. It is a matter of milliseconds, so even who does not wait waits for
	 * it.
	 */
	ORPHANED_US = 2 * 1000 * 1000,
};

static bool on_network(int dir)
{
	struct statfs fs;

	if (fstatfs(dir, &fs) < 0)
		return false;
	switch ((unsigned)fs.f_type) {
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case CIFS_MAGIC:
	case SMB2_MAGIC:
	case AFS_SUPER_MAGIC:
	case CODA_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

/* The file that is locked may have been removed by `cleanup` between open and flock, and another one be there now.
 */
static bool still_there(int dir, int fd)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && fstatat(dir, FILE_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* What the holder wrote; or somebody who was killed before it, until the holder gets to write. */
static const char *read_holder(int fd, struct arena *a)
{
	char text[TEXT_MAX];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\n')
			return i ? arena_strndup(a, text, (size_t)i) : NULL;
	return NULL;
}

/* Only for people: a file system that is full must not keep a pass from repairing the node. */
static void write_holder(int fd, const char *command, struct arena *a)
{
	const char *text = arena_printf(
		a, "pid %ld, enmesh %s, since %s\n", (long)getpid(), command, clock_text(clock_now(), a));

	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		errno = 0; /* the others are told that somebody holds it, but not who */
}

/* -EBUSY: held by somebody else. -EAGAIN: the file went away. */
static int try_once(const struct lock_wish *wish, struct arena *a, struct lock *out, const char **holder)
{
	scoped(close_fd) int dir = -1, fd = -1;
	int r = dir_open(wish->run_dir, 0755, &dir);
	struct stat st;

	if (r)
		return r;
	if (on_network(dir))
		return -EXDEV;
	/* Only root's to open: whoever can read a file can lock it. */
	fd = openat(dir, FILE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOENT) /* the directory was removed meanwhile */
		return -EAGAIN;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		*holder = read_holder(fd, a);
		return -EBUSY;
	}
	if (!still_there(dir, fd))
		return -EAGAIN;
	write_holder(fd, wish->command, a);
	*out = (struct lock){ wish->run_dir, take_fd(dir), take_fd(fd) };
	return 0;
}

static bool is_dead(const char *holder)
{
	struct process_id id;
	bool ended = false;
	int pid;

	if (!holder || sscanf(holder, "pid %d,", &pid) != 1)
		return false;
	return process_identify(pid, &id, &ended) == -ESRCH || ended;
}

int lock_take(const struct lock_wish *wish, struct arena *a, struct lock *out, const char **holder)
{
	long long began = clock_monotonic_us(), end = began + wish->timeout_ms * 1000;

	*holder = NULL;
	for (;;) {
		int r = try_once(wish, a, out, holder);
		long long now = clock_monotonic_us();

		if (r == -EAGAIN)
			continue;
		if (r != -EBUSY || (now >= end && (now >= began + ORPHANED_US || !is_dead(*holder))))
			return r;
		/* A blocking flock(2) has no time limit, so it is asked for again and again. */
		poll(NULL, 0, RETRY_MS);
		if (wish->stopped && wish->stopped())
			return -EINTR;
	}
}

void lock_release(struct lock *l)
{
	if (l->fd >= 0 && ftruncate(l->fd, 0) < 0)
		errno = 0; /* only the text for people is left behind */
	close_fd(&l->fd);
	close_fd(&l->dir);
}

int lock_remove(struct lock *l)
{
	if (unlinkat(l->dir, FILE_NAME, 0) < 0 && errno != ENOENT)
		return -errno;
	if (rmdir(l->run_dir) < 0 && errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT && errno != EBUSY)
		return -errno;
	return 0;
}
