/*
 * A growing array in an arena. `vec_of(struct rule) rules = { 0 };` declares one; its fields `items` and `n` are
 * for reading. Growing leaves the old array behind in the arena.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stddef.h>

#include "base/arena.h"

#define vec_of(type)                                                                                              \
	struct {                                                                                                  \
		type *items;                                                                                      \
		size_t n, cap;                                                                                    \
	}

/*
 * Makes room for one more item and gives its address, valid until the next push. It is zeroed, unless there was
 * one before which a lower `n` took off.
 */
#define vec_push(a, v)                                                                                            \
	__extension__({                                                                                           \
		__typeof__(v) vec_ = (v);                                                                         \
		if (vec_->n == vec_->cap)                                                                         \
			vec_->items = vec_grow(a, vec_->items, &vec_->cap, sizeof(*vec_->items));                 \
		&vec_->items[vec_->n++];                                                                          \
	})

#define vec_each(it, v) for (__typeof__(&*(v)->items) it = (v)->items; it && it != (v)->items + (v)->n; it++)

/* For vec_push: doubles the array's room. */
void *vec_grow(struct arena *a, void *items, size_t *cap, size_t item_size);

#endif
