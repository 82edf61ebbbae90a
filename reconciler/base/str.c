#include "base/str.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static void reserve(struct str *out, size_t n)
{
	size_t cap = out->cap ? out->cap : 64;
	char *grown;

	while (cap - 1 < out->n + n)
		cap *= 2;
	if (cap == out->cap)
		return;
	grown = arena_alloc(out->arena, cap);
	if (out->n)
		memcpy(grown, out->s, out->n);
	out->s = grown;
	out->cap = cap;
}

void str_add_n(struct str *out, const char *s, size_t n)
{
	reserve(out, n);
	if (n)
		memcpy(out->s + out->n, s, n);
	out->n += n;
	out->s[out->n] = 0;
}

void str_add(struct str *out, const char *s)
{
	str_add_n(out, s, strlen(s));
}

void str_printf(struct str *out, const char *format, ...)
{
	va_list args, again;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (n < 0)
		mem_exhausted();
	reserve(out, (size_t)n);
	vsnprintf(out->s + out->n, (size_t)n + 1, format, args);
	va_end(args);
	out->n += (size_t)n;
}

const char *str_text(const struct str *out)
{
	return out->s ? out->s : "";
}

bool str_starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !strcmp(s + n - m, suffix);
}

size_t str_utf8(const char *s, size_t n)
{
	const unsigned char *c = (const unsigned char *)s;
	size_t size = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;

	if (!n || size > n)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
		(c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return size;
}

const char *str_valid(const char *s, size_t n, struct arena *a)
{
	struct str out = { .arena = a };
	size_t size, good = 0;

	while (good < n && (size = str_utf8(s + good, n - good)))
		good += size;
	if (good == n)
		return s;
	str_add_n(&out, s, good);
	for (size_t i = good; i < n; i += size ? size : 1) {
		size = str_utf8(s + i, n - i);
		str_add_n(&out, size ? s + i : "\xef\xbf\xbd", size ? size : 3);
	}
	return str_text(&out);
}

enum { NEAREST_MAX = 64 };

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Three rows of the matrix are enough: a transposition looks two rows back. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t rows[3][NEAREST_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *before = rows[(i + 1) % 3], *last = rows[(i - 1) % 3], *row = rows[i % 3];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]) &&
				before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return rows[n % 3][m];
}

const char *str_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word), best = (len + 2) / 3 + 1;
	const char *nearest = NULL;

	if (len > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t m = strlen(candidates[i]), d;

		/* The distance is at least the difference in length: most candidates need no closer look. */
		if (m > NEAREST_MAX || (m > len ? m - len : len - m) >= best)
			continue;
		d = distance(word, len, candidates[i], m);
		if (d < best && d < m) {
			best = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}

bool str_duration(const char *s, long long *ms)
{
	static const struct {
		const char *unit;
		long long ms;
	} units[] = { { "ms", 1 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "d", 86400000 } };
	const long long limit = 365LL * 86400000;
	long long total = 0;

	if (!*s)
		return false;
	while (*s) {
		char *end;
		long long value;
		size_t i = 0;

		if (!isdigit((unsigned char)*s))
			return false;
		value = strtoll(s, &end, 10);
		while (i < array_len(units) && strncmp(end, units[i].unit, strlen(units[i].unit)))
			i++;
		if (i == array_len(units) || value > limit / units[i].ms)
			return false;
		total += value * units[i].ms;
		if (total > limit)
			return false;
		s = end + strlen(units[i].unit);
	}
	*ms = total;
	return true;
}
