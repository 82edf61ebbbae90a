#include "report/look.h"

#include <string.h>

#include "base/str.h"
#include "config/yaml.h"
#include "report/escape.h"
#include "report/line_diff.h"

/* Tabs are no harm within a line, and much text is indented with them. */
static const char *escape_between_tabs(const char *text, struct arena *a)
{
	struct str out = { .arena = a };

	for (;; text++) {
		size_t n = strcspn(text, "\t");

		str_add(&out, escape(arena_strndup(a, text, n), a));
		text += n;
		if (!*text)
			return str_text(&out);
		str_add(&out, "\t");
	}
}

static void add(struct look_lines *out, enum look look, char mark, const char *text, struct arena *a)
{
	bool tabs = look == LOOK_BODY && strchr(text, '\t');

	*vec_push(a, &out->list) =
		(struct look_line){ look, mark, tabs ? escape_between_tabs(text, a) : escape(text, a) };
}

/* A string is text in the language of the thing; anything else is shown as YAML. */
static const char *content(const struct node *n, struct arena *a)
{
	if (!n)
		return NULL;
	return n->type == NODE_STRING ? n->string : yaml_write(n, a);
}

/* Texts of a line or two need no line numbers. */
static bool needs_heads(const struct change *c, const struct diff_lines *lines)
{
	size_t hunks = 0;

	vec_each (line, &lines->list)
		hunks += line->mark == '@';
	return hunks > 1 || (c->before && c->before->type != NODE_STRING);
}

static void add_body(const struct change *c, struct arena *a, struct look_lines *out)
{
	struct diff_lines lines = { 0 };
	bool heads;

	line_diff(content(c->before, a), content(c->after, a), a, &lines);
	heads = needs_heads(c, &lines);
	vec_each (line, &lines.list)
		if (line->mark != '@' || heads)
			add(out, LOOK_BODY, line->mark, line->text, a);
}

static void add_change(const struct change *c, struct arena *a, struct look_lines *out)
{
	static const char marks[] = { [ACTION_ADD] = '+', [ACTION_CHANGE] = '~', [ACTION_REMOVE] = '-' };
	const char *text = arena_printf(a, "%s  (%s", c->address, cause_word(c->cause));

	if (c->cost != COST_IN_PLACE)
		text = arena_printf(a, "%s, %s", text, cost_word(c->cost));
	text = arena_printf(a, "%s)", text);
	if (c->origin && c->origin->file)
		text = arena_printf(a, "%s  %s:%u", text, c->origin->file, c->origin->line);
	add(out, LOOK_CHANGE, marks[c->action], text, a);
	add_body(c, a, out);
}

static void add_group(const struct pass *p, const struct target *target, bool drift, size_t first, struct arena *a,
	struct look_lines *out)
{
	bool named = false;

	for (size_t i = first; i < p->plan.changes.n; i++) {
		const struct change *c = &p->plan.changes.items[i];

		if (c->target != target || (c->cause == CAUSE_DRIFT) != drift)
			continue;
		if (!named)
			add(out, LOOK_GROUP, ' ',
				drift ? arena_printf(a,
						"%s, changed by somebody else since the last pass:", target->name)
				      : arena_printf(a, "%s:", target->name),
				a);
		named = true;
		add_change(c, a, out);
	}
}

void look_changes(const struct pass *p, size_t first, struct arena *a, struct look_lines *out)
{
	vec_each (part, &p->parts)
		add_group(p, part->target, true, first, a, out);
	vec_each (part, &p->parts)
		add_group(p, part->target, false, first, a, out);
}

const char *look_plan_line(const struct plan *plan, struct arena *a)
{
	struct plan_counts n = plan_count(plan);

	return arena_printf(a, "Plan: %zu to add, %zu to change, %zu to remove.", n.add, n.change, n.remove);
}

const char *look_applied_line(const struct plan *plan, struct arena *a)
{
	size_t done[] = { [ACTION_ADD] = 0, [ACTION_CHANGE] = 0, [ACTION_REMOVE] = 0 }, failed = 0, skipped = 0;
	const char *text;

	vec_each (c, &plan->changes) {
		done[c->action] += c->result == RESULT_DONE;
		failed += c->result == RESULT_FAILED;
		skipped += c->result == RESULT_SKIPPED || c->result == RESULT_NONE;
	}
	text = arena_printf(a, "Applied: %zu added, %zu changed, %zu removed", done[ACTION_ADD],
		done[ACTION_CHANGE], done[ACTION_REMOVE]);
	if (failed || skipped)
		text = arena_printf(a, "%s; %zu failed, %zu not done", text, failed, skipped);
	return arena_printf(a, "%s.", text);
}

const char *look_unknown_line(const struct plan *plan, struct arena *a)
{
	const char *text = "Unknown: ";

	if (!plan->unknown.n)
		return NULL;
	for (size_t i = 0; i < plan->unknown.n; i++)
		text = arena_printf(a, "%s%s%s", text, i ? ", " : "", plan->unknown.items[i]->name);
	return arena_printf(a, "%s (could not be read; the errors say why).", text);
}

const char *look_flawed_line(const struct pass *p, struct arena *a)
{
	struct str out = { .arena = a };

	vec_each (part, &p->parts)
		if (part->flawed)
			str_printf(&out, "%s%s", out.n ? ", " : "Not as wanted: ", part->target->name);
	if (!out.n)
		return NULL;
	str_add(&out, " (the errors say why).");
	return str_text(&out);
}
