/* A directory for the one file of a unit test, gone after it. Needs `arena`. */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch[] = "/tmp/enmesh-unit-XXXXXX"; /* mkdtemp(3) fills it in */

static inline const char *scratch_path(const char *name)
{
	return arena_printf(&arena, "%s/%s", scratch, name);
}

static inline void scratch_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline int scratch_begin(void **state)
{
	(void)state;
	return mkdtemp(scratch) ? 0 : -1;
}

static inline int scratch_end(const char *path)
{
	unlink(path);
	arena_finish(&arena);
	return rmdir(scratch);
}

#endif
