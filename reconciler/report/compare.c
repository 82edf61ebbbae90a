#include "report/compare.h"

#include "base/str.h"
#include "report/escape.h"
#include "report/json.h"
#include "report/look.h"
#include "report/markdown.h"

enum { NODES_SHOWN = 10 };

static const char *const gone =
	"is no longer in the source: nothing changes there until `enmesh cleanup` runs on it";
static const char *const no_changes = "No changes. No node is affected.";

/* "vm1, vm2 and 8 more" */
static const char *names_of(const struct comparison_group *g, struct arena *a)
{
	struct str out = { .arena = a };
	size_t shown = g->nodes.n > NODES_SHOWN ? NODES_SHOWN - 1 : g->nodes.n;

	for (size_t i = 0; i < shown; i++)
		str_printf(&out, "%s%s", i ? ", " : "", escape(g->nodes.items[i], a));
	if (shown < g->nodes.n)
		str_printf(&out, " and %zu more", g->nodes.n - shown);
	return str_text(&out);
}

static const char *head_of(const struct comparison_group *g, struct arena *a)
{
	const char *names = names_of(g, a), *new = g->presence == PRESENCE_NEW ? ", new in the source" : "";

	if (g->presence == PRESENCE_GONE)
		return arena_printf(a, "%s %s %s", g->nodes.n == 1 ? "Node" : "Each of the nodes", names, gone);
	if (g->nodes.n == 1)
		return arena_printf(a, "Node %s%s", names, new);
	return arena_printf(
		a, "%zu nodes%s: %s; shown for %s", g->nodes.n, new, names, escape(g->nodes.items[0], a));
}

static const char *plan_line(const struct comparison *c, struct arena *a)
{
	return arena_printf(a, "Plan: %zu to add, %zu to change, %zu to remove.", c->counts.add, c->counts.change,
		c->counts.remove);
}

static const char *revisions(const struct comparison *c, struct arena *a)
{
	return arena_printf(
		a, "%s from %s to %s", escape(c->to.source, a), c->from.tree.revision, c->to.tree.revision);
}

/* ---- for people ---- */

const char *compare_text(const struct comparison *c, struct text_style style, struct arena *a)
{
	struct str out = { .arena = a };

	str_printf(&out, "Source %s, %zu node%s compared\n", revisions(c, a), c->nodes, c->nodes == 1 ? "" : "s");
	vec_each (g, &c->groups)
		str_printf(&out, "\n%s%s\n%s", head_of(g, a), g->presence == PRESENCE_GONE ? "." : ":",
			text_changes(g->pass, 0, style, a));
	if (c->groups.n)
		str_printf(&out, "\n%s\n", plan_line(c, a));
	else
		str_printf(&out, "%s\n", no_changes);
	return str_text(&out);
}

/* ---- for robots ---- */

static void put_group(struct node *list, const struct comparison_group *g, struct arena *a)
{
	static const char *const words[] = {
		[PRESENCE_BOTH] = "both", [PRESENCE_NEW] = "new", [PRESENCE_GONE] = "gone"
	};
	struct node *n = node_add_map(a, list), *nodes = node_put_list(a, n, "nodes");

	vec_each (name, &g->nodes)
		node_add_text(a, nodes, *name);
	node_put_text(a, n, "presence", words[g->presence]);
	json_put_changes(n, g->pass, a);
}

const struct node *compare_json(const struct comparison *c, const struct diags *d, struct arena *a)
{
	struct node *root = json_document(NULL, a), *source = node_put_map(a, root, "source"), *summary, *list;

	node_put_text(a, source, "url", c->to.source);
	node_put_text(a, source, "from", c->from.tree.revision);
	node_put_text(a, source, "to", c->to.tree.revision);
	node_put_int(a, root, "nodes", (int64_t)c->nodes);
	list = node_put_list(a, root, "groups");
	vec_each (g, &c->groups)
		put_group(list, g, a);
	summary = node_put_map(a, root, "summary");
	node_put_int(a, summary, "add", (int64_t)c->counts.add);
	node_put_int(a, summary, "change", (int64_t)c->counts.change);
	node_put_int(a, summary, "remove", (int64_t)c->counts.remove);
	node_put_bool(a, root, "errored", d->errors > 0);
	json_put_diagnostics(root, d, a);
	return root;
}

/* ---- for pull requests ---- */

const char *compare_markdown(const struct comparison *c, const struct diags *d, struct arena *a)
{
	struct str out = { .arena = a };
	size_t left = c->groups.n, nodes = 0;

	str_printf(&out, "### enmesh: %s\n\n", c->groups.n ? plan_line(c, a) : no_changes);
	if (c->to.tree.revision && c->from.tree.revision)
		str_printf(&out, "%s, %zu node%s compared\n\n", markdown_plain(revisions(c, a), a), c->nodes,
			c->nodes == 1 ? "" : "s");
	vec_each (g, &c->groups) {
		const char *head = markdown_plain(head_of(g, a), a);

		if (!markdown_has_room(&out))
			break;
		if (g->presence == PRESENCE_GONE)
			str_printf(&out, "%s.\n\n", head);
		else
			markdown_fold(&out, head, g->pass, left, a);
		left--;
	}
	for (size_t i = c->groups.n - left; i < c->groups.n; i++)
		nodes += c->groups.items[i].nodes.n;
	if (left)
		str_printf(&out, "\nThe rest was cut: the changes of %zu more node%s.\n", nodes,
			nodes == 1 ? "" : "s");
	markdown_errors(&out, d, a);
	return str_text(&out);
}
