#include "model/reference.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { SHOWN_MAX = 10 }; /* components of a circle that a message names */

/* Nodes, sidecars, components and captures begin with their name, and are sorted by it. */
static int by_name(const void *name, const void *item)
{
	return strcmp(name, *(const char *const *)item);
}

#define FIND(vec, name) ((vec)->n ? bsearch(name, (vec)->items, (vec)->n, sizeof(*(vec)->items), by_name) : NULL)
#define MISSING(ref, kind, vec, config, d)                                                                        \
	reference_missing(ref, kind, (vec)->items, (vec)->n, sizeof(*(vec)->items), config, d)

const struct mesh_node *model_find_node(const struct model *m, const char *name)
{
	return FIND(&m->nodes, name);
}

static int by_object(const void *left, const void *right)
{
	const struct mesh_object *a = left, *b = right;
	int order = strcmp(a->group, b->group);

	if (!order)
		order = strcmp(a->kind, b->kind);
	if (!order)
		order = strcmp(a->namespace, b->namespace ? b->namespace : OBJECT_NAMESPACE_DEFAULT);
	return order ? order : strcmp(a->name, b->name);
}

const struct mesh_object *model_find_object(
	const struct model *m, const char *group, const char *kind, const char *namespace, const char *name)
{
	const struct mesh_object wanted = { .group = group, .kind = kind, .namespace = namespace, .name = name };

	return m->objects.n ? bsearch(&wanted, m->objects.items, m->objects.n, sizeof(wanted), by_object) : NULL;
}

bool reference_missing(const struct node *ref, enum kind kind, const void *items, size_t n, size_t size,
	const struct config *config, struct diags *d)
{
	const char **names, *suggestion = "";

	if (config->unread.n && (d->errors >= DIAG_SUGGESTIONS_MAX || config_may_hold(config, ref->string)))
		return false;
	if (d->errors < DIAG_SUGGESTIONS_MAX) {
		names = arena_alloc(d->arena, n * sizeof(*names));
		for (size_t i = 0; i < n; i++)
			names[i] = *(const char *const *)((const char *)items + i * size);
		suggestion = diag_suggest(d, ref->string, names, n);
	}
	return diag_error(d, node_pos(ref), "there is no %s '%s'%s", kind_name(kind), ref->string,
		*suggestion ? suggestion : " in this source");
}

static void resolve_service(struct model *m, struct mesh_service *s, const struct config *config, struct diags *d)
{
	const struct node *spec = node_get(s->node, "spec");
	const struct node *sidecar = node_get(spec, "sidecar"), *capture = node_get(spec, "capture");

	if (node_is(sidecar, NODE_STRING)) {
		s->sidecar = FIND(&m->sidecars, sidecar->string);
		if (!s->sidecar)
			MISSING(sidecar, KIND_SIDECAR, &m->sidecars, config, d);
	}
	if (node_is(capture, NODE_STRING)) {
		s->capture = FIND(&m->captures, capture->string);
		if (!s->capture)
			MISSING(capture, KIND_CAPTURE, &m->captures, config, d);
	}
}

static void resolve_component(
	struct model *m, struct mesh_component *c, const struct config *config, struct arena *a, struct diags *d)
{
	node_each (it, node_path(c->node, "spec", "after", NULL)) {
		const struct mesh_component *before = NULL;

		if (!node_is(it, NODE_STRING))
			continue;
		before = FIND(&m->components, it->string);
		if (before)
			*vec_push(a, &c->after) = before;
		else
			MISSING(it, KIND_COMPONENT, &m->components, config, d);
	}
}

/* ---- ranks ---- */

/* Depth first, with a stack of its own: a chain of components may be as long as the source. */
struct ranking {
	struct model *model;
	struct diags *diags;
	struct visit {
		enum { NEW, OPEN, DONE } state;
		size_t next; /* of the component's `after` */
	} * visits;
	size_t *stack, depth;
};

static size_t index_of(const struct model *m, const struct mesh_component *c)
{
	return (size_t)(c - m->components.items);
}

/* The components from `first` up to the top of the stack wait for each other. */
static void report_circle(const struct ranking *r, size_t first)
{
	const struct mesh_component *items = r->model->components.items;
	const struct mesh_component *from = &items[r->stack[r->depth - 1]], *to = &items[r->stack[first]];
	struct str way = { .arena = r->diags->arena };

	for (size_t i = first; i < r->depth && i < first + SHOWN_MAX; i++)
		str_printf(&way, "%s → ", items[r->stack[i]].name);
	if (r->depth - first > SHOWN_MAX)
		str_printf(&way, "… (%zu in all) → ", r->depth - first);
	node_each (it, node_path(from->node, "spec", "after", NULL)) {
		if (!node_is(it, NODE_STRING) || strcmp(it->string, to->name))
			continue;
		diag_error(r->diags, node_pos(it), "components wait for each other in a circle: %s%s",
			str_text(&way), to->name);
		return;
	}
}

static void step(struct ranking *r)
{
	size_t top = r->stack[r->depth - 1], i;
	struct mesh_component *c = &r->model->components.items[top];
	struct visit *visit = &r->visits[top];

	if (visit->next == c->after.n) {
		vec_each (before, &c->after)
			if (c->rank <= (*before)->rank && r->visits[index_of(r->model, *before)].state == DONE)
				c->rank = (*before)->rank + 1;
		visit->state = DONE;
		r->depth--;
		return;
	}
	i = index_of(r->model, c->after.items[visit->next++]);
	if (r->visits[i].state == NEW) {
		r->visits[i].state = OPEN;
		r->stack[r->depth++] = i;
	} else if (r->visits[i].state == OPEN) {
		size_t first = r->depth - 1;

		while (r->stack[first] != i)
			first--;
		report_circle(r, first);
	}
}

static void rank_components(struct model *m, struct arena *a, struct diags *d)
{
	size_t n = m->components.n;
	struct ranking r = { .model = m, .diags = d };

	r.visits = arena_alloc(a, n * sizeof(*r.visits));
	r.stack = arena_alloc(a, n * sizeof(*r.stack));
	for (size_t i = 0; i < n; i++) {
		if (r.visits[i].state != NEW)
			continue;
		r.visits[i].state = OPEN;
		r.stack[r.depth++] = i;
		while (r.depth)
			step(&r);
	}
}

void references_resolve(struct model *m, const struct config *config, struct arena *a, struct diags *d)
{
	vec_each (s, &m->services)
		resolve_service(m, s, config, d);
	vec_each (c, &m->components)
		resolve_component(m, c, config, a, d);
	rank_components(m, a, d);
}
