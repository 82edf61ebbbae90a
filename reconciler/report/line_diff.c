#include "report/line_diff.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/defs.h"

/* Of the table of common subsequences: 2 × 16 MiB at most. */
enum { CELLS_MAX = 4 * 1024 * 1024 };

struct lines {
	vec_of(const char *) list;
};

static void split(const char *text, struct arena *a, struct lines *out)
{
	while (text && *text) {
		size_t n = strcspn(text, "\n");

		*vec_push(a, &out->list) = arena_strndup(a, text, n);
		text += n + (text[n] == '\n');
	}
}

/* ---- the whole script: every line of both texts, each with its mark ---- */

static void add(struct diff_lines *out, char mark, const char *text, struct arena *a)
{
	*vec_push(a, &out->list) = (struct diff_line){ mark, text };
}

static void release(uint32_t **table)
{
	free(*table);
}

/* table[i][j]: the length of the longest common subsequence of x[i…] and y[j…]. NULL: it would be too large. */
static uint32_t *common(const char **x, size_t n, const char **y, size_t m)
{
	uint32_t *table;

	if ((n + 1) > CELLS_MAX / (m + 1))
		return NULL;
	table = mem_alloc((n + 1) * (m + 1) * sizeof(*table));
	for (size_t i = n; i-- > 0;) {
		uint32_t *row = table + i * (m + 1), *below = row + m + 1;

		for (size_t j = m; j-- > 0;) {
			if (!strcmp(x[i], y[j]))
				row[j] = below[j + 1] + 1;
			else
				row[j] = below[j] > row[j + 1] ? below[j] : row[j + 1];
		}
	}
	return table;
}

static void add_middle(const char **x, size_t n, const char **y, size_t m, struct arena *a, struct diff_lines *out)
{
	scoped(release) uint32_t *table = common(x, n, y, m);
	size_t i = 0, j = 0;

	while (table && i < n && j < m) {
		if (!strcmp(x[i], y[j])) {
			add(out, ' ', x[i], a);
			i++;
			j++;
		} else if (table[(i + 1) * (m + 1) + j] >= table[i * (m + 1) + j + 1]) {
			add(out, '-', x[i++], a);
		} else {
			add(out, '+', y[j++], a);
		}
	}
	while (i < n)
		add(out, '-', x[i++], a);
	while (j < m)
		add(out, '+', y[j++], a);
}

static void add_script(const struct lines *x, const struct lines *y, struct arena *a, struct diff_lines *out)
{
	size_t n = x->list.n, m = y->list.n, start = 0, end = 0;

	while (start < n && start < m && !strcmp(x->list.items[start], y->list.items[start]))
		start++;
	while (end < n - start && end < m - start &&
		!strcmp(x->list.items[n - 1 - end], y->list.items[m - 1 - end]))
		end++;
	for (size_t i = 0; i < start; i++)
		add(out, ' ', x->list.items[i], a);
	if (start + end < n || start + end < m)
		add_middle(n ? x->list.items + start : NULL, n - start - end, m ? y->list.items + start : NULL,
			m - start - end, a, out);
	for (size_t i = n - end; i < n; i++)
		add(out, ' ', x->list.items[i], a);
}

/* ---- its hunks ---- */

/* The first line from `from` on that is a change, or n. */
static size_t next_change(const struct diff_lines *script, size_t from)
{
	while (from < script->list.n && script->list.items[from].mark == ' ')
		from++;
	return from;
}

/* The end of the hunk that begins at `start`: two changes with no more than twice the context between them are in
 * one. */
static size_t hunk_end(const struct diff_lines *script, size_t change)
{
	size_t last = change;

	for (;;) {
		size_t next = next_change(script, last + 1);

		if (next == script->list.n || next - last > 2 * LINE_DIFF_CONTEXT + 1)
			break;
		last = next;
	}
	last += 1 + LINE_DIFF_CONTEXT;
	return last < script->list.n ? last : script->list.n;
}

static void count(const struct diff_line *lines, size_t n, size_t *before, size_t *after)
{
	*before = *after = 0;
	for (size_t i = 0; i < n; i++) {
		*before += lines[i].mark != '+';
		*after += lines[i].mark != '-';
	}
}

static void add_head(
	const struct diff_lines *script, size_t start, size_t end, struct arena *a, struct diff_lines *out)
{
	size_t before, after, n, m;

	count(script->list.items, start, &before, &after);
	count(script->list.items + start, end - start, &n, &m);
	add(out, '@', arena_printf(a, "@@ -%zu,%zu +%zu,%zu @@", before + 1, n, after + 1, m), a);
}

void line_diff(const char *before, const char *after, struct arena *a, struct diff_lines *out)
{
	struct diff_lines script = { 0 };
	struct lines x = { 0 }, y = { 0 };

	split(before, a, &x);
	split(after, a, &y);
	add_script(&x, &y, a, &script);
	for (size_t at = next_change(&script, 0); at < script.list.n;) {
		size_t start = at < LINE_DIFF_CONTEXT ? 0 : at - LINE_DIFF_CONTEXT, end = hunk_end(&script, at);

		if (before && after)
			add_head(&script, start, end, a, out);
		for (size_t i = start; i < end; i++)
			*vec_push(a, &out->list) = script.list.items[i];
		at = next_change(&script, end);
	}
}
