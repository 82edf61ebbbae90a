/*
 * Where in an array what has a name is: an index, so that a look-up takes the same time among a few and among
 * thousands. `struct names names = { 0 };` is an empty one.
 */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <stddef.h>

#include "base/arena.h"

enum { NAMES_MIN = 16 }; /* a power of two, as every size is */

struct names {
	struct name {
		const char *name; /* NULL: free */
		size_t at;
	} * slots; /* open addressing; at most half of them are taken */
	size_t n, size;
};

#define NAMES_NONE ((size_t)-1)

/* Keeps `name`, which must not be there yet. */
void names_add(struct arena *a, struct names *names, const char *name, size_t at);
/* NAMES_NONE: it is not there. */
size_t names_find(const struct names *names, const char *name);

#endif
