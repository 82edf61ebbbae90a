#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "targets/objects/api.h"
#include "targets/objects/inventory.h"
#include "targets/objects/kinds.h"
#include "targets/objects/members.h"
#include "targets/objects/prune.h"
#include "targets/objects/record.h"
#include "targets/objects/refusal.h"
#include "targets/objects/settled.h"
#include "targets/objects/shape.h"
#include "targets/objects/state.h"
#include "targets/objects/trial.h"

struct observing {
	struct host *host;
	const struct state *want;
	struct state *live;
	struct api *api;
	struct kinds kinds;
	struct members members;
	struct texts unknown; /* kinds of which it was said that the API server lacks them */
	struct arena *arena;
	struct diags *diags;
};

static bool unreachable(struct observing *o)
{
	return diag_failure(o->diags, "the API server cannot be reached: %s", api_failure(o->api, o->arena));
}

/* ---- what was written before ---- */

static bool same_set(const struct applyset *a, const struct applyset *b)
{
	return !strcmp(a->namespace, b->namespace) && !strcmp(a->name, b->name);
}

static bool is_wanted(const struct state *want, const struct applyset *set)
{
	vec_each (it, &want->sets)
		if (same_set(it, set))
			return true;
	return false;
}

/* A set that this node wrote once, and that is to be dissolved. What belongs to the mesh is another node's now. */
static void add_former(struct observing *o, const struct applyset *set)
{
	if (is_wanted(o->want, set))
		return;
	if (set->kind == SET_MESH && o->want->cleanup && !o->host->cleanup_mesh) {
		diag_warning(o->diags, (struct pos){ 0 },
			"the objects of the whole mesh stay (their list is ConfigMap %s/%s); --mesh-objects "
			"removes them "
			"too",
			set->namespace, set->name);
		return;
	}
	if (set->kind == SET_MESH && !o->want->cleanup && !o->want->writes_mesh)
		return;
	*vec_push(o->arena, &o->live->sets) = *set;
}

static bool read_record(struct observing *o)
{
	struct record record;
	int r = record_read(o->host->state_dir, o->arena, &record);

	if (r && (o->want->cleanup || r != -EBADMSG))
		return diag_failure(o->diags, "%s/objects.json: %s", o->host->state_dir,
			r == -EBADMSG ? "the file is damaged; without it, enmesh does not know what to remove"
				      : strerror(-r));
	o->live->remembered = record.exists;
	o->live->sets.n = 0;
	vec_each (set, &o->want->sets)
		*vec_push(o->arena, &o->live->sets) = *set;
	if (r)
		return true;
	if (!o->live->servers.list.n) {
		o->live->servers = record.servers;
		o->live->ca = record.ca;
	}
	vec_each (set, &record.sets)
		add_former(o, set);
	return true;
}

/* ---- parents ---- */

static const struct resource configmaps = { "", "v1", "ConfigMap", "configmaps", true };

/* The parent would be made: can it be? */
static bool try_parent(struct observing *o, const struct applyset *set)
{
	const struct asked asked = { "patch", &configmaps, set->namespace, set->name };
	const struct node *body = inventory_parent(set, &set->inventory, o->arena);
	const char *path = api_path(&configmaps, set->namespace, set->name, o->arena), *missing;
	struct api_answer answer;

	if (!api_apply(o->api, arena_printf(o->arena, "%s%s", path, trial_query(true, true)), body, o->arena,
		    &answer))
		return unreachable(o);
	if (answer.status == 200 || answer.status == 201)
		return true;
	missing = refusal_missing_namespace(&answer);
	if (missing && trial_namespace_comes(o->live, missing))
		return true;
	if (!missing)
		return refusal_add(&answer, &asked, NULL, o->diags);
	trial_no_namespace(o->live, missing,
		node_pos(node_path(o->live->model->mesh->node, "spec", "objects", "namespace", NULL)),
		" for enmesh's inventories (Mesh.spec.objects.namespace)", o->diags);
	return false;
}

static bool has_objects(const struct state *live, size_t set)
{
	vec_each (it, &live->objects)
		if (it->set == set)
			return true;
	return false;
}

static bool read_parent(struct observing *o, struct applyset *set)
{
	const struct asked asked = { "get", &configmaps, set->namespace, set->name };
	struct api_answer answer;

	if (!api_get(o->api, api_path(&configmaps, set->namespace, set->name, o->arena), o->arena, &answer))
		return unreachable(o);
	if (answer.status == 404)
		return !has_objects(o->live, (size_t)(set - o->live->sets.items)) || try_parent(o, set);
	if (answer.status != 200)
		return refusal_add(&answer, &asked, NULL, o->diags);
	if (inventory_foreign_tool(answer.body))
		return diag_failure(o->diags,
			"ConfigMap %s/%s belongs to another tool, %s; enmesh needs that name for its list",
			set->namespace, set->name, inventory_foreign_tool(answer.body));
	set->uid = shape_metadata(answer.body, "uid");
	if (!set->uid)
		return diag_failure(o->diags, "ConfigMap %s/%s: the API server's answer has no uid",
			set->namespace, set->name);
	set->exists = true;
	set->parent = answer.body;
	inventory_read(answer.body, o->arena, &set->inventory);
	return true;
}

/* ---- kinds and names ---- */

static struct pos name_pos(const struct object *o)
{
	return node_pos(node_path(o->origin, "metadata", "name", NULL));
}

static void refuse(struct observing *o, struct object *object, struct pos pos, const char *why)
{
	object->fate = FATE_REFUSED;
	diag_error(o->diags, pos, "%s: %s", object_title(&object->id, o->arena), why);
}

static void refuse_kind(struct observing *o, struct object *object)
{
	const char *said = arena_printf(o->arena, "%s %s", object->api_version, object->id.kind);

	object->fate = FATE_REFUSED;
	vec_each (it, &o->unknown.list)
		if (!strcmp(*it, said))
			return;
	*vec_push(o->arena, &o->unknown.list) = said;
	diag_error(o->diags, name_pos(object),
		"%s: the API server has no kind %s in %s; install its definition%s, or add that to the source",
		object_title(&object->id, o->arena), object->id.kind, object->api_version,
		strstr(object->id.group, "istio.io") ? " (Istio's CRDs)" : "");
}

static const char *version_of(const char *api_version)
{
	const char *slash = strchr(api_version, '/');

	return slash ? slash + 1 : api_version;
}

/* The kind is made by the same plan: its definition says whether it has namespaces. */
static bool comes_later(struct observing *o, struct object *object)
{
	const struct object *definition = trial_definition(o->live, object->id.group, object->id.kind);
	const char *scope = definition ? node_get_text(node_get(definition->body, "spec"), "scope") : NULL;

	if (!definition || definition->fate == FATE_REFUSED)
		return false;
	if (scope && !strcmp(scope, "Namespaced") && !*object->namespace)
		object->namespace = "default";
	return true;
}

/* What only the API server's kinds show: whether an object is in a namespace, and in which. */
static void settle_namespace(struct observing *o, struct object *object)
{
	if (object->resource->namespaced && !*object->namespace)
		object->namespace = "default";
	if (object->resource->namespaced || !*object->namespace)
		return;
	object->namespace = "";
	refuse(o, object, node_key_pos(node_path(object->origin, "metadata", "namespace", NULL)),
		"this kind is in no namespace; take metadata.namespace out");
}

/*
 * False: the API server failed to say, and an error was added. An object that is refused here still has its place:
 * it is wanted, and must not be taken for an orphan.
 */
static bool resolve(struct observing *o, struct object *object)
{
	const struct asked asked = { "get", NULL, "", NULL };
	struct api_answer answer = { 0 };

	object->namespace = object->id.namespace;
	if (!api_is_segment(object->id.name) || (*object->namespace && !api_is_segment(object->namespace))) {
		refuse(o, object, name_pos(object), "this is no name for an object");
		return true;
	}
	switch (kinds_find(&o->kinds, object->id.group, version_of(object->api_version), object->id.kind,
		&object->resource, &answer)) {
	case KINDS_FOUND:
		settle_namespace(o, object);
		break;
	case KINDS_UNKNOWN:
		if (!comes_later(o, object))
			refuse_kind(o, object);
		break;
	case KINDS_FAILED:
		return answer.status ? refusal_add(&answer, &asked, NULL, o->diags) : unreachable(o);
	}
	if (object->problem && object->fate != FATE_REFUSED)
		refuse(o, object, name_pos(object), object->problem);
	return true;
}

/* Definitions first: whether one can be applied decides about its kind's objects. */
static bool resolve_all(struct observing *o)
{
	for (int pass = 0; pass < 2; pass++)
		vec_each (it, &o->live->objects)
			if (object_holds_others(&it->id) == (pass == 0) && !resolve(o, it))
				return false;
	return true;
}

/* ---- one object, two documents ---- */

static int by_place(const void *left, const void *right)
{
	const struct object *a = *(struct object *const *)left, *b = *(struct object *const *)right;
	const struct object_id x = object_place(a), y = object_place(b);
	int order = object_compare(&x, &y);

	return order ? order : (a > b) - (a < b);
}

/* The same in two versions, or with and without the default namespace: only the API server's kinds show that. */
static void check_twice(struct observing *o)
{
	size_t n = o->live->objects.n;
	struct object **order = arena_alloc(o->arena, n * sizeof(struct object *) + 1);

	for (size_t i = 0; i < n; i++)
		order[i] = &o->live->objects.items[i];
	qsort(order, n, sizeof(struct object *), by_place);
	for (size_t i = 1; i < n; i++) {
		struct object *a = order[i - 1], *b = order[i];
		const struct object_id x = object_place(a), y = object_place(b);

		if (object_compare(&x, &y))
			continue;
		refuse(o, b, name_pos(b),
			arena_printf(o->arena, "it is here twice, first at %s", pos_text(name_pos(a), o->arena)));
		a->fate = FATE_REFUSED;
	}
}

/* ---- members ---- */

struct searched {
	const struct resource *resource;
	struct texts namespaces;
};

struct search {
	vec_of(struct searched) kinds;
};

static void search_for(struct observing *o, struct search *s, const struct resource *r, const char *namespace)
{
	struct searched *at = NULL;

	vec_each (it, &s->kinds)
		if (!strcmp(it->resource->group, r->group) && !strcmp(it->resource->kind, r->kind))
			at = it;
	if (!at) {
		at = vec_push(o->arena, &s->kinds);
		*at = (struct searched){ .resource = r };
	}
	vec_each (it, &at->namespaces.list)
		if (!strcmp(*it, namespace))
			return;
	*vec_push(o->arena, &at->namespaces.list) = namespace;
}

/* A kind that the API server no longer has took its objects along. */
static bool search_inventory(struct observing *o, struct search *s, const struct inventory *inventory)
{
	const struct asked asked = { "get", NULL, "", NULL };

	vec_each (m, &inventory->members) {
		struct api_answer answer = { 0 };
		const struct resource *r;
		enum kinds_result result = kinds_find_any(&o->kinds, m->id.group, m->id.kind, &r, &answer);

		if (result == KINDS_FAILED)
			return answer.status ? refusal_add(&answer, &asked, NULL, o->diags) : unreachable(o);
		if (result == KINDS_FOUND)
			search_for(o, s, r, m->id.namespace);
	}
	return true;
}

static bool find_members(struct observing *o)
{
	struct search search = { 0 };
	bool ok = true;

	vec_each (it, &o->live->objects)
		if (it->resource)
			search_for(o, &search, it->resource, it->namespace);
	vec_each (set, &o->live->sets)
		if (!search_inventory(o, &search, &set->inventory))
			return false;
	vec_each (it, &search.kinds) {
		ok &= members_list(
			o->api, it->resource, &it->namespaces, o->live, o->arena, &o->members, o->diags);
		if (api_is_down(o->api))
			return false;
	}
	members_sort(&o->members);
	vec_each (it, &o->live->objects) {
		const struct object_id id = object_place(it);
		struct found *f = members_find(&o->members, &id);

		if (!f)
			continue;
		f->wanted = true;
		it->uid = f->uid;
		it->labelled = f->set;
	}
	return ok;
}

/* ---- orphans ---- */

/* Two marks make an object ours: the label, and its uid (or that it was about to be made, and our manager's mark).
 */
static bool is_ours(const struct applyset *set, const struct found *f)
{
	const struct member *m = inventory_find(&set->inventory, &f->id);

	if (!m)
		return false;
	return m->uid ? !strcmp(m->uid, f->uid) : f->by_us;
}

static void add_orphan(struct observing *o, const struct found *f)
{
	struct object *orphan = vec_push(o->arena, &o->live->objects);
	const char *obstacle;

	orphan->id = f->id;
	orphan->api_version = node_get_text(f->object, "apiVersion");
	orphan->set = orphan->labelled = f->set;
	orphan->resource = f->resource;
	orphan->namespace = f->id.namespace;
	orphan->uid = f->uid;
	orphan->before = f->object;
	obstacle = prune_obstacle(orphan, f->owned);
	orphan->fate = obstacle ? FATE_KEEP : FATE_PRUNE;
	if (obstacle)
		diag_warning(o->diags, (struct pos){ 0 }, "%s is no longer wanted, and stays: %s",
			object_title(&f->id, o->arena), obstacle);
}

static void find_orphans(struct observing *o)
{
	vec_each (f, &o->members.list) {
		const struct applyset *set = &o->live->sets.items[f->set];

		if (f->wanted || f->going)
			continue;
		if (is_ours(set, f))
			add_orphan(o, f);
		else
			diag_warning(o->diags, (struct pos){ 0 },
				"%s has the label of %s, but enmesh did not make it; it is left alone",
				object_title(&f->id, o->arena), set->name);
	}
}

/* ---- all of it ---- */

static bool try_all(struct observing *o)
{
	struct trial trial = {
		.api = o->api, .live = o->live, .members = &o->members, .arena = o->arena, .diags = o->diags
	};

	/* Whether a namespace or definition can be applied decides about what is in it. */
	for (int pass = 0; pass < 2; pass++)
		vec_each (it, &o->live->objects)
			if (it->fate != FATE_REFUSED && object_holds_others(&it->id) == (pass == 0) &&
				!trial_run(&trial, it))
				return false;
	return true;
}

static bool look(struct observing *o)
{
	const struct prune_policy policy = {
		.allowed = !o->host->no_prune && (o->want->cleanup || o->want->prune),
		.mass = o->want->cleanup || o->host->prune_all,
	};

	if (!api_open(o->host, &o->live->servers, &o->live->ca, o->arena, &o->api, o->diags))
		return false;
	o->kinds = (struct kinds){ .api = o->api, .arena = o->arena };
	settled_read(o->host->state_dir, clock_now(), o->arena, o->live->settled);
	vec_each (set, &o->live->sets)
		if (!read_parent(o, set))
			return false;
	if (!resolve_all(o))
		return false;
	check_twice(o);
	if (!find_members(o) || !try_all(o))
		return false;
	find_orphans(o);
	prune_decide(o->live, &policy, o->diags);
	return true;
}

const struct state *objects_observe(struct host *h, const struct state *want, struct arena *a, struct diags *d)
{
	struct state *live = arena_new(a, struct state);
	struct observing o = { .host = h, .want = want, .live = live, .arena = a, .diags = d };
	bool ok;

	*live = *want;
	live->settled = arena_new(a, struct settled);
	live->objects.n = live->objects.cap = 0;
	live->sets.items = NULL;
	live->sets.cap = 0;
	vec_each (it, &want->objects) {
		struct object *copy = vec_push(a, &live->objects);

		*copy = *it;
		copy->labelled = SET_NONE;
	}
	if (!read_record(&o))
		return NULL;
	if (want->cleanup && h->no_prune && live->sets.n) {
		diag_warning(d, (struct pos){ 0 },
			"this node's objects stay, for nothing is to be deleted from the API server");
		live->sets.n = 0;
		live->remembered = false;
	}
	if (!live->sets.n)
		return live;
	ok = look(&o);
	api_close(&o.api);
	return ok ? live : NULL;
}
