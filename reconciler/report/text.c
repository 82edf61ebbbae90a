#include "report/text.h"

#include "base/str.h"
#include "report/escape.h"
#include "report/look.h"

#define RESET "\033[0m"

static const char *color_of(enum look look, char mark)
{
	if (look == LOOK_GROUP)
		return "\033[1m";
	switch (mark) {
	case '+':
		return "\033[32m";
	case '-':
		return "\033[31m";
	case '~':
		return "\033[33m";
	case '@':
		return "\033[36m";
	default:
		return NULL;
	}
}

static void add_line(struct str *out, const char *indent, char mark, const char *text, const char *color)
{
	str_add(out, indent);
	if (color)
		str_add(out, color);
	if (mark)
		str_printf(out, "%c ", mark);
	str_printf(out, "%s%s\n", text, color ? RESET : "");
}

static void add_look(struct str *out, const struct look_line *line, struct text_style style)
{
	const char *color = style.color ? color_of(line->look, line->mark) : NULL;

	switch (line->look) {
	case LOOK_GROUP:
		add_line(out, out->n ? "\n" : "", 0, line->text, color);
		break;
	case LOOK_CHANGE:
		add_line(out, "  ", line->mark, line->text, color);
		break;
	case LOOK_BODY:
		add_line(out, "      ", line->mark == '@' ? 0 : line->mark, line->text, color);
		break;
	}
}

static const char *head(const struct pass *p, struct arena *a)
{
	const char *node = escape(p->node, a);

	if (p->cleanup)
		return arena_printf(a, "Node %s, without a source: everything that enmesh owns here goes\n", node);
	return arena_printf(a, "Node %s, source %s at %s\n", node, escape(p->source, a), p->tree.revision);
}

const char *text_changes(const struct pass *p, size_t first, struct text_style style, struct arena *a)
{
	struct look_lines lines = { 0 };
	struct str out = { .arena = a };

	look_changes(p, first, a, &lines);
	vec_each (line, &lines.list)
		add_look(&out, line, style);
	return str_text(&out);
}

const char *text_plan(const struct pass *p, size_t first, struct text_style style, struct arena *a)
{
	const char *unknown = look_unknown_line(&p->plan, a), *flawed = look_flawed_line(p, a);
	const char *changes = text_changes(p, first, style, a);
	struct str out = { .arena = a };

	if (first)
		return changes;
	str_printf(&out, "%s%s%s", head(p, a), *changes ? "\n" : "", changes);
	if (!p->plan.changes.n && !unknown && !flawed)
		str_add(&out, LOOK_NO_CHANGES "\n");
	else
		str_printf(&out, "\n%s%s%s%s%s\n", unknown ? unknown : "", unknown ? "\n" : "",
			flawed ? flawed : "", flawed ? "\n" : "", look_plan_line(&p->plan, a));
	return str_text(&out);
}

const char *text_applied(const struct pass *p, struct arena *a)
{
	return p->plan.changes.n ? arena_printf(a, "%s\n", look_applied_line(&p->plan, a)) : "";
}

const char *text_progress(const struct change *c, struct text_style style, struct arena *a)
{
	static const char marks[] = { [ACTION_ADD] = '+', [ACTION_CHANGE] = '~', [ACTION_REMOVE] = '-' };
	static const char *const words[] = { [RESULT_NONE] = " …",
		[RESULT_DONE] = ": done",
		[RESULT_FAILED] = ": failed",
		[RESULT_SKIPPED] = ": not done" };
	struct str out = { .arena = a };
	char mark = marks[c->action];
	const char *text = arena_printf(a, "%s%s", escape(c->address, a), words[c->result]);

	add_line(&out, "  ", mark, text, style.color ? color_of(LOOK_CHANGE, mark) : NULL);
	return str_text(&out);
}
