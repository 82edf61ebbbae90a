#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/conflict.h"
#include "model/place.h"
#include "model/read.h"

/* Documents by kind, namespace and name: the same order everywhere, and duplicates side by side. */
static int by_identity(const void *left, const void *right)
{
	const struct document *a = *(const struct document *const *)left,
			      *b = *(const struct document *const *)right;
	int order = (a->kind > b->kind) - (a->kind < b->kind);

	if (!order && a->kind == KIND_OBJECT) {
		order = strcmp(node_get_text(a->root, "apiVersion"), node_get_text(b->root, "apiVersion"));
		if (!order)
			order = strcmp(node_get_text(a->root, "kind"), node_get_text(b->root, "kind"));
	}
	if (!order)
		order = strcmp(a->namespace ? a->namespace : "", b->namespace ? b->namespace : "");
	if (!order)
		order = strcmp(a->name, b->name);
	return order ? order : (a > b) - (a < b);
}

static bool same_identity(const struct document *a, const struct document *b)
{
	if (a->kind != b->kind || strcmp(a->name, b->name) ||
		strcmp(a->namespace ? a->namespace : "", b->namespace ? b->namespace : ""))
		return false;
	return a->kind != KIND_OBJECT ||
	       (!strcmp(node_get_text(a->root, "kind"), node_get_text(b->root, "kind")) &&
		       !strcmp(node_get_text(a->root, "apiVersion"), node_get_text(b->root, "apiVersion")));
}

static const struct document **sort_documents(const struct config *config, struct arena *a)
{
	const struct document **order = arena_alloc(a, config->documents.n * sizeof(*order) + 1);
	size_t n = 0;

	vec_each (doc, &config->documents)
		order[n++] = doc;
	qsort(order, n, sizeof(*order), by_identity);
	return order;
}

static bool duplicate(const struct document *again, const struct document *first, struct arena *a, struct diags *d)
{
	const struct node *name = node_path(again->root, "metadata", "name", NULL);
	const char *kind =
		again->kind == KIND_OBJECT ? node_get_text(again->root, "kind") : kind_name(again->kind);

	return diag_error(d, node_pos(name), "the %s '%s' is here twice, first at %s", kind, again->name,
		pos_text(node_pos(node_path(first->root, "metadata", "name", NULL)), a));
}

/* The documents of a source that take no variables from a Mesh still need one: it says what the mesh is. */
static bool check_mesh(
	struct model *m, const struct document *const *docs, size_t n, struct arena *a, struct diags *d)
{
	const struct document *first = NULL;

	for (size_t i = 0; i < n; i++) {
		if (docs[i]->kind != KIND_MESH)
			continue;
		if (first)
			return diag_error(d, node_pos(docs[i]->root), "a source has one Mesh; the first is at %s",
				pos_text(node_pos(first->root), a));
		first = docs[i];
	}
	return m->mesh || diag_failure(d, "the source has no Mesh document; `enmesh init` writes one");
}

static bool add_object(struct model *m, const struct document *doc, struct arena *a)
{
	const char *version = node_get_text(doc->root, "apiVersion"), *slash = strchr(version, '/');
	struct mesh_object *o = vec_push(a, &m->objects);

	o->api_version = version;
	o->group = slash ? arena_strndup(a, version, (size_t)(slash - version)) : "";
	o->kind = node_get_text(doc->root, "kind");
	o->name = doc->name;
	o->namespace = doc->namespace;
	o->root = doc->root;
	return true;
}

/* A macro, for the kinds differ in their types only. */
#define ADD(vec, reader)                                                                                          \
	do {                                                                                                      \
		__typeof__((vec)->items) added = vec_push(a, vec);                                                \
		added->name = doc->name;                                                                          \
		added->node = doc->root;                                                                          \
		added->broken = doc->broken || !reader(doc, a, added, d);                                         \
		return !added->broken;                                                                            \
	} while (0)

static bool add_service(struct model *m, const struct document *doc, struct arena *a, struct diags *d)
{
	struct mesh_service *s = vec_push(a, &m->services);

	s->name = doc->name;
	s->namespace = doc->namespace ? doc->namespace : "default";
	s->node = doc->root;
	s->broken = doc->broken || !read_service(doc, a, s, d);
	return !s->broken;
}

static bool add_document(struct model *m, const struct document *doc, struct arena *a, struct diags *d)
{
	switch (doc->kind) {
	case KIND_MESH: {
		struct mesh *mesh = arena_new(a, struct mesh);

		m->mesh = mesh;
		mesh->node = doc->root;
		return !doc->broken && read_mesh(doc, a, mesh, d);
	}
	case KIND_NODE:
		ADD(&m->nodes, read_node);
	case KIND_SERVICE:
		return add_service(m, doc, a, d);
	case KIND_SIDECAR:
		ADD(&m->sidecars, read_sidecar);
	case KIND_COMPONENT:
		ADD(&m->components, read_component);
	case KIND_CAPTURE:
		ADD(&m->captures, read_capture);
	case KIND_OBJECT:
		return add_object(m, doc, a);
	case KIND_AGENT_CONFIG:
		break;
	}
	return true;
}

/* ---- references ---- */

#define FIND(vec, wanted)                                                                                         \
	do {                                                                                                      \
		size_t low = 0, high = (vec)->n;                                                                  \
		while (low < high) {                                                                              \
			size_t middle = (low + high) / 2;                                                         \
			int order = strcmp(wanted, (vec)->items[middle].name);                                    \
			if (!order)                                                                               \
				return &(vec)->items[middle];                                                     \
			if (order < 0)                                                                            \
				high = middle;                                                                    \
			else                                                                                      \
				low = middle + 1;                                                                 \
		}                                                                                                 \
		return NULL;                                                                                      \
	} while (0)

const struct mesh_node *model_find_node(const struct model *m, const char *name)
{
	FIND(&m->nodes, name);
}

static struct mesh_sidecar *find_sidecar(const struct model *m, const char *name)
{
	FIND(&m->sidecars, name);
}

static struct mesh_capture *find_capture(const struct model *m, const char *name)
{
	FIND(&m->captures, name);
}

static struct mesh_component *find_component(const struct model *m, const char *name)
{
	FIND(&m->components, name);
}

static bool no_such(const struct node *ref, enum kind kind, const char *const *names, size_t n, struct diags *d)
{
	const char *nearest = str_nearest(ref->string, names, n);

	if (nearest)
		return diag_error(d, node_pos(ref), "there is no %s '%s', did you mean '%s'?", kind_name(kind),
			ref->string, nearest);
	return diag_error(d, node_pos(ref), "there is no %s '%s' in this source", kind_name(kind), ref->string);
}

#define NO_SUCH(ref, kind, vec, d)                                                                                \
	do {                                                                                                      \
		const char **names = arena_alloc((d)->arena, (vec)->n * sizeof(*names) + 1);                      \
		for (size_t i = 0; i < (vec)->n; i++)                                                             \
			names[i] = (vec)->items[i].name;                                                          \
		no_such(ref, kind, names, (vec)->n, d);                                                           \
	} while (0)

static void link_service(const struct model *m, struct mesh_service *s, struct diags *d)
{
	const struct node *spec = node_get(s->node, "spec");
	const struct node *sidecar = node_get(spec, "sidecar"), *capture = node_get(spec, "capture");

	if (node_is(sidecar, NODE_STRING)) {
		s->sidecar = find_sidecar(m, sidecar->string);
		if (!s->sidecar)
			NO_SUCH(sidecar, KIND_SIDECAR, &m->sidecars, d);
	}
	if (node_is(capture, NODE_STRING)) {
		s->capture = find_capture(m, capture->string);
		if (!s->capture)
			NO_SUCH(capture, KIND_CAPTURE, &m->captures, d);
	}
}

static void link_component(const struct model *m, struct mesh_component *c, struct arena *a, struct diags *d)
{
	node_each(it, node_path(c->node, "spec", "after", NULL))
	{
		struct mesh_component *before = node_is(it, NODE_STRING) ? find_component(m, it->string) : NULL;

		if (before)
			*vec_push(a, &c->after) = before;
		else if (node_is(it, NODE_STRING))
			NO_SUCH(it, KIND_COMPONENT, &m->components, d);
	}
}

/*
 * Ranks grow along `after` until nothing changes; with n components without a cycle no rank exceeds n, so one that
 * does is on a cycle or behind one.
 */
static void rank_components(struct model *m, struct diags *d)
{
	bool changed = true;

	for (size_t round = 0; changed && round <= m->components.n; round++) {
		changed = false;
		vec_each (c, &m->components)
			vec_each (before, &c->after) {
				if (c->rank > (*before)->rank)
					continue;
				c->rank = (*before)->rank + 1;
				changed = true;
			}
	}
	if (!changed)
		return;
	vec_each (c, &m->components) {
		const struct mesh_component *at = c;
		struct str way = { .arena = d->arena };

		if (c->rank <= m->components.n)
			continue;
		for (size_t i = 0; i <= m->components.n; i++) {
			str_printf(&way, "%s%s", way.n ? " → " : "", at->name);
			if (i && at == c)
				break;
			vec_each (before, &at->after)
				if ((*before)->rank >= m->components.n) {
					at = *before;
					break;
				}
		}
		if (at == c) {
			diag_error(d, node_pos(node_path(c->node, "spec", "after", NULL)),
				"components wait for each other in a circle: %s", str_text(&way));
			return;
		}
	}
}

/* ---- objects ---- */

static bool is_allowed(const struct mesh *mesh, const struct mesh_object *o)
{
	vec_each (allowed, &mesh->allow) {
		if (strcmp(allowed->group, o->group))
			continue;
		if (!allowed->kinds.list.n)
			return true;
		vec_each (kind, &allowed->kinds.list)
			if (!strcmp(*kind, o->kind))
				return true;
	}
	return false;
}

static void check_objects(const struct model *m, struct diags *d)
{
	vec_each (o, &m->objects) {
		struct pos pos = node_pos(node_get(o->root, "kind"));

		if (!is_allowed(m->mesh, o))
			diag_error(d, pos,
				"%s/%s is not among the objects that this mesh allows; add its group to "
				"Mesh.spec.objects.allow, or name the file in .enmeshignore",
				o->api_version, o->kind);
		else if (!m->mesh->api_servers.list.n)
			diag_error(d, pos,
				"this object has no API server to go to: Mesh.spec.controlPlane.apiServer is "
				"missing");
	}
}

static void check_writers(const struct model *m, struct diags *d)
{
	const struct mesh_node *writer = NULL;

	if (!m->mesh->api_servers.list.n)
		return;
	if (!m->mesh->writers.node) {
		if (m->nodes.n > 1)
			diag_error(d, node_pos(node_get(m->mesh->node, "spec")),
				"a mesh of %zu nodes needs spec.objects.writers: the node that writes the objects "
				"of the whole "
				"mesh",
				m->nodes.n);
		return;
	}
	vec_each (node, &m->nodes) {
		if (!selector_matches(&m->mesh->writers, node))
			continue;
		if (writer) {
			diag_error(d, node_pos(m->mesh->writers.node),
				"the writers are %s, %s and maybe more; exactly one node writes the objects of "
				"the whole mesh",
				writer->name, node->name);
			return;
		}
		writer = node;
	}
	if (!writer)
		diag_error(d, node_pos(m->mesh->writers.node),
			"no node is selected; exactly one writes the objects of the whole mesh");
}

const struct model *model_load(const struct config *config, struct arena *a, struct diags *d)
{
	struct model *m = arena_new(a, struct model);
	const struct document **docs = sort_documents(config, a);
	size_t n = config->documents.n;

	for (size_t i = 0; i < n; i++) {
		if (i && same_identity(docs[i - 1], docs[i]))
			duplicate(docs[i], docs[i - 1], a, d);
		else
			add_document(m, docs[i], a, d);
	}
	if (!check_mesh(m, docs, n, a, d))
		return NULL;
	vec_each (s, &m->services)
		link_service(m, s, d);
	vec_each (c, &m->components)
		link_component(m, c, a, d);
	rank_components(m, d);
	if (m->mesh->name) {
		check_objects(m, d);
		check_writers(m, d);
	}
	place_all(m, a, d);
	conflict_check(m, a, d);
	return d->errors ? NULL : m;
}
