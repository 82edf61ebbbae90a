#include <stdlib.h>
#include <string.h>

#include "model/conflict.h"
#include "model/management.h"
#include "model/object.h"
#include "model/place.h"
#include "model/read.h"
#include "model/reference.h"

/* Of the group in an apiVersion; 0: the core group. */
static size_t group_size(const char *version)
{
	const char *slash = strchr(version, '/');

	return slash ? (size_t)(slash - version) : 0;
}

/* An object is the same one in every version of its group. */
static int object_order(const struct node *a, const struct node *b)
{
	const char *x = node_get_text(a, "apiVersion"), *y = node_get_text(b, "apiVersion");
	size_t n = group_size(x), m = group_size(y);
	int order = strncmp(x, y, n < m ? n : m);

	if (!order)
		order = (n > m) - (n < m);
	return order ? order : strcmp(node_get_text(a, "kind"), node_get_text(b, "kind"));
}

static const char *namespace_of(const struct document *doc)
{
	return doc->namespace ? doc->namespace : doc->kind == KIND_OBJECT ? OBJECT_NAMESPACE_DEFAULT : "";
}

static int identity_order(const struct document *a, const struct document *b)
{
	int order = (a->kind > b->kind) - (a->kind < b->kind);

	if (!order && a->kind == KIND_MESH)
		return 0;
	if (!order && a->kind == KIND_OBJECT)
		order = object_order(a->root, b->root);
	if (!order)
		order = strcmp(namespace_of(a), namespace_of(b));
	return order ? order : strcmp(a->name, b->name);
}

/* The same order everywhere, and duplicates side by side, in the order of files and places. */
static int by_identity(const void *left, const void *right)
{
	const struct document *a = *(const struct document *const *)left,
			      *b = *(const struct document *const *)right;
	int order = identity_order(a, b);

	return order ? order : (a > b) - (a < b);
}

static const struct document **sort_documents(const struct config *config, struct arena *a)
{
	const struct document **order = arena_alloc(a, config->documents.n * sizeof(*order) + 1);
	size_t n = 0;

	vec_each (doc, &config->documents)
		order[n++] = doc;
	qsort(order, n, sizeof(const struct document *), by_identity);
	return order;
}

static struct pos name_pos(const struct document *doc)
{
	return node_pos(node_path(doc->root, "metadata", "name", NULL));
}

static void duplicate(const struct document *again, const struct document *first, struct diags *d)
{
	const char *kind =
		again->kind == KIND_OBJECT ? node_get_text(again->root, "kind") : kind_name(again->kind);

	if (again->kind == KIND_MESH)
		diag_error(d, node_pos(again->root), "a source has one Mesh; the first is at %s",
			pos_text(node_pos(first->root), d->arena));
	else
		diag_error(d, name_pos(again), "the %s '%s' is here twice, first at %s", kind, again->name,
			pos_text(name_pos(first), d->arena));
}

static bool add_object(struct model *m, const struct document *doc, struct arena *a)
{
	const char *version = node_get_text(doc->root, "apiVersion");
	struct mesh_object *o = vec_push(a, &m->objects);

	o->api_version = version;
	o->group = arena_strndup(a, version, group_size(version));
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
		added->broken = doc->broken || !reader(doc, m, a, added, d);                                      \
		return !added->broken;                                                                            \
	} while (0)

static bool add_mesh(struct model *m, const struct document *doc, struct arena *a, struct diags *d)
{
	struct mesh *mesh = arena_new(a, struct mesh);

	mesh->name = doc->name;
	mesh->node = doc->root;
	if (doc->broken || !read_mesh(doc, m, a, mesh, d))
		return false;
	m->mesh = mesh;
	return true;
}

static bool add_document(struct model *m, const struct document *doc, struct arena *a, struct diags *d)
{
	switch (doc->kind) {
	case KIND_MESH:
		return add_mesh(m, doc, a, d);
	case KIND_NODE:
		ADD(&m->nodes, read_node);
	case KIND_SERVICE:
		ADD(&m->services, read_service);
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

/* Of several documents with one identity the first one counts. The Mesh comes first, for the others are checked
 * with it. */
static void add_documents(struct model *m, const struct config *config, struct arena *a, struct diags *d)
{
	const struct document **docs = sort_documents(config, a), *first = NULL;
	size_t n = config->documents.n;
	bool has_mesh = false;

	for (size_t i = 0; i < n; i++) {
		has_mesh |= docs[i]->kind == KIND_MESH;
		if (first && !identity_order(first, docs[i])) {
			duplicate(docs[i], first, d);
			/* Which of several Meshes counts is not known. */
			m->mesh = docs[i]->kind == KIND_MESH ? NULL : m->mesh;
		} else {
			first = docs[i];
			add_document(m, docs[i], a, d);
		}
	}
	if (!has_mesh && n && !config->unread.n)
		diag_failure(d, "the source has no Mesh document; `enmesh init` writes one");
}

const struct model *model_load(const struct config *config, struct arena *a, struct diags *d)
{
	struct model *m = arena_new(a, struct model);

	m->tree = config->tree;
	add_documents(m, config, a, d);
	references_resolve(m, config, a, d);
	if (m->mesh) {
		objects_check(m, d);
		writers_check(m, config, d);
	}
	if (place_all(m, config, a, d)) {
		conflict_check(m, a, d);
		management_check(m, a, d);
	}
	return d->errors ? NULL : m;
}
