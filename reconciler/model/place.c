#include "model/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* Nodes by label: sorted, so that those with one label are found by bisection. */
struct posting {
	const char *key, *value;
	const struct mesh_node *node;
};

struct placement {
	struct placed *nodes; /* in the order of the model's nodes */
};

struct index {
	vec_of(struct posting) postings;
};

/* One service or component on one node. */
struct match {
	const struct mesh_node *node;
	size_t item; /* its index in the model */
};

struct matches {
	vec_of(struct match) list;
};

static bool holds(const struct condition *c, const struct mesh_node *node)
{
	const char *value = NULL;
	bool among = false;

	vec_each (l, &node->labels.list)
		if (!strcmp(l->key, c->key))
			value = l->value;
	vec_each (v, &c->values.list)
		among |= value && !strcmp(*v, value);
	switch (c->operator) {
	case OP_IN:
		return among;
	case OP_NOT_IN:
		return !among;
	case OP_EXISTS:
		return value != NULL;
	case OP_MISSING:
		return !value;
	}
	return false;
}

static bool has_label(const struct mesh_node *node, const struct label *wanted)
{
	vec_each (l, &node->labels.list)
		if (!strcmp(l->key, wanted->key))
			return !strcmp(l->value, wanted->value);
	return false;
}

bool selector_matches(const struct selector *s, const struct mesh_node *node)
{
	bool named = !s->names.list.n;

	if (!s->node)
		return false;
	vec_each (name, &s->names.list)
		named |= !strcmp(*name, node->name);
	if (!named)
		return false;
	vec_each (l, &s->labels.list)
		if (!has_label(node, l))
			return false;
	vec_each (c, &s->conditions)
		if (!holds(c, node))
			return false;
	return true;
}

static int by_label(const void *left, const void *right)
{
	const struct posting *a = left, *b = right;
	int order = strcmp(a->key, b->key);

	if (!order)
		order = strcmp(a->value, b->value);
	return order ? order : (a->node > b->node) - (a->node < b->node);
}

static void index_nodes(const struct model *m, struct arena *a, struct index *out)
{
	vec_each (node, &m->nodes)
		vec_each (l, &node->labels.list)
			*vec_push(a, &out->postings) = (struct posting){ l->key, l->value, node };
	if (out->postings.n)
		qsort(out->postings.items, out->postings.n, sizeof(*out->postings.items), by_label);
}

/* The first posting of a label, and how many there are. */
static size_t find_label(const struct index *index, const struct label *l, size_t *count)
{
	const struct posting wanted = { l->key, l->value, NULL };
	size_t low = 0, high = index->postings.n, first;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (by_label(&index->postings.items[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (first = low; low < index->postings.n; low++)
		if (strcmp(index->postings.items[low].key, l->key) ||
			strcmp(index->postings.items[low].value, l->value))
			break;
	*count = low - first;
	return first;
}

static void add_match(
	struct matches *out, const struct selector *s, const struct mesh_node *node, size_t item, struct arena *a)
{
	if (selector_matches(s, node))
		*vec_push(a, &out->list) = (struct match){ node, item };
}

static void match_names(
	const struct model *m, const struct selector *s, size_t item, struct matches *out, struct arena *a)
{
	vec_each (name, &s->names.list) {
		const struct mesh_node *node = model_find_node(m, *name);

		if (node)
			add_match(out, s, node, item, a);
	}
}

/* Only the nodes that have the rarest of the labels are looked at. */
static void match_labels(
	const struct index *index, const struct selector *s, size_t item, struct matches *out, struct arena *a)
{
	size_t first = 0, count = SIZE_MAX;

	vec_each (l, &s->labels.list) {
		size_t n, at = find_label(index, l, &n);

		if (n >= count)
			continue;
		first = at;
		count = n;
	}
	for (size_t i = first; i < first + count; i++)
		add_match(out, s, index->postings.items[i].node, item, a);
}

static void match(const struct model *m, const struct index *index, const struct selector *s, size_t item,
	struct matches *out, struct arena *a)
{
	if (!s->node)
		return;
	if (s->names.list.n)
		match_names(m, s, item, out, a);
	else if (s->labels.list.n)
		match_labels(index, s, item, out, a);
	else
		vec_each (node, &m->nodes)
			add_match(out, s, node, item, a);
}

static void check_selector(const struct model *m, const struct selector *s, size_t matched, struct diags *d)
{
	const char **names = NULL;

	if (!s->node)
		return;
	node_each(it, node_get(s->node, "names"))
	{
		const char *nearest;

		if (model_find_node(m, it->string))
			continue;
		if (!names) {
			names = arena_alloc(d->arena, m->nodes.n * sizeof(*names) + 1);
			for (size_t i = 0; i < m->nodes.n; i++)
				names[i] = m->nodes.items[i].name;
		}
		nearest = str_nearest(it->string, names, m->nodes.n);
		diag_error(d, node_pos(it), "there is no MeshNode '%s'%s%s%s", it->string,
			nearest ? ", did you mean '" : " in this source", nearest ? nearest : "",
			nearest ? "'?" : "");
	}
	if (!matched && !names)
		diag_warning(d, node_pos(s->node), "no node is selected");
}

static int by_node(const void *left, const void *right)
{
	const struct match *a = left, *b = right;

	return a->node != b->node ? (a->node > b->node) - (a->node < b->node)
				  : (a->item > b->item) - (a->item < b->item);
}

static int by_rank(const void *left, const void *right)
{
	const struct mesh_component *a = *(const struct mesh_component *const *)left;
	const struct mesh_component *b = *(const struct mesh_component *const *)right;

	return a->rank != b->rank ? (a->rank > b->rank) - (a->rank < b->rank) : strcmp(a->name, b->name);
}

static void sort_matches(struct matches *matches)
{
	if (matches->list.n)
		qsort(matches->list.items, matches->list.n, sizeof(*matches->list.items), by_node);
}

/* Each node's services are a run of one array. */
static void place_services(const struct model *m, struct matches *matches, struct placed *nodes, struct arena *a)
{
	const struct mesh_service **items = arena_alloc(a, matches->list.n * sizeof(*items) + 1);

	sort_matches(matches);
	for (size_t i = 0; i < matches->list.n; i++) {
		struct placed *p = &nodes[matches->list.items[i].node - m->nodes.items];

		items[i] = &m->services.items[matches->list.items[i].item];
		if (!p->n_services++)
			p->services = &items[i];
	}
}

static void place_components(const struct model *m, struct matches *matches, struct placed *nodes, struct arena *a)
{
	const struct mesh_component **items = arena_alloc(a, matches->list.n * sizeof(*items) + 1);

	sort_matches(matches);
	for (size_t i = 0, first = 0; i < matches->list.n; i++) {
		const struct mesh_node *node = matches->list.items[i].node;
		struct placed *p = &nodes[node - m->nodes.items];

		items[i] = &m->components.items[matches->list.items[i].item];
		if (!p->n_components++)
			first = i;
		p->components = &items[first];
		if (i + 1 == matches->list.n || matches->list.items[i + 1].node != node)
			qsort(&items[first], p->n_components, sizeof(*items), by_rank);
	}
}

void place_all(struct model *m, struct arena *a, struct diags *d)
{
	struct placement *placement = arena_new(a, struct placement);
	struct matches services = { 0 }, components = { 0 };
	struct index index = { 0 };

	index_nodes(m, a, &index);
	for (size_t i = 0; i < m->services.n; i++) {
		const struct selector *s = &m->services.items[i].nodes;
		size_t before = services.list.n;

		match(m, &index, s, i, &services, a);
		check_selector(m, s, services.list.n - before, d);
	}
	for (size_t i = 0; i < m->components.n; i++) {
		const struct selector *s = &m->components.items[i].nodes;
		size_t before = components.list.n;

		match(m, &index, s, i, &components, a);
		check_selector(m, s, components.list.n - before, d);
	}
	placement->nodes = arena_alloc(a, m->nodes.n * sizeof(*placement->nodes) + 1);
	place_services(m, &services, placement->nodes, a);
	place_components(m, &components, placement->nodes, a);
	m->placement = placement;
}

struct placed place_of(const struct model *m, const struct mesh_node *node)
{
	return m->placement->nodes[node - m->nodes.items];
}
