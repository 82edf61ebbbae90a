#include "report/json.h"

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

static void put_diagnostics(struct node *map, const struct diags *d, struct arena *a)
{
	struct node *list = node_put_list(a, map, "diagnostics");

	vec_each (diag, &d->list)
		put_diagnostic(list, diag, a);
}

static void put_source(struct node *map, const struct pass *p, struct arena *a)
{
	struct node *source;

	if (!p->source)
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

const struct node *json_diagnostics(const struct pass *p, const struct diags *d, struct arena *a)
{
	struct node *root = document(a);

	put_source(root, p, a);
	node_put_bool(a, root, "valid", !d->errors);
	node_put_int(a, root, "error_count", (int64_t)d->errors);
	node_put_int(a, root, "warning_count", (int64_t)(d->list.n - d->errors));
	put_diagnostics(root, d, a);
	return root;
}
