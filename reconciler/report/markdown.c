#include "report/markdown.h"

#include <string.h>

#include "base/str.h"
#include "report/escape.h"
#include "report/look.h"

enum { ROOM_BELOW = 2 * 1024, SHARE_MIN = 4 * 1024, ERRORS_MAX = 20 };

/* For text outside of code: nothing in it may be read as markup. */
const char *markdown_plain(const char *s, struct arena *a)
{
	struct str out = { .arena = a };

	for (s = escape(s, a); *s; s++) {
		if (*s == '<')
			str_add(&out, "&lt;");
		else if (*s == '&')
			str_add(&out, "&amp;");
		else if (strchr("\\`*_{}[]()#+!|~>@", *s))
			str_printf(&out, "&#%d;", *s);
		else
			str_add_n(&out, s, 1);
	}
	return str_text(&out);
}

/* A fence longer than any run of backticks within. */
static const char *fence(const struct look_lines *lines, struct arena *a)
{
	size_t longest = 2;
	char *text;

	vec_each (line, &lines->list) {
		size_t run = 0;

		for (const char *c = line->text; *c; c++) {
			run = *c == '`' ? run + 1 : 0;
			longest = run > longest ? run : longest;
		}
	}
	text = arena_alloc(a, longest + 2);
	memset(text, '`', longest + 1);
	return text;
}

/* With the mark at the beginning of the line, where the viewers colour it; theirs for a change is '!'. */
static const char *diff_line(const struct look_line *line, struct arena *a)
{
	switch (line->look) {
	case LOOK_GROUP:
		return arena_printf(a, "# %s\n", line->text);
	case LOOK_CHANGE:
		return arena_printf(a, "%c %s\n", line->mark == '~' ? '!' : line->mark, line->text);
	case LOOK_BODY:
		break;
	}
	return line->mark == '@' ? arena_printf(a, "%s\n", line->text)
				 : arena_printf(a, "%c     %s\n", line->mark, line->text);
}

static size_t changes_from(const struct look_lines *lines, size_t first)
{
	size_t n = 0;

	for (size_t i = first; i < lines->list.n; i++)
		n += lines->list.items[i].look == LOOK_CHANGE;
	return n;
}

/* `room`: how long `out` may become. */
static void add_changes(struct str *out, const struct look_lines *lines, size_t room, struct arena *a)
{
	const char *ticks = fence(lines, a);
	size_t i = 0, cut;

	str_printf(out, "%sdiff\n", ticks);
	for (; i < lines->list.n; i++) {
		const char *line = diff_line(&lines->list.items[i], a);

		if (out->n + strlen(line) + strlen(ticks) > room)
			break;
		str_add(out, line);
	}
	str_printf(out, "%s\n", ticks);
	cut = changes_from(lines, i);
	if (i < lines->list.n)
		str_printf(out, "\nThe rest was cut: %zu more change%s.\n", cut, cut == 1 ? "" : "s");
}

bool markdown_has_room(const struct str *out)
{
	return out->n < MARKDOWN_MAX - 2 * ROOM_BELOW;
}

void markdown_fold(struct str *out, const char *summary, const struct pass *p, size_t parts, struct arena *a)
{
	size_t left = out->n < MARKDOWN_MAX - ROOM_BELOW ? MARKDOWN_MAX - ROOM_BELOW - out->n : 0,
	       share = left / parts < SHARE_MIN ? SHARE_MIN : left / parts;
	struct look_lines lines = { 0 };

	look_changes(p, 0, a, &lines);
	str_printf(out, "<details><summary>%s</summary>\n\n", summary);
	add_changes(out, &lines, out->n + (share < left ? share : left), a);
	str_add(out, "\n</details>\n");
}

void markdown_errors(struct str *out, const struct diags *d, struct arena *a)
{
	size_t shown = 0;

	if (d->list.n)
		str_add(out, "\n");
	vec_each (diag, &d->list) {
		const char *line = markdown_plain(diag_line(diag, a), a);

		if (shown == ERRORS_MAX || out->n + strlen(line) > MARKDOWN_MAX - 200)
			break;
		str_printf(out, "- %s\n", line);
		shown++;
	}
	if (shown < d->list.n)
		str_printf(out, "- and %zu more\n", d->list.n - shown);
}

static const char *closing(const struct pass *p, struct arena *a)
{
	const char *unknown = look_unknown_line(&p->plan, a), *flawed = look_flawed_line(p, a);

	if (!p->accepted)
		return "The source was refused.";
	if (!p->plan.changes.n && !unknown && !flawed)
		return LOOK_NO_CHANGES;
	return arena_printf(a, "%s%s%s%s%s", look_plan_line(&p->plan, a), unknown ? " " : "",
		unknown ? unknown : "", flawed ? " " : "", flawed ? flawed : "");
}

const char *markdown_plan(const struct pass *p, const struct diags *d, struct arena *a)
{
	struct str out = { .arena = a };

	str_printf(&out, "### enmesh: %s\n\n", markdown_plain(p->node, a));
	if (p->tree.revision)
		str_printf(
			&out, "%s at %s\n\n", markdown_plain(p->source, a), markdown_plain(p->tree.revision, a));
	if (p->plan.changes.n)
		markdown_fold(&out, closing(p, a), p, 1, a);
	else
		str_printf(&out, "%s\n", closing(p, a));
	markdown_errors(&out, d, a);
	return str_text(&out);
}
