#include "report/verify.h"

#include <inttypes.h>
#include <string.h>

#include "report/escape.h"
#include "report/json.h"

struct verify_counts verify_count(const struct node *trials)
{
	struct verify_counts counts = { 0 };

	node_each (trial, trials) {
		const char *result = node_get_text(trial, "result");

		counts.ok += !strcmp(result, "ok");
		counts.wrong += !strcmp(result, "wrong");
		counts.undecided += !strcmp(result, "undecided");
	}
	return counts;
}

const struct node *verify_json(const struct pass *p, const struct node *trials, struct arena *a)
{
	struct verify_counts counts = verify_count(trials);
	struct node *root = json_document(p, a), *summary;

	node_put_text(a, root, "node", p->node);
	node_put_bool(a, root, "verified", !counts.wrong && counts.ok > 0);
	node_put_node(a, root, "trials", trials);
	summary = node_put_map(a, root, "summary");
	node_put_int(a, summary, "ok", (int64_t)counts.ok);
	node_put_int(a, summary, "wrong", (int64_t)counts.wrong);
	node_put_int(a, summary, "undecided", (int64_t)counts.undecided);
	return root;
}

/* ---- for people ---- */

static void add_identity(struct str *out, const struct node *trial, const char *key)
{
	const struct node *n = node_get(trial, key);

	if (node_is(n, NODE_INT))
		str_printf(out, " %s %" PRId64, key, n->integer);
	else if (node_text(n))
		str_printf(out, " %s %s", key, escape(node_text(n), out->arena));
}

static const char *color_of(const char *result)
{
	return !strcmp(result, "ok") ? "\033[32m" : !strcmp(result, "wrong") ? "\033[31m" : "\033[33m";
}

/* "  ok  outbound, from user 1001 group 1001 to 192.0.2.1:80: a socket of this machine, at 127.0.0.1:15001, took
 * it" */
static void add_trial(struct str *out, const struct node *trial, struct text_style style)
{
	struct arena *a = out->arena;
	const char *result = escape_member(trial, "result", "", a),
		   *source = escape_member(trial, "source", "", a),
		   *cgroup = escape_member(trial, "cgroup", "", a), *blame = escape_member(trial, "blame", "", a);

	str_printf(out, "  %s%-9s%s %s: from", style.color ? color_of(result) : "", result,
		style.color ? "\033[0m" : "", escape_member(trial, "title", "", a));
	add_identity(out, trial, "user");
	add_identity(out, trial, "group");
	if (cgroup[0])
		str_printf(out, " cgroup %s", cgroup);
	if (source[0])
		str_printf(out, " %s", source);
	else if (!node_get(trial, "user"))
		str_add(out, " elsewhere");
	str_printf(out, " to %s: %s\n", escape_member(trial, "destination", "", a),
		escape_member(trial, "seen", "", a));
	if (!strcmp(result, "wrong"))
		str_printf(out, "            wanted: %s\n            blame: %s\n",
			escape_member(trial, "wanted", "", a), blame);
}

const char *verify_text(const struct node *root, struct text_style style, struct arena *a)
{
	struct verify_counts counts = verify_count(node_get(root, "trials"));
	struct str out = { .arena = a };
	const char *service = "";

	node_each (trial, node_get(root, "trials")) {
		const char *of = escape_member(trial, "service", "", a);

		if (strcmp(of, service) != 0)
			str_printf(
				&out, "%s%s%s\n", style.color ? "\033[1m" : "", of, style.color ? "\033[0m" : "");
		add_trial(&out, trial, style);
		service = of;
	}
	if (!counts.ok && !counts.wrong && !counts.undecided)
		return "Nothing to verify: the source captures nothing on this node, or the node has no "
		       "address.\n";
	str_printf(
		&out, "Verified: %zu ok, %zu wrong, %zu undecided.\n", counts.ok, counts.wrong, counts.undecided);
	return str_text(&out);
}
