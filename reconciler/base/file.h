/* Reading and writing whole files. All return 0 or -errno and print nothing. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/arena.h"

struct bytes {
	const char *data; /* a NUL follows, which is not counted */
	size_t size;
};

/* Opens without leaving dir: no absolute path, and no ".." or link that leads out of it. -EXDEV: the path does. */
int file_open_beneath(int dir, const char *path, int flags);
/* Opens a path no part of which is a symbolic link (-ELOOP), its last one included. */
int file_open_plain(const char *path, int flags);

/*
 * Reads an open file to its end. -EFBIG: it holds more than `limit` bytes; -EINVAL: not a regular file (a FIFO or
 * device would block).
 */
int file_read_fd(int fd, size_t limit, struct arena *a, struct bytes *out);
/* As above, by name; follows links. */
int file_read(int dir, const char *path, size_t limit, struct arena *a, struct bytes *out);

struct file_attr {
	mode_t mode;
	uid_t uid; /* (uid_t)-1: as it comes */
	gid_t gid;
	bool volatile_; /* need not survive a power cut: not synced */
};

/*
 * Replaces `name` (no slash) in dir at one instant: a temporary file in dir gets owner and mode, then the content,
 * is synced and renamed; then dir is synced. Killed at any point, either the old or the new file is there, and at
 * most one temporary file ".enmesh-tmp-NAME", which the next write replaces.
 */
int file_write(int dir, const char *name, const struct bytes *content, const struct file_attr *attr);
/*
 * Removes what killed writes have left in a directory of our own, where nobody writes now. What cannot be removed
 * stays: the next write there says why.
 */
void dir_sweep(const char *path);

/*
 * mkdir -p below dir; those that it makes get just `mode`, whatever the umask, and are synced. Links are not
 * followed
 * (-ELOOP). The result is open for use as a directory.
 */
int dir_make(int dir, const char *path, mode_t mode, int *fd);
/* mkdir -p of a path as the caller means it (links are followed); open for use as a directory. */
int dir_open(const char *path, mode_t mode, int *fd);

#endif
