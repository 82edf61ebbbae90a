#include "report/json.h"

#include "base/clock.h"

static void put_diagnostic(struct node *list, const struct diag *diag, struct arena *a)
{
	struct node *n = node_add_map(a, list);

	node_put_text(a, n, "severity", diag->severity == DIAG_ERROR ? "error" : "warning");
	node_put_text(a, n, "message", diag->message);
	node_put_text(a, n, "file", diag->pos.file);
	if (diag->pos.file && diag->pos.line) {
		node_put_int(a, n, "line", diag->pos.line);
		node_put_int(a, n, "column", diag->pos.column);
	}
	if (diag->pointer && *diag->pointer)
		node_put_text(a, n, "pointer", diag->pointer);
}

void json_put_diagnostics(struct node *map, const struct diags *d, struct arena *a)
{
	struct node *list = node_put_list(a, map, "diagnostics");

	vec_each (diag, &d->list)
		put_diagnostic(list, diag, a);
}

static void put_source(struct node *map, const struct pass *p, struct arena *a)
{
	struct node *source;

	if (p->cleanup)
		return;
	source = node_put_map(a, map, "source");
	node_put_text(a, source, "url", p->source);
	node_put_text(a, source, "revision", p->tree.revision);
}

static struct node *document(struct arena *a)
{
	struct node *root = arena_new(a, struct node);

	root->type = NODE_MAP;
	node_put_text(a, root, "format_version", JSON_FORMAT_VERSION);
	return root;
}

struct node *json_document(const struct pass *p, struct arena *a)
{
	struct node *root = document(a);

	if (p && p->source)
		put_source(root, p, a);
	return root;
}

const struct node *json_diagnostics(const struct pass *p, const struct diags *d, struct arena *a)
{
	struct node *root = document(a);

	put_source(root, p, a);
	node_put_bool(a, root, "valid", !d->errors);
	node_put_int(a, root, "error_count", (int64_t)d->errors);
	node_put_int(a, root, "warning_count", (int64_t)d->warnings);
	json_put_diagnostics(root, d, a);
	return root;
}

/* In Terraform's words: what is remade is deleted and created. */
static void put_actions(struct node *map, const struct change *c, bool backwards, struct arena *a)
{
	struct node *list = node_put_list(a, map, "actions");
	bool add = c->action == (backwards ? ACTION_REMOVE : ACTION_ADD);
	bool remove = c->action == (backwards ? ACTION_ADD : ACTION_REMOVE);

	if (add) {
		node_add_text(a, list, "create");
	} else if (remove) {
		node_add_text(a, list, "delete");
	} else if (c->cost == COST_RECREATE && !backwards) {
		node_add_text(a, list, "delete");
		node_add_text(a, list, "create");
	} else {
		node_add_text(a, list, "update");
	}
}

static void put_value(struct node *map, const char *name, const struct node *value, struct arena *a)
{
	if (value)
		node_put_node(a, map, name, value);
	else
		node_put(a, map, name); /* null */
}

/* What somebody else did: from what was wanted to what is there. */
static void put_drift(struct node *list, const struct change *c, struct arena *a)
{
	struct node *n = node_add_map(a, list);

	node_put_text(a, n, "address", c->address);
	put_actions(n, c, true, a);
	put_value(n, "before", c->after, a);
	put_value(n, "after", c->before, a);
}

static void put_change(struct node *list, const struct change *c, struct arena *a)
{
	static const char *const results[] = { [RESULT_NONE] = NULL,
		[RESULT_DONE] = "repaired",
		[RESULT_FAILED] = "failed",
		[RESULT_SKIPPED] = "skipped" };
	struct node *n = node_add_map(a, list), *origin;

	node_put_text(a, n, "address", c->address);
	node_put_text(a, n, "target", c->target->name);
	put_actions(n, c, false, a);
	node_put_text(a, n, "cause", cause_word(c->cause));
	node_put_text(a, n, "cost", cost_word(c->cost));
	put_value(n, "before", c->before, a);
	put_value(n, "after", c->after, a);
	/* Secrets are in them as digests. */
	node_put_bool(a, n, "before_sensitive", false);
	node_put_bool(a, n, "after_sensitive", false);
	if (c->origin && c->origin->file) {
		origin = node_put_map(a, n, "origin");
		node_put_text(a, origin, "file", c->origin->file);
		node_put_int(a, origin, "line", c->origin->line);
	}
	node_put_text(a, n, "result", results[c->result]);
}

void json_put_changes(struct node *root, const struct pass *p, struct arena *a)
{
	struct node *list = node_put_list(a, root, "drift");

	vec_each (c, &p->plan.changes)
		if (c->cause == CAUSE_DRIFT)
			put_drift(list, c, a);
	list = node_put_list(a, root, "changes");
	vec_each (c, &p->plan.changes)
		put_change(list, c, a);
	list = node_put_list(a, root, "unknown");
	vec_each (target, &p->plan.unknown)
		node_add_text(a, list, (*target)->name);
}

void json_put_summary(struct node *root, const struct pass *p, struct arena *a)
{
	struct plan_counts counts = plan_count(&p->plan);
	struct node *summary = node_put_map(a, root, "summary");
	int64_t failed = 0;

	vec_each (c, &p->plan.changes)
		failed += c->result == RESULT_FAILED || c->result == RESULT_SKIPPED;
	node_put_int(a, summary, "add", (int64_t)counts.add);
	node_put_int(a, summary, "change", (int64_t)counts.change);
	node_put_int(a, summary, "remove", (int64_t)counts.remove);
	node_put_int(a, summary, "drift", (int64_t)counts.drift);
	node_put_int(a, summary, "failed", failed);
}

const struct node *json_plan(const struct pass *p, const struct diags *d, struct arena *a)
{
	struct node *root = document(a);

	put_source(root, p, a);
	node_put_text(a, root, "node", p->node);
	node_put_text(a, root, "result", outcome_word(p->outcome));
	node_put_bool(a, root, "dry_run", p->dry_run);
	if (p->host && p->host->holds) { /* one of many */
		node_put_text(a, root, "started", clock_text(p->started, a));
		node_put_int(a, root, "took_us", p->took_us);
	}
	json_put_changes(root, p, a);
	json_put_summary(root, p, a);
	node_put_bool(a, root, "errored", p->outcome == OUTCOME_FAILED || p->outcome == OUTCOME_STOPPED);
	json_put_diagnostics(root, d, a);
	return root;
}

const struct node *json_render(const struct pass *p, const struct node *described, struct arena *a)
{
	struct node *root = document(a);

	put_source(root, p, a);
	node_put_text(a, root, "node", p->node);
	node_put_node(a, root, "targets", described);
	return root;
}
