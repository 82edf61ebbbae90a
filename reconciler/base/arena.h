/*
 * An arena: memory that is released all at once. What one pass reads, resolves, observes and plans lives in one.
 * Nothing in an arena is freed on its own, so what it holds needs no owner.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "base/defs.h"

struct arena {
	struct arena_block *blocks; /* newest first */
};

/* An arena of zeros is an empty one. */
void arena_finish(struct arena *a); /* releases everything; the arena may be used again */

void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned for every type */
void *arena_dup(struct arena *a, const void *p, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *format, ...) printf_like(2, 3);
char *arena_vprintf(struct arena *a, const char *format, va_list args) printf_like(2, 0);

#define arena_new(a, type) ((type *)arena_alloc(a, sizeof(type)))

#endif
