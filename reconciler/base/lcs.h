/*
 * Which items two sequences share, in order: a longest common subsequence (Wagner and Fischer, "The
 * String-to-String Correction Problem", 1974), with equal heads and tails taken off first.
 */
#ifndef BASE_LCS_H
#define BASE_LCS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

enum { LCS_CELLS_MAX = 16 * 1024 * 1024 }; /* beyond this product of lengths, only head and tail are matched */

/*
 * For each item of the first sequence the index of its partner in the second, or LCS_NONE. Indices grow. `equal`
 * is called with the context and one index of each.
 */
#define LCS_NONE ((size_t)-1)

size_t *lcs_match(size_t n, size_t m, bool (*equal)(const void *context, size_t i, size_t j), const void *context,
	struct arena *a);

#endif
