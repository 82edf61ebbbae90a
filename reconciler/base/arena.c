#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"

enum { BLOCK_MIN = 16 * 1024, BLOCK_MAX = 256 * 1024, LARGE = BLOCK_MAX / 8 };

/* Under AddressSanitizer every allocation is a block of its own, so that it sees a step beyond any of them. */
#ifdef __SANITIZE_ADDRESS__
#define ALONE true
#elif defined(__has_feature)
#define ALONE __has_feature(address_sanitizer)
#else
#define ALONE false
#endif

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	alignas(max_align_t) char data[];
};

void arena_finish(struct arena *a)
{
	for (struct arena_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	a->blocks = NULL;
}

/* Has the kernel bring in the pages of a block at once: a fault for each costs a multiple. Before Linux 5.14 it
 * does not know how, and they come one by one. */
static void populate(struct arena_block *b)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)b->data;
	size_t before = -start % page;

	madvise(b->data + before, (b->size - before) & ~(page - 1), MADV_POPULATE_WRITE);
}

static struct arena_block *new_block(size_t size)
{
	struct arena_block *b = mem_alloc(sizeof(*b) + size);

	b->size = size;
	if (size > BLOCK_MIN)
		populate(b);
	return b;
}

/* Blocks double in size, so that a small pass stays small and a large one makes few calls. */
static struct arena_block *add_block(struct arena *a, size_t least)
{
	size_t size = a->blocks ? a->blocks->size * 2 : BLOCK_MIN;
	struct arena_block *b;

	if (size > BLOCK_MAX)
		size = BLOCK_MAX;
	while (size < least)
		size *= 2;
	b = new_block(size);
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

/* A block for something large goes behind the newest one, whose room stays in use. */
static void *alloc_alone(struct arena *a, size_t size)
{
	struct arena_block *b = new_block(size);

	b->used = size;
	if (a->blocks) {
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		a->blocks = b;
	}
	return b->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->blocks;
	void *p;

	if (size > SIZE_MAX - alignof(max_align_t) - sizeof(*b))
		mem_exhausted();
	if (ALONE || size > LARGE)
		return alloc_alone(a, size);
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!b || b->size - b->used < size)
		b = add_block(a, size);
	p = b->data + b->used;
	b->used += size;
	return p;
}

void *arena_dup(struct arena *a, const void *p, size_t size)
{
	void *copy = arena_alloc(a, size);

	return size ? memcpy(copy, p, size) : copy;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (n)
		memcpy(copy, s, n);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, const char *format, va_list args)
{
	char line[128], *s;
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(line, sizeof(line), format, again);
	va_end(again);
	if (n < 0)
		mem_exhausted();
	if ((size_t)n < sizeof(line))
		return arena_strndup(a, line, (size_t)n);
	s = arena_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, format, args);
	return s;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list args;
	char *s;

	va_start(args, format);
	s = arena_vprintf(a, format, args);
	va_end(args);
	return s;
}
