#include "model/place.h"

#include <stdlib.h>
#include <string.h>

#include "model/read.h"
#include "model/reference.h"

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
	const char *value = labels_get(&node->labels, c->key);
	bool among = false;

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

/* All that a selector asks for but the name. */
static bool fits(const struct selector *s, const struct mesh_node *node)
{
	vec_each (l, &s->labels.list) {
		const char *value = labels_get(&node->labels, l->key);

		if (!value || strcmp(value, l->value))
			return false;
	}
	vec_each (c, &s->conditions)
		if (!holds(c, node))
			return false;
	return true;
}

bool selector_matches(const struct selector *s, const struct mesh_node *node)
{
	bool named = !s->names.list.n;

	if (!s->node)
		return false;
	vec_each (name, &s->names.list)
		named |= !strcmp(*name, node->name);
	return named && fits(s, node);
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

/* How many postings come before those of a label (`after`: before what follows them). */
static size_t bisect(const struct index *index, const struct label *l, bool after)
{
	size_t low = 0, high = index->postings.n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct posting *p = &index->postings.items[middle];
		int order = strcmp(p->key, l->key);

		if (!order)
			order = strcmp(p->value, l->value);
		if (order < (after ? 1 : 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void add_match(
	struct matches *out, const struct selector *s, const struct mesh_node *node, size_t item, struct arena *a)
{
	if (fits(s, node))
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
	size_t first = 0, end = SIZE_MAX;

	vec_each (l, &s->labels.list) {
		size_t from = bisect(index, l, false), to = bisect(index, l, true);

		if (to - from >= end - first)
			continue;
		first = from;
		end = to;
	}
	for (size_t i = first; i < end; i++)
		add_match(out, s, index->postings.items[i].node, item, a);
}

static void match(const struct model *m, const struct index *index, const struct selector *s, size_t item,
	struct matches *out, struct arena *a)
{
	if (s->names.list.n)
		match_names(m, s, item, out, a);
	else if (s->labels.list.n)
		match_labels(index, s, item, out, a);
	else
		vec_each (node, &m->nodes)
			add_match(out, s, node, item, a);
}

bool selector_check_names(
	const struct node *selector, const struct model *m, const struct config *config, struct diags *d)
{
	bool ok = true;

	node_each (it, node_get(selector, "names"))
		if (node_is(it, NODE_STRING) && !model_find_node(m, it->string))
			ok = reference_missing(
				it, KIND_NODE, m->nodes.items, m->nodes.n, sizeof(*m->nodes.items), config, d);
	return ok;
}

/* That nothing is selected may be due to what could not be read. */
static bool is_whole(const struct model *m, const struct config *config)
{
	vec_each (node, &m->nodes)
		if (node->broken)
			return false;
	return !config->unread.n;
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
	const struct mesh_service **items = arena_alloc(a, matches->list.n * sizeof(*items));

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
	const struct mesh_component **items = arena_alloc(a, matches->list.n * sizeof(*items));

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

/* What takes one selector after the other. */
struct placing {
	const struct model *model;
	const struct config *config;
	struct index index;
	bool whole;
	struct arena *arena;
	struct diags *diags;
};

/* The selector of a document, which `broken` says is not to be trusted. False: too much. */
static bool place(struct placing *p, const struct node *doc, const struct selector *s, bool broken, size_t item,
	struct matches *out)
{
	bool known = selector_check_names(node_path(doc, "spec", "nodes", NULL), p->model, p->config, p->diags);
	size_t before = out->list.n;

	if (broken)
		return true;
	match(p->model, &p->index, s, item, out, p->arena);
	if (out->list.n > PLACED_MAX)
		return diag_error(p->diags, node_pos(s->node),
			"the services and components of this source are on more than %d nodes, counted together",
			PLACED_MAX);
	if (known && out->list.n == before && p->whole)
		diag_warning(p->diags, node_pos(s->node), "no node is selected");
	return true;
}

static bool match_all(struct placing *p, struct matches *services, struct matches *components)
{
	for (size_t i = 0; i < p->model->services.n; i++) {
		const struct mesh_service *s = &p->model->services.items[i];

		if (!place(p, s->node, &s->nodes, s->broken, i, services))
			return false;
	}
	for (size_t i = 0; i < p->model->components.n; i++) {
		const struct mesh_component *c = &p->model->components.items[i];

		if (!place(p, c->node, &c->nodes, c->broken, i, components))
			return false;
	}
	return true;
}

/* ---- labels that processes take from their node ---- */

struct lack {
	const struct label_use *use;
	const struct mesh_node *first, *last; /* nodes without it */
	size_t n;
};

struct lacks {
	vec_of(struct lack) list;
};

static void note_lack(
	struct lacks *lacks, const struct label_use *use, const struct mesh_node *node, struct arena *a)
{
	struct lack *lack;

	vec_each (it, &lacks->list)
		if (it->use == use) {
			it->n += it->last != node;
			it->last = node;
			return;
		}
	if (lacks->list.n == DIAG_SUGGESTIONS_MAX) /* as many as anybody reads */
		return;
	lack = vec_push(a, &lacks->list);
	*lack = (struct lack){ use, node, node, 1 };
}

static void check_labels(
	const struct process_spec *spec, const struct mesh_node *node, struct lacks *lacks, struct arena *a)
{
	vec_each (use, &spec->label_uses)
		if (!labels_get(&node->labels, use->key))
			note_lack(lacks, use, node, a);
}

/* One error for each use, however many nodes lack the label. */
static void check_all_labels(const struct model *m, struct arena *a, struct diags *d)
{
	struct lacks lacks = { 0 };

	vec_each (node, &m->nodes) {
		struct placed placed = place_of(m, node);

		for (size_t i = 0; !node->broken && i < placed.n_services; i++)
			if (placed.services[i]->sidecar && !placed.services[i]->sidecar->broken)
				check_labels(&placed.services[i]->sidecar->process, node, &lacks, a);
		for (size_t i = 0; !node->broken && i < placed.n_components; i++)
			if (!placed.components[i]->broken)
				check_labels(&placed.components[i]->process, node, &lacks, a);
	}
	vec_each (lack, &lacks.list) {
		const char *others =
			lack->n > 1 ? arena_printf(a, " and %zu other%s", lack->n - 1, lack->n > 2 ? "s" : "")
				    : "";

		diag_error(d, node_pos(lack->use->node), "the node '%s'%s ha%s no label '%s'", lack->first->name,
			others, lack->n > 1 ? "ve" : "s", lack->use->key);
	}
}

bool place_all(struct model *m, const struct config *config, struct arena *a, struct diags *d)
{
	struct placing p = { .model = m, .config = config, .whole = is_whole(m, config), .arena = a, .diags = d };
	struct placement *placement = arena_new(a, struct placement);
	struct matches services = { 0 }, components = { 0 };

	index_nodes(m, a, &p.index);
	if (!match_all(&p, &services, &components))
		return false;
	placement->nodes = arena_alloc(a, m->nodes.n * sizeof(*placement->nodes));
	place_services(m, &services, placement->nodes, a);
	place_components(m, &components, placement->nodes, a);
	m->placement = placement;
	check_all_labels(m, a, d);
	return true;
}

struct placed place_of(const struct model *m, const struct mesh_node *node)
{
	return m->placement->nodes[node - m->nodes.items];
}
