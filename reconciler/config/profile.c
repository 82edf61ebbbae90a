#include "config/profile.h"

#include <string.h>

#include "config/embedded.h"
#include "config/yaml.h"

/* What the profile gives stands, for messages, where the document names the profile. */
static void place(struct node *n, const struct node *at, struct arena *a)
{
	struct node *items = NULL;

	n->file = at->file;
	n->line = at->line;
	n->column = at->column;
	n->parent = at->parent;
	if (!node_first(n))
		return;
	items = arena_dup(a, n->items, n->n * sizeof(*items));
	for (uint32_t i = 0; i < n->n; i++)
		place(&items[i], at, a);
	n->items = items;
}

static struct node merge(
	const struct node *own, const struct node *profile, const struct node *at, struct arena *a)
{
	struct node merged = *own;

	merged.n = 0;
	merged.items = NULL;
	node_each(it, own)
	{
		const struct node *other = node_get(profile, it->key);
		bool maps = node_is(it, NODE_MAP) && node_is(other, NODE_MAP);
		struct node item = maps ? merge(it, other, at, a) : *it;

		*node_add(a, &merged) = item;
	}
	node_each(it, profile)
	{
		struct node *item;

		if (node_get(own, it->key))
			continue;
		item = node_add(a, &merged);
		*item = *it;
		place(item, at, a);
	}
	return merged;
}

static const struct node *read_profile(const char *name, struct arena *a)
{
	struct diags d = { .arena = a };
	struct yaml_documents documents = { 0 };
	const char *file = arena_printf(a, "%s.yaml", name), *text = embedded_text(file);

	if (!text || !yaml_read(file, &(struct bytes){ text, strlen(text) }, a, &documents, &d))
		return NULL;
	return documents.list.n == 1 ? documents.list.items[0] : NULL;
}

const struct node *profile_apply(const struct node *document, struct arena *a, struct diags *d)
{
	const struct node *spec = node_get(document, "spec"), *name = node_get(spec, "profile"), *profile;
	struct node *complete, merged;

	if (!name || !strcmp(name->string, "none"))
		return document;
	profile = read_profile(name->string, a);
	if (!profile) {
		diag_error(d, node_pos(name), "there is no profile '%s'", name->string);
		return NULL;
	}
	merged = merge(spec, profile, name, a);
	complete = arena_dup(a, document, sizeof(*document));
	complete->n = 0;
	complete->items = NULL;
	node_each(it, document) * node_add(a, complete) = strcmp(it->key, "spec") ? *it : merged;
	return complete;
}
