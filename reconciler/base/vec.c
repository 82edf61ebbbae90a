#include "base/vec.h"

#include <string.h>

void *vec_grow(struct arena *a, void *items, size_t *cap, size_t item_size)
{
	size_t old = *cap;
	void *grown;

	*cap = old ? old * 2 : 8;
	grown = arena_alloc(a, *cap * item_size);
	return old ? memcpy(grown, items, old * item_size) : grown;
}
