#include "report/status.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "report/escape.h"

/* "2024-05-01T12:00:00Z (5m ago)" */
static const char *with_age(const char *time, struct timespec now, struct arena *a)
{
	struct timespec then;
	long long s;

	if (!clock_read(time, &then))
		return time ? escape(time, a) : "-";
	s = (long long)now.tv_sec - then.tv_sec;
	if (s < 0)
		return arena_printf(a, "%s (in the future: a clock was wrong)", time);
	if (s < 120)
		return arena_printf(a, "%s (%llds ago)", time, s);
	if (s < 2 * 3600)
		return arena_printf(a, "%s (%lldm ago)", time, s / 60);
	if (s < 2 * 86400)
		return arena_printf(a, "%s (%lldh ago)", time, s / 3600);
	return arena_printf(a, "%s (%lldd ago)", time, s / 86400);
}

static void add_revision(
	struct str *out, const struct node *source, const char *title, const char *name, struct arena *a)
{
	str_printf(out, "%-10s %s\n", title, escape_member(source, name, "-", a));
}

static void add_condition(struct str *out, const struct node *c, struct text_style style, struct arena *a)
{
	const char *status = escape_member(c, "status", "-", a),
		   *color = !strcmp(status, "True") ? "\033[32m" : "\033[31m";

	str_printf(out, "  %-18s %s%-8s%s %-12s since %s", escape_member(c, "type", "-", a),
		style.color ? color : "", status, style.color ? "\033[0m" : "", escape_member(c, "reason", "-", a),
		escape_member(c, "lastTransitionTime", "-", a));
	if (node_get_text(c, "message") && *node_get_text(c, "message"))
		str_printf(out, "  %s", escape_member(c, "message", "-", a));
	str_add(out, "\n");
}

static void add_warnings(struct str *out, const struct node *warnings, struct arena *a)
{
	if (node_first(warnings) != node_end(warnings))
		str_add(out, "\nWarnings:\n");
	node_each (it, warnings)
		if (node_text(it))
			str_printf(out, "  %s\n", escape(it->string, a));
}

const char *status_text(const struct node *status, struct timespec now, struct text_style style, struct arena *a)
{
	const struct node *source = node_get(status, "source"), *pass = node_get(status, "lastPass");
	const struct node *summary = node_get(status, "summary");
	struct str out = { .arena = a };

	str_printf(&out, "%-10s %s\n", "Node:", escape_member(status, "node", "-", a));
	str_printf(&out, "%-10s %s\n", "Source:", escape_member(source, "url", "-", a));
	add_revision(&out, source, "Observed:", "observedRevision", a);
	add_revision(&out, source, "Attempted:", "attemptedRevision", a);
	str_printf(&out, "%-10s %s", "Applied:", escape_member(source, "appliedRevision", "-", a));
	if (node_get_text(source, "appliedAt"))
		str_printf(&out, " at %s", with_age(node_get_text(source, "appliedAt"), now, a));
	str_printf(&out, "\n%-10s %s at %s, %lld ms\n", "Last pass:", escape_member(pass, "result", "-", a),
		with_age(node_get_text(pass, "startedAt"), now, a),
		(long long)node_get_int(pass, "durationMs", 0));
	str_printf(&out, "%-10s %lld added, %lld changed, %lld removed, %lld of them drift, %lld failed\n", "",
		(long long)node_get_int(summary, "add", 0), (long long)node_get_int(summary, "change", 0),
		(long long)node_get_int(summary, "remove", 0), (long long)node_get_int(summary, "drift", 0),
		(long long)node_get_int(summary, "failed", 0));
	str_add(&out, "\nConditions:\n");
	node_each (it, node_get(status, "conditions"))
		add_condition(&out, it, style, a);
	add_warnings(&out, node_get(status, "warnings"), a);
	return str_text(&out);
}
