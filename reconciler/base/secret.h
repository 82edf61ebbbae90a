/*
 * A secret: a token, a key. It has a type of its own so that no print or diag function takes it by mistake, and
 * its memory is wiped when it is released.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stddef.h>

struct secret {
	char *data_; /* ends with NUL; only for handing on to a library */
	size_t size_;
};

/*
 * Reads a file of at most 64 KiB without its final newlines. 0 or -errno. -EPERM: group or others may read or
 * write it
 * (`*mode` holds its mode).
 */
int secret_read(const char *path, struct secret *secret, unsigned *mode);
void secret_finish(struct secret *secret);

#endif
