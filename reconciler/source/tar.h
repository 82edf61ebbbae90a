/*
 * The files of one revision as a tar archive: POSIX.1-2017, pax interchange format, of which regular files and
 * their paths are used. The form in which they are handed over by enmesh-fetch, kept in the store, and put into
 * bundles. Pure.
 */
#ifndef SOURCE_TAR_H
#define SOURCE_TAR_H

#include <stdbool.h>

#include "base/file.h"
#include "base/vec.h"

enum { TAR_PATH_MAX = 4096 };

/*
 * Calls `add` for each file, with a path below the root (no "." and ".." parts, no empty ones) and content that
 * lies in `archive`, until it returns false. False: it did, or the archive is damaged; `*problem` then says how,
 * with the offset. Directories are passed over; links, devices and everything else count as damage.
 */
bool tar_read(const struct bytes *archive,
	bool (*add)(void *context, const char *path, const struct bytes *content), void *context, struct arena *a,
	const char **problem);

/* What comes before the content of a file; its size is a multiple of 512. */
struct bytes tar_header(const char *path, size_t size, struct arena *a);
/* How many zero bytes follow content of that size, to the next multiple of 512. */
size_t tar_padding(size_t size);
enum { TAR_END = 1024 }; /* zero bytes at the end of an archive */

#endif
