#include "config/schema_compiled.h"

#include <string.h>

static const struct node *complete(
	struct schema_set *set, const struct schema *s, const struct node *v, int depth);

/* NULL: the property has no default. */
static const struct node *default_of(struct schema_set *set, const struct schema *s, struct property *p)
{
	const struct schema *ps;

	if (p->defaulted)
		return p->default_value;
	ps = schema_of_property(set, s, p);
	for (int i = 0; ps && !ps->default_value && ps->ref && i < SCHEMA_DEPTH_MAX; i++)
		ps = schema_resolve(set, ps);
	p->default_value = ps ? ps->default_value : NULL;
	p->defaulted = true;
	return p->default_value;
}

/* NULL: the property is there, or has no default. */
static const struct node *missing_default(
	struct schema_set *set, const struct schema *s, struct property *p, const struct node *map)
{
	const struct node *value = default_of(set, s, p);

	return value && !node_get(map, p->name) ? value : NULL;
}

/* A default has the place of the map that lacks it, so that a message about it points somewhere. */
static const struct node *place_default(
	struct schema_set *set, const struct node *value, const char *name, const struct node *map)
{
	struct node *n = arena_dup(set->arena, value, sizeof(*value));

	n->key = name;
	n->parent = map;
	n->file = map->file;
	n->line = map->line;
	n->column = map->column;
	n->key_line = 0;
	return n;
}

/* A copy of the map or list in which there is room for `more` items. */
static struct node *copy_with_room(struct schema_set *set, const struct node *v, size_t more, struct node **items)
{
	struct node *copy = arena_dup(set->arena, v, sizeof(*v));

	*items = arena_alloc(set->arena, (v->n + more) * sizeof(**items));
	if (v->n)
		memcpy(*items, v->items, v->n * sizeof(**items));
	copy->items = *items;
	return copy;
}

static const struct node *complete_map(
	struct schema_set *set, const struct schema *s, const struct node *v, int depth)
{
	struct node *copy = NULL, *items = NULL;
	size_t missing = 0;

	for (size_t i = 0; i < s->n_properties; i++)
		missing += missing_default(set, s, &s->properties[i], v) != NULL;
	if (missing)
		copy = copy_with_room(set, v, missing, &items);
	node_each (it, v) {
		struct property *p = schema_property(s, it->key);
		const struct node *item = p ? complete(set, schema_of_property(set, s, p), it, depth + 1) : it;

		if (item == it)
			continue;
		if (!copy)
			copy = copy_with_room(set, v, 0, &items);
		items[it - v->items] = *item;
	}
	for (size_t i = 0; missing && i < s->n_properties; i++) {
		struct property *p = &s->properties[i];
		const struct node *value = missing_default(set, s, p, v);

		if (!value)
			continue;
		value = place_default(set, value, p->name, v);
		items[copy->n++] = *complete(set, schema_of_property(set, s, p), value, depth + 1);
	}
	return copy ? copy : v;
}

static const struct node *complete_list(
	struct schema_set *set, const struct schema *s, const struct node *v, int depth)
{
	const struct schema *schema = schema_of(set, s->items, s->file);
	struct node *copy = NULL, *items = NULL;

	node_each (it, v) {
		const struct node *item = complete(set, schema, it, depth + 1);

		if (item == it)
			continue;
		if (!copy)
			copy = copy_with_room(set, v, 0, &items);
		items[it - v->items] = *item;
	}
	return copy ? copy : v;
}

static const struct node *complete(struct schema_set *set, const struct schema *s, const struct node *v, int depth)
{
	if (depth > SCHEMA_DEPTH_MAX)
		return v;
	if (s->ref) {
		const struct schema *target = schema_resolve(set, s);

		if (target)
			v = complete(set, target, v, depth + 1);
	}
	if (v->type == NODE_MAP && s->n_properties)
		return complete_map(set, s, v, depth);
	if (v->type == NODE_LIST && s->items && s->items->type == NODE_MAP)
		return complete_list(set, s, v, depth);
	return v;
}

const struct node *schema_complete(struct schema_set *set, const char *file, const struct node *value)
{
	const struct node *root = node_get(set->files, file);

	return complete(set, schema_of(set, root, root), value, 0);
}
