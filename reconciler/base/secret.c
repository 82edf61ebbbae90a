#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum { SECRET_MAX = 64 * 1024 };

void secret_finish(struct secret *secret)
{
	if (secret->data_)
		explicit_bzero(secret->data_, secret->size_);
	free(secret->data_);
	*secret = (struct secret){ 0 };
}

int secret_read(const char *path, struct secret *secret, unsigned *mode)
{
	scoped(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	scoped(secret_finish) struct secret read_in = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*mode = st.st_mode & 07777;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (*mode & 077)
		return -EPERM;
	if (st.st_size > SECRET_MAX)
		return -EFBIG;
	read_in.size_ = SECRET_MAX;
	read_in.data_ = mem_alloc(SECRET_MAX + 1);
	for (size_t used = 0;;) {
		ssize_t n = read(fd, read_in.data_ + used, SECRET_MAX - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		used += (size_t)n;
		if (n)
			continue;
		while (used && (read_in.data_[used - 1] == '\n' || read_in.data_[used - 1] == '\r'))
			read_in.data_[--used] = 0;
		break;
	}
	*secret = read_in;
	read_in = (struct secret){ 0 };
	return 0;
}
