/* Building strings in an arena, and looking at them. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct str {
	struct arena *arena;
	char *s; /* NULL while empty; else ends with NUL */
	size_t n, cap;
};

void str_add(struct str *out, const char *s);
void str_add_n(struct str *out, const char *s, size_t n);
void str_printf(struct str *out, const char *format, ...) printf_like(2, 3);
const char *str_text(const struct str *out); /* never NULL */

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* The bytes of the UTF-8 sequence that s begins with (RFC 3629; n bytes are there), or 0 if it is none. */
size_t str_utf8(const char *s, size_t n);
/* `s` with U+FFFD for whatever is not UTF-8; `s` itself if all is. */
const char *str_valid(const char *s, size_t n, struct arena *a);

/*
 * The candidate that `word` was most likely meant to be: the smallest Damerau-Levenshtein distance (optimal string
 * alignment), at most a third of its length (rounded up), case folded; the first of several. NULL if none is near.
 */
const char *str_nearest(const char *word, const char *const *candidates, size_t n);

/* "1h30m", "30s", "500ms" as milliseconds. False: no duration, or longer than 365 days. */
bool str_duration(const char *s, long long *ms);

#endif
