#include "report/trace.h"

#include <inttypes.h>
#include <string.h>

#include "report/escape.h"
#include "report/json.h"

const struct node *trace_json(const struct pass *p, bool live, const struct node *traces, struct arena *a)
{
	struct node *root = json_document(p, a);

	node_put_text(a, root, "node", p->node);
	node_put_bool(a, root, "live", live);
	node_put_node(a, root, "traces", traces);
	return root;
}

/* ---- for people ---- */

struct writing {
	struct str out;
	struct text_style style;
};

/* A number or a name. */
static void add_identity(struct writing *w, const struct node *connection, const char *key)
{
	const struct node *n = node_get(connection, key);

	if (node_is(n, NODE_INT))
		str_printf(&w->out, "%s %" PRId64 ", ", key, n->integer);
	else if (node_text(n))
		str_printf(&w->out, "%s %s, ", key, escape(node_text(n), w->out.arena));
}

static void add_head(struct writing *w, const struct node *c)
{
	struct arena *a = w->out.arena;
	const char *cgroup = escape_member(c, "cgroup", "", a), *mark = escape_member(c, "mark", "", a),
		   *interface = escape_member(c, "interface", "", a);

	str_printf(&w->out, "%s%s from ", w->style.color ? "\033[1m" : "", escape_member(c, "protocol", "", a));
	add_identity(w, c, "user");
	add_identity(w, c, "group");
	if (cgroup[0])
		str_printf(&w->out, "cgroup %s, ", cgroup);
	if (mark[0])
		str_printf(&w->out, "mark %s, ", mark);
	str_printf(&w->out, "%s to %s", escape_member(c, "source", "", a), escape_member(c, "destination", "", a));
	if (interface[0])
		str_printf(&w->out, " by %s", interface);
	str_printf(&w->out, "%s\n", w->style.color ? "\033[0m" : "");
}

/* "1001 is not in @user-policy"; "@user-policy has 1001 : goto out-default". What the rule's text says is not said
 * again. */
static const char *remark(const struct node *step, struct arena *a)
{
	const char *why = escape_member(step, "why", "", a), *effect = escape_member(step, "effect", "", a);
	const char *said = escape_member(step, "text", "", a);
	struct str out = { .arena = a };

	if (why[0])
		return why;
	node_each (l, node_get(step, "lookups")) {
		const char *set = escape_member(l, "set", "", a), *element = escape_member(l, "element", "", a);

		if (element[0])
			str_printf(&out, "%s@%s has %s", out.n ? ", " : "", set, element);
		else
			str_printf(&out, "%s@%s lacks %s", out.n ? ", " : "", set, escape_member(l, "key", "", a));
		said = element;
	}
	if (effect[0] && !strstr(said, effect))
		str_printf(&out, "%s%s", out.n ? ": " : "", effect);
	return str_text(&out);
}

static void add_step(struct writing *w, const struct node *step)
{
	struct arena *a = w->out.arena;
	bool matched = node_get_bool(step, "matched", false);
	const char *chain = escape_member(step, "chain", "", a), *text = escape_member(step, "text", "", a),
		   *said = remark(step, a);
	const char *color = !w->style.color ? NULL : matched ? "\033[32m" : "\033[2m";

	str_printf(&w->out, "  %s%c ", color ? color : "", matched ? '+' : '-');
	if (!chain[0])
		str_printf(&w->out, "%s", said);
	else if (!text[0])
		str_printf(&w->out, "%s: policy %s", chain, said);
	else
		str_printf(&w->out, "%s %" PRId64 ": %s%s%s", chain, node_get_int(step, "rule", 0), text,
			said[0] ? "  # " : "", said);
	str_printf(&w->out, "%s\n", color ? "\033[0m" : "");
}

static bool same_base(const struct node *a, const struct node *b)
{
	const char *x = node_get_text(node_get(a, "base"), "chain"),
		   *y = node_get_text(node_get(b, "base"), "chain");

	return x && y ? !strcmp(x, y) : x == y;
}

static void add_steps(struct writing *w, const struct node *steps)
{
	struct arena *a = w->out.arena;
	const struct node *before = NULL;

	node_each (step, steps) {
		const struct node *base = node_get(step, "base");

		if (!before || !same_base(before, step)) {
			str_printf(&w->out, "%s", escape_member(step, "hook", "", a));
			if (base)
				str_printf(&w->out, ": chain %s (%s, priority %" PRId64 ")\n",
					escape_member(base, "chain", "", a), escape_member(base, "type", "", a),
					node_get_int(base, "priority", 0));
			else
				str_add(&w->out, ": routing\n");
		}
		add_step(w, step);
		before = step;
	}
}

static void add_landing(struct writing *w, const struct node *landing)
{
	static const struct {
		const char *key, *name;
	} effects[] = { { "mark", "mark" }, { "connection_mark", "connection mark" } };
	const struct node *by = node_get(landing, "decided_by"), *origin = node_get(by, "origin");
	struct arena *a = w->out.arena;

	str_printf(&w->out, "%s%s%s", w->style.color ? "\033[1m" : "", escape_member(landing, "text", "", a),
		w->style.color ? "\033[0m" : "");
	for (size_t i = 0; i < array_len(effects); i++)
		if (node_get(landing, effects[i].key))
			str_printf(&w->out, " Its %s is %s.", effects[i].name,
				escape_member(landing, effects[i].key, "", a));
	if (node_get(landing, "zone"))
		str_printf(&w->out, " Its zone is %" PRId64 ".", node_get_int(landing, "zone", 0));
	str_add(&w->out, "\n");
	if (by && node_get(by, "rule"))
		str_printf(&w->out, "Decided by %s %" PRId64, escape_member(by, "chain", "", a),
			node_get_int(by, "rule", 0));
	else if (by)
		str_printf(&w->out, "Decided by the policy of %s", escape_member(by, "chain", "", a));
	if (origin)
		str_printf(&w->out, ", of %s:%" PRId64, escape_member(origin, "file", "", a),
			node_get_int(origin, "line", 0));
	if (by)
		str_add(&w->out, ".\n");
}

const char *trace_text(const struct node *root, struct text_style style, struct arena *a)
{
	struct writing w = { { .arena = a }, style };

	node_each (trace, node_get(root, "traces")) {
		if (w.out.n)
			str_add(&w.out, "\n");
		add_head(&w, node_get(trace, "connection"));
		if (!node_get_bool(trace, "rules", true))
			str_add(&w.out, "enmesh has no rules here\n");
		add_steps(&w, node_get(trace, "steps"));
		add_landing(&w, node_get(trace, "landing"));
		node_each (text, node_get(trace, "assumptions"))
			str_printf(&w.out, "Assumed: %s.\n", escape(node_text(text), a));
	}
	return str_text(&w.out);
}
