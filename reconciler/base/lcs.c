#include "base/lcs.h"

#include <stdint.h>

/* lengths[i * (m + 1) + j]: of the longest common subsequence of the items from i and from j on. */
static void match_middle(size_t n, size_t m, size_t skip, bool (*equal)(const void *, size_t, size_t),
	const void *context, size_t *match)
{
	struct arena scratch = { 0 };
	uint32_t *lengths = arena_alloc(&scratch, (n + 1) * (m + 1) * sizeof(*lengths));

	for (size_t i = n; i-- > 0;) {
		for (size_t j = m; j-- > 0;) {
			uint32_t *at = &lengths[i * (m + 1) + j], down = at[m + 1], right = at[1];

			if (equal(context, skip + i, skip + j))
				*at = at[m + 2] + 1;
			else
				*at = down > right ? down : right;
		}
	}
	for (size_t i = 0, j = 0; i < n && j < m;) {
		const uint32_t *at = &lengths[i * (m + 1) + j];

		if (equal(context, skip + i, skip + j)) {
			match[skip + i] = skip + j;
			i++, j++;
		} else if (at[m + 1] >= at[1]) {
			i++;
		} else {
			j++;
		}
	}
	arena_finish(&scratch);
}

size_t *lcs_match(size_t n, size_t m, bool (*equal)(const void *context, size_t i, size_t j), const void *context,
	struct arena *a)
{
	size_t *match = arena_alloc(a, (n + 1) * sizeof(*match)), head = 0, tail = 0;

	for (size_t i = 0; i < n; i++)
		match[i] = LCS_NONE;
	while (head < n && head < m && equal(context, head, head)) {
		match[head] = head;
		head++;
	}
	while (tail < n - head && tail < m - head && equal(context, n - 1 - tail, m - 1 - tail)) {
		match[n - 1 - tail] = m - 1 - tail;
		tail++;
	}
	n -= head + tail;
	m -= head + tail;
	if (n && m && n <= LCS_CELLS_MAX / m)
		match_middle(n, m, head, equal, context, match);
	return match;
}
