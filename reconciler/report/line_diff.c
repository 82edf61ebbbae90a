#include "report/line_diff.h"

#include <string.h>

#include "base/lcs.h"

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

struct sides {
	const struct lines *x, *y;
};

static bool same(const void *context, size_t i, size_t j)
{
	const struct sides *sides = context;

	return !strcmp(sides->x->list.items[i], sides->y->list.items[j]);
}

static void add_script(const struct lines *x, const struct lines *y, struct arena *a, struct diff_lines *out)
{
	size_t *match = lcs_match(x->list.n, y->list.n, same, &(struct sides){ x, y }, a), j = 0;

	for (size_t i = 0; i < x->list.n; i++) {
		if (match[i] == LCS_NONE) {
			add(out, '-', x->list.items[i], a);
			continue;
		}
		while (j < match[i])
			add(out, '+', y->list.items[j++], a);
		add(out, ' ', x->list.items[i], a);
		j++;
	}
	while (j < y->list.n)
		add(out, '+', y->list.items[j++], a);
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
