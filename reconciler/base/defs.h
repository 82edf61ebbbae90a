/* The compiler extensions that this program uses, all in one place (gcc and clang have them). */
#ifndef BASE_DEFS_H
#define BASE_DEFS_H

#include <dirent.h>
#include <stddef.h>

/* The variable is released by fn(&variable) when its scope ends. Declare it with its value. */
#define scoped(fn) __attribute__((cleanup(fn)))
#define printf_like(string, first) __attribute__((format(printf, string, first), nonnull(string)))
#define must_check __attribute__((warn_unused_result))

#define array_len(a) (sizeof(a) / sizeof((a)[0]))

/* Hands over what a scoped pointer holds: the pointer is NULL afterwards and its cleanup does nothing. */
#define take(p)                                                                                                   \
	__extension__({                                                                                           \
		__typeof__(p) taken_ = (p);                                                                       \
		(p) = NULL;                                                                                       \
		taken_;                                                                                           \
	})

/* Hands over a scoped descriptor: the variable is -1 afterwards. */
#define take_fd(fd)                                                                                               \
	__extension__({                                                                                           \
		int taken_ = (fd);                                                                                \
		(fd) = -1;                                                                                        \
		taken_;                                                                                           \
	})

/* Closes *fd if it is a descriptor, keeps errno. */
void close_fd(int *fd);
/* The same for a directory, or NULL. */
void close_dir(DIR **dir);

#endif
