#include "config/profile.h"

#include <string.h>

#include "config/embedded.h"
#include "config/yaml.h"

/* Moves a copy of a profile's value, with all that is in it, to where the document names the profile. */
static void place(struct node *n, const struct node *parent, const struct node *at, struct arena *a)
{
	struct node *items;

	n->file = at->file;
	n->line = at->line;
	n->column = at->column;
	n->key_line = 0;
	n->parent = parent;
	if (!node_first(n))
		return;
	items = arena_dup(a, n->items, n->n * sizeof(*items));
	n->items = items;
	for (uint32_t i = 0; i < n->n; i++)
		place(&items[i], n, at, a);
}

/* A probe asks in one way: the document's own way replaces the profile's. */
static bool is_replaced(const struct node *own, const char *key)
{
	return node_get(own, key) || (!strcmp(key, "httpGet") && node_get(own, "tcpSocket")) ||
	       (!strcmp(key, "tcpSocket") && node_get(own, "httpGet"));
}

static const struct node *merge(
	const struct node *own, const struct node *profile, const struct node *at, struct arena *a)
{
	struct node *merged = arena_dup(a, own, sizeof(*own));
	struct node *items = arena_alloc(a, (own->n + profile->n) * sizeof(*items));

	merged->items = items;
	merged->n = 0;
	node_each (it, own) {
		const struct node *other = node_get(profile, it->key);
		bool maps = node_is(it, NODE_MAP) && node_is(other, NODE_MAP);

		items[merged->n++] = maps ? *merge(it, other, at, a) : *it;
	}
	node_each (it, profile) {
		if (is_replaced(own, it->key))
			continue;
		items[merged->n] = *it;
		place(&items[merged->n++], own, at, a);
	}
	return merged;
}

static const struct node *find_profile(struct profiles *profiles, const char *name)
{
	const char *file = arena_printf(profiles->arena, "%s.yaml", name), *text;
	struct yaml_documents documents = { 0 };
	struct diags d = { .arena = profiles->arena };

	vec_each (it, &profiles->known)
		if (!strcmp(it->name, name))
			return it->spec;
	text = embedded_text(file);
	if (!text || !yaml_read(file, &(struct bytes){ text, strlen(text) }, profiles->arena, &documents, &d) ||
		documents.list.n != 1)
		return NULL;
	*vec_push(profiles->arena, &profiles->known) = (struct profile){ name, documents.list.items[0] };
	return documents.list.items[0];
}

const struct node *profile_apply(struct profiles *profiles, const struct node *document, struct diags *d)
{
	const struct node *own = node_get(document, "spec"), *name = node_get(own, "profile"), *profile;
	struct node *complete, *items;

	if (!name || !strcmp(name->string, "none"))
		return document;
	profile = find_profile(profiles, name->string);
	if (!profile) {
		diag_error(d, node_pos(name), "there is no profile '%s'", name->string);
		return NULL;
	}
	complete = arena_dup(profiles->arena, document, sizeof(*document));
	items = arena_dup(profiles->arena, document->items, document->n * sizeof(*items));
	items[own - document->items] = *merge(own, profile, name, profiles->arena);
	complete->items = items;
	return complete;
}
