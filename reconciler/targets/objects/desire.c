#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/str.h"
#include "targets/objects/inventory.h"
#include "targets/objects/shape.h"
#include "targets/objects/state.h"

#define ISTIO_GROUP "networking.istio.io"
#define ISTIO_VERSION ISTIO_GROUP "/v1"

enum { SUBDOMAIN_MAX = 253, LABEL_MAX = 63, NAME_DIGEST = 10 };

struct desiring {
	const struct site *site;
	struct state *state;
	struct arena *arena;
};

/* ---- sets ---- */

static size_t add_set(struct desiring *d, enum set_kind kind, const char *name)
{
	struct applyset *set = vec_push(d->arena, &d->state->sets);

	set->kind = kind;
	set->namespace = d->site->model->mesh->objects_namespace;
	set->name = name;
	set->id = inventory_set_id(set->namespace, name, d->arena);
	set->wanted = true;
	return d->state->sets.n - 1;
}

/* ---- names ---- */

static bool is_label(const char *s, size_t n)
{
	return n && n <= LABEL_MAX && s[0] != '-' && s[n - 1] != '-';
}

/* A DNS subdomain (RFC 1123): what the API server takes as a name. The characters are known to be right. */
static bool is_subdomain(const char *name)
{
	if (strlen(name) > SUBDOMAIN_MAX)
		return false;
	for (;; name++) {
		size_t n = strcspn(name, ".");

		if (!is_label(name, n))
			return false;
		name += n;
		if (!*name)
			return true;
	}
}

/*
 * "SERVICE.NODE". A service's name has no dot, so no two pairs make one name (as "a-b" on "c" and "a" on "b-c"
 * would with a hyphen). What is no name for the API server becomes one by a digest.
 */
static const char *workload_name(const char *service, const char *node, struct arena *a)
{
	char *name = arena_printf(a, "%s.%s", service, node);
	const char *digest;
	size_t n;

	if (is_subdomain(name))
		return name;
	digest = digest_of(name, strlen(name), a);
	n = strlen(name);
	if (n > LABEL_MAX - 1 - NAME_DIGEST)
		n = LABEL_MAX - 1 - NAME_DIGEST;
	for (char *c = name; *c; c++)
		if (*c == '.')
			*c = '-';
	while (n && name[n - 1] == '-')
		n--;
	return arena_printf(a, "%.*s-%.*s", (int)n, name, NAME_DIGEST, digest);
}

/* ---- objects ---- */

static struct object *add_object(
	struct desiring *d, size_t set, const struct object_id *id, const char *api_version)
{
	struct object *o = vec_push(d->arena, &d->state->objects);

	o->id = *id;
	o->api_version = api_version;
	o->set = set;
	return o;
}

static bool is_forced(const struct node *document)
{
	const char *force = shape_annotation(document, ANNOTATION_FORCE);

	return force && !strcmp(force, "enabled");
}

/* An object that enmesh makes itself, from a MeshService. `spec` may be NULL. */
static struct object *add_generated(struct desiring *d, size_t set, const struct object_id *id,
	const char *api_version, const struct node *spec, const struct mesh_service *service)
{
	struct object *o = add_object(d, set, id, api_version);
	struct node *body = arena_new(d->arena, struct node), *metadata;

	body->type = NODE_MAP;
	node_put_text(d->arena, body, "apiVersion", api_version);
	node_put_text(d->arena, body, "kind", id->kind);
	metadata = node_put_map(d->arena, body, "metadata");
	node_put_text(d->arena, metadata, "name", id->name);
	node_put_text(d->arena, metadata, "namespace", id->namespace);
	node_put_node(d->arena, body, "spec", spec);
	o->body = shape_with_label(body, LABEL_PART_OF, d->state->sets.items[set].id, d->arena);
	o->origin = service->node;
	o->generated = true;
	o->force = is_forced(service->node);
	return o;
}

/* What the selectors of ServiceEntries look for: the same label that Istio's own injection goes by. */
static const char *app_label(const struct mesh_service *s)
{
	vec_each (label, &s->labels.list)
		if (!strcmp(label->key, "app"))
			return label->value;
	return s->name;
}

static void add_workload_entry(struct desiring *d, size_t set, const struct mesh_service *s)
{
	struct arena *a = d->arena;
	const struct mesh_node *node = d->site->node;
	const struct object_id id = { ISTIO_GROUP, "WorkloadEntry", s->namespace,
		workload_name(s->name, node->name, a) };
	struct node spec = { .type = NODE_MAP }, *map;

	node_put_text(a, &spec, "address", node->addresses.list.items[0]);
	map = s->ports.n ? node_put_map(a, &spec, "ports") : NULL;
	vec_each (port, &s->ports)
		node_put_int(a, map, port->name, port->target);
	map = node_put_map(a, &spec, "labels");
	node_put_text(a, map, "app", app_label(s));
	vec_each (label, &s->labels.list)
		if (strcmp(label->key, "app"))
			node_put_text(a, map, label->key, label->value);
	node_put_text(a, &spec, "network", node->network);
	node_put_text(a, &spec, "locality", node->locality);
	node_put_text(a, &spec, "serviceAccount", s->service_account);
	add_generated(d, set, &id, ISTIO_VERSION, &spec, s);
}

static void put_service_ports(struct arena *a, struct node *spec, const struct mesh_service *s)
{
	struct node *list = node_put_list(a, spec, "ports");

	vec_each (port, &s->ports) {
		struct node *n = node_add_map(a, list);

		node_put_int(a, n, "number", port->port);
		node_put_text(a, n, "name", port->name);
		node_put_text(a, n, "protocol", port->protocol);
		node_put_int(a, n, "targetPort", port->target);
	}
}

static void put_texts(struct arena *a, struct node *spec, const char *key, const struct texts *texts)
{
	struct node *list = texts->list.n ? node_put_list(a, spec, key) : NULL;

	vec_each (text, &texts->list)
		node_add_text(a, list, *text);
}

/* A service without ports has nothing that clients could connect to. */
static void add_service_entry(struct desiring *d, size_t set, const struct mesh_service *s)
{
	const struct object_id id = { ISTIO_GROUP, "ServiceEntry", s->namespace, s->name };
	struct node spec = { .type = NODE_MAP }, *selector;
	struct arena *a = d->arena;

	if (!s->ports.n)
		return;
	put_texts(a, &spec, "hosts", &s->hosts);
	put_texts(a, &spec, "addresses", &s->addresses);
	put_service_ports(a, &spec, s);
	node_put_text(a, &spec, "location", "MESH_INTERNAL");
	node_put_text(a, &spec, "resolution", "STATIC");
	selector = node_put_map(a, &spec, "workloadSelector");
	node_put_text(a, node_put_map(a, selector, "labels"), "app", app_label(s));
	add_generated(d, set, &id, ISTIO_VERSION, &spec, s);
}

/*
 * One that is there already, as every namespace's `default` is, is used as it is: somebody else made it, and may
 * need it after us.
 */
static void add_service_account(struct desiring *d, size_t set, const struct mesh_service *s)
{
	const struct object_id id = { "", "ServiceAccount", s->namespace, s->service_account };

	add_generated(d, set, &id, "v1", NULL, s)->if_missing = true;
}

/* A document of the source. */
static void add_document(struct desiring *d, size_t set, const struct mesh_object *document)
{
	const struct object_id id = { document->group, document->kind,
		document->namespace ? document->namespace : "", document->name };
	const struct node *labels = node_path(document->root, "metadata", "labels", NULL);
	struct object *o = add_object(d, set, &id, document->api_version);

	o->origin = document->root;
	o->body = document->root;
	o->force = is_forced(document->root);
	if (labels && labels->type != NODE_MAP && labels->type != NODE_NULL)
		o->problem =
			arena_printf(d->arena, "metadata.labels: expected a map, found %s", node_kind(labels));
	else if (node_get(labels, LABEL_PART_OF))
		o->problem = "the label " LABEL_PART_OF " is enmesh's own; take it out";
	else
		o->body = shape_with_label(document->root, LABEL_PART_OF, d->state->sets.items[set].id, d->arena);
}

/* ---- documents instead of generated objects ---- */

/* A document of the source says better what somebody wants than what enmesh makes up. */
static bool is_written(const struct desiring *d, const struct object *o)
{
	return o->generated &&
	       model_find_object(d->site->model, o->id.group, o->id.kind, o->id.namespace, o->id.name);
}

static int by_id(const void *left, const void *right)
{
	const struct object *a = left, *b = right;
	int order = object_compare(&a->id, &b->id);

	/* One identity in two versions: the order of the documents. */
	return order ? order : strcmp(a->api_version, b->api_version);
}

/* Sorts, and takes out what a document replaces, and all but one of a service account that several services share.
 */
static void settle(struct desiring *d)
{
	struct object *items = d->state->objects.items;
	size_t kept = 0, n = d->state->objects.n;

	if (n)
		qsort(items, n, sizeof(*items), by_id);
	for (size_t i = 0; i < n; i++) {
		if (is_written(d, &items[i]))
			continue;
		if (kept && items[i].if_missing && !object_compare(&items[kept - 1].id, &items[i].id))
			continue;
		items[kept++] = items[i];
	}
	d->state->objects.n = kept;
}

static void desire_node(struct desiring *d)
{
	const char *name = arena_printf(d->arena, "enmesh-node-%s", d->site->node->name);
	size_t set = add_set(d, SET_NODE,
		is_subdomain(name) ? name : workload_name("enmesh-node", d->site->node->name, d->arena));

	vec_each (w, &d->site->workloads)
		add_workload_entry(d, set, w->service);
}

static void desire_mesh(struct desiring *d)
{
	const struct model *model = d->site->model;
	size_t set = add_set(d, SET_MESH, arena_printf(d->arena, "enmesh-mesh-%s", model->mesh->name));

	vec_each (s, &model->services) {
		add_service_account(d, set, s);
		add_service_entry(d, set, s);
	}
	vec_each (o, &model->objects)
		add_document(d, set, o);
}

const struct state *objects_desire(const struct site *site, struct arena *a)
{
	struct state *state = arena_new(a, struct state);
	struct desiring d = { site, state, a };

	state->cleanup = !site;
	if (!site)
		return state;
	state->model = site->model;
	state->prune = site->model->mesh->prune;
	state->writes_mesh = site->writes_mesh;
	state->servers = site->model->mesh->api_servers;
	state->ca = site->api_ca;
	if (!state->servers.list.n)
		return state;
	desire_node(&d);
	if (site->writes_mesh)
		desire_mesh(&d);
	settle(&d);
	return state;
}
