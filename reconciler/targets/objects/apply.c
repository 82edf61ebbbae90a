#include <string.h>

#include "targets/objects/api.h"
#include "targets/objects/inventory.h"
#include "targets/objects/kinds.h"
#include "targets/objects/record.h"
#include "targets/objects/refusal.h"
#include "targets/objects/settled.h"
#include "targets/objects/shape.h"
#include "targets/objects/state.h"
#include "targets/objects/trial.h"

enum { POLL_FIRST_MS = 20, POLL_MAX_MS = 500 };

/* What became of an object of the live state, or of a set. */
struct outcome {
	const char *uid;
	size_t labelled;
	bool gone;
};

struct applying {
	struct host *host;
	const struct state *want, *live;
	struct outcome *objects;     /* one for each of the live state */
	struct applyset *sets;       /* likewise; as they are now */
	bool *dissolved, *unwritten; /* likewise */
	struct api *api;
	struct kinds kinds;
	struct texts lost; /* namespaces that could not be made */
	bool parents_written;
	bool failed;
	struct change *changes;
	size_t n;
	struct arena *arena;
	struct diags *diags;
};

static bool unreachable(struct applying *x)
{
	return diag_failure(x->diags, "the API server cannot be reached: %s", api_failure(x->api, x->arena));
}

static const struct todo *todo_of(const struct change *c)
{
	return c->data;
}

/* ---- the record ---- */

static bool write_record(struct applying *x)
{
	struct record record = { .servers = x->live->servers, .ca = x->live->ca };
	int r;

	if (!x->want->sets.n)
		return true;
	for (size_t i = 0; i < x->live->sets.n; i++)
		if (!x->dissolved[i])
			*vec_push(x->arena, &record.sets) = x->live->sets.items[i];
	r = record_write(x->host->state_dir, &record, x->arena);
	return !r || diag_failure(x->diags, "%s/objects.json: %s", x->host->state_dir, strerror(-r));
}

/* ---- parents ---- */

static const struct resource configmaps = { "", "v1", "ConfigMap", "configmaps", true };

static bool write_parent(struct applying *x, size_t index, const struct inventory *inventory)
{
	struct applyset *set = &x->sets[index];
	const struct asked asked = { "patch", &configmaps, set->namespace, set->name };
	const struct node *body = inventory_parent(set, inventory, x->arena);
	const char *path = api_path(&configmaps, set->namespace, set->name, x->arena), *missing;
	struct api_answer answer;

	if (set->exists && inventory_agrees(set, inventory, x->arena))
		return true;
	if (!api_apply(x->api, arena_printf(x->arena, "%s%s", path, trial_query(false, true)), body, x->arena,
		    &answer))
		return unreachable(x);
	missing = refusal_missing_namespace(&answer);
	if (missing) {
		trial_no_namespace(x->live, missing, (struct pos){ 0 },
			" for enmesh's inventories (Mesh.spec.objects.namespace)", x->diags);
		return false;
	}
	if (answer.status != 200 && answer.status != 201)
		return refusal_add(&answer, &asked, NULL, x->diags);
	set->exists = true;
	set->uid = shape_metadata(answer.body, "uid");
	set->parent = answer.body;
	set->inventory = *inventory;
	return true;
}

/* Members as they are, and those that are about to be made. */
static void coming_members(struct applying *x, size_t index, struct inventory *out)
{
	inventory_now(x->live, index, x->arena, out);
	vec_each (o, &x->live->objects) {
		struct member *m;

		if (o->fate != FATE_APPLY || o->set != index || o->labelled == index)
			continue;
		m = vec_push(x->arena, &out->members);
		m->id = object_place(o);
		m->uid = o->uid;
	}
	inventory_sort(out);
}

static bool is_changed(const struct applying *x, size_t index)
{
	for (size_t i = 0; i < x->n; i++) {
		const struct todo *todo = todo_of(&x->changes[i]);

		if (todo->kind == TODO_PARENT
				? todo->index == index
				: todo->kind == TODO_OBJECT &&
					  (x->live->objects.items[todo->index].set == index ||
						  x->live->objects.items[todo->index].labelled == index))
			return true;
	}
	return false;
}

/*
 * Before members are added, the parent says that they are coming: after a crash in between, the next pass knows
 * them for ours, and other tools look where they are.
 */
static bool write_parents(struct applying *x)
{
	bool ok = true;

	if (x->parents_written)
		return true;
	x->parents_written = true;
	for (size_t i = 0; i < x->live->sets.n; i++) {
		struct inventory inventory = { 0 };

		if (!x->sets[i].wanted || !is_changed(x, i))
			continue;
		coming_members(x, i, &inventory);
		x->unwritten[i] = inventory.members.n && !write_parent(x, i, &inventory);
		ok &= !x->unwritten[i];
	}
	return ok;
}

/* What the members are after all that was done. */
static void final_members(struct applying *x, size_t index, struct inventory *out)
{
	for (size_t i = 0; i < x->live->objects.n; i++) {
		const struct object *o = &x->live->objects.items[i];
		const struct outcome *outcome = &x->objects[i];
		struct member *m;

		if (outcome->labelled != index || outcome->gone || !outcome->uid)
			continue;
		m = vec_push(x->arena, &out->members);
		m->id = object_place(o);
		m->uid = outcome->uid;
	}
	inventory_sort(out);
}

static void settle_parents(struct applying *x)
{
	for (size_t i = 0; i < x->live->sets.n; i++) {
		struct inventory inventory = { 0 };

		if (!x->sets[i].wanted || !x->sets[i].exists || x->dissolved[i] || !is_changed(x, i))
			continue;
		final_members(x, i, &inventory);
		if (!write_parent(x, i, &inventory))
			x->failed = true;
	}
}

static bool remove_object(struct applying *x, const struct resource *r, const struct object_id *id,
	const char *uid, const char *title, bool *others)
{
	const struct asked asked = { "delete", r, id->namespace, id->name };
	struct node body = { .type = NODE_MAP };
	struct api_answer answer;

	node_put_text(x->arena, &body, "apiVersion", "v1");
	node_put_text(x->arena, &body, "kind", "DeleteOptions");
	node_put_text(x->arena, node_put_map(x->arena, &body, "preconditions"), "uid", uid);
	node_put_text(x->arena, &body, "propagationPolicy", "Background");
	*others = false;
	if (!api_delete(x->api, api_path(r, id->namespace, id->name, x->arena), &body, x->arena, &answer))
		return unreachable(x);
	if (answer.status == 200 || answer.status == 202 || answer.status == 404)
		return true;
	/* Somebody deleted it and made it anew since we looked: that one is theirs. */
	*others = answer.status == 409;
	if (!*others)
		return refusal_add(&answer, &asked, NULL, x->diags);
	diag_warning(x->diags, (struct pos){ 0 }, "%s was made anew by somebody else meanwhile; it is left alone",
		title);
	return true;
}

static enum result apply_parent(struct applying *x, const struct change *c)
{
	size_t index = todo_of(c)->index;
	struct applyset *set = &x->sets[index];
	const struct object_id id = set_parent_id(set);
	bool others;

	if (c->action != ACTION_REMOVE)
		return x->unwritten[index] ? RESULT_FAILED : RESULT_DONE; /* write_parents has done it */
	if (x->failed) /* what could not be done may still need the list */
		return RESULT_SKIPPED;
	if (!remove_object(x, &configmaps, &id, set->uid, object_title(&id, x->arena), &others))
		return RESULT_FAILED;
	x->dissolved[index] = true;
	return RESULT_DONE;
}

/* ---- objects ---- */

static const char *version_of(const char *api_version)
{
	const char *slash = strchr(api_version, '/');

	return slash ? slash + 1 : api_version;
}

/* What keeps a definition from being established, in the API server's words. */
static const char *definition_problem(struct applying *x, const struct object *definition)
{
	struct api_answer answer;

	if (!definition || !definition->resource ||
		!api_get(x->api, api_path(definition->resource, "", definition->id.name, x->arena), x->arena,
			&answer))
		return "";
	node_each (it, node_path(answer.body, "status", "conditions", NULL)) {
		const char *status = node_get_text(it, "status"), *message = node_get_text(it, "message");

		if (status && !strcmp(status, "False") && message)
			return arena_printf(x->arena, ": %s", message);
	}
	return "";
}

/* Waits for a kind whose definition this plan has applied. NULL: it did not come in time, and an error was added.
 */
static const struct resource *await_kind(struct applying *x, const struct object *o)
{
	const struct object *definition = trial_definition(x->live, o->id.group, o->id.kind);
	const struct asked asked = { "get", NULL, "", NULL };
	const struct resource *found;

	for (long long pause = POLL_FIRST_MS;; pause = pause < POLL_MAX_MS ? pause * 2 : POLL_MAX_MS) {
		struct api_answer answer = { 0 };

		switch (kinds_find(
			&x->kinds, o->id.group, version_of(o->api_version), o->id.kind, &found, &answer)) {
		case KINDS_FOUND:
			return found;
		case KINDS_FAILED:
			if (answer.status)
				refusal_add(&answer, &asked, NULL, x->diags);
			else
				unreachable(x);
			return NULL;
		case KINDS_UNKNOWN:
			break;
		}
		kinds_forget(&x->kinds, o->id.group, version_of(o->api_version));
		if (!api_wait(x->api, pause))
			break;
	}
	diag_error(x->diags, node_pos(node_path(o->origin, "metadata", "name", NULL)),
		"%s: its kind is still not served by the API server%s", object_title(&o->id, x->arena),
		definition_problem(x, definition));
	return NULL;
}

/* A kind that was made a moment ago is not found by every part of the API server at once. */
static bool apply_when_served(struct applying *x, const struct object *o, const char *path, struct arena *scratch,
	struct api_answer *answer)
{
	for (long long pause = POLL_FIRST_MS;; pause = pause < POLL_MAX_MS ? pause * 2 : POLL_MAX_MS) {
		if (!api_apply(x->api, path, o->body, scratch, answer))
			return unreachable(x);
		if (o->resource || answer->status != 404 || answer->body || !api_wait(x->api, pause))
			return true;
	}
}

static bool is_lost(const struct applying *x, const struct object *o)
{
	vec_each (namespace, &x->lost.list)
		if (!strcmp(*namespace, o->namespace))
			return true;
	return false;
}

static bool put_object(struct applying *x, const struct object *o, struct outcome *outcome)
{
	const struct resource *r = o->resource ? o->resource : await_kind(x, o);
	const struct asked asked = { "patch", r, o->namespace, o->id.name };
	scoped(arena_finish) struct arena scratch = { 0 };
	struct api_answer answer;
	const char *path, *uid;

	if (!r)
		return false;
	path = arena_printf(
		&scratch, "%s%s", api_path(r, o->namespace, o->id.name, &scratch), trial_query(false, o->force));
	if (!apply_when_served(x, o, path, &scratch, &answer))
		return false;
	if (answer.status != 200 && answer.status != 201)
		return refusal_add(&answer, &asked, o, x->diags);
	uid = shape_metadata(answer.body, "uid");
	outcome->uid = uid ? arena_strdup(x->arena, uid) : NULL;
	outcome->labelled = o->set;
	settled_add(x->live->settled, object_address(&o->id, x->arena),
		settled_key(x->live, o, shape_digest(answer.body, o->api_version, x->arena), x->arena), x->arena);
	return true;
}

static enum result apply_object(struct applying *x, const struct change *c)
{
	size_t index = todo_of(c)->index;
	const struct object *o = &x->live->objects.items[index];
	bool others;

	if (o->fate == FATE_REFUSED) /* observe has said why */
		return RESULT_FAILED;
	if (o->fate == FATE_PRUNE) {
		if (x->failed) /* the new one may have failed for which the old one makes room */
			return RESULT_SKIPPED;
		if (!remove_object(x, o->resource, &o->id, o->uid, object_title(&o->id, x->arena), &others))
			return RESULT_FAILED;
		x->objects[index].gone = true;
		return others ? RESULT_SKIPPED : RESULT_DONE;
	}
	if (is_lost(x, o) || !x->sets[o->set].exists) {
		if (!object_is(&o->id, "", "Namespace"))
			return RESULT_SKIPPED;
	}
	if (put_object(x, o, &x->objects[index]))
		return RESULT_DONE;
	if (object_is(&o->id, "", "Namespace"))
		*vec_push(x->arena, &x->lost.list) = o->id.name;
	return RESULT_FAILED;
}

/* ---- all of it ---- */

static enum result apply_record(struct applying *x)
{
	int r;

	if (x->failed)
		return RESULT_SKIPPED;
	r = record_remove(x->host->state_dir);
	if (!r)
		return RESULT_DONE;
	diag_failure(x->diags, "%s/objects.json: %s", x->host->state_dir, strerror(-r));
	return RESULT_FAILED;
}

static enum result apply_one(struct applying *x, const struct change *c)
{
	switch (todo_of(c)->kind) {
	case TODO_OBJECT:
		return apply_object(x, c);
	case TODO_PARENT:
		return apply_parent(x, c);
	case TODO_RECORD:
		return apply_record(x);
	}
	return RESULT_FAILED;
}

static bool is_namespace(const struct applying *x, const struct change *c)
{
	const struct todo *todo = todo_of(c);

	return todo->kind == TODO_OBJECT && object_is(&x->live->objects.items[todo->index].id, "", "Namespace");
}

static void apply_all(struct applying *x)
{
	for (size_t i = 0; i < x->n; i++) {
		struct change *c = &x->changes[i];

		if (api_is_down(x->api) || (x->host->stopped && x->host->stopped())) {
			c->result = RESULT_SKIPPED;
			x->failed = true;
			continue;
		}
		if (x->host->progress)
			x->host->progress(x->host->context, c);
		if (!is_namespace(x, c) && !write_parents(x))
			x->failed = true;
		c->result = api_is_down(x->api) ? RESULT_SKIPPED : apply_one(x, c);
		if (c->result == RESULT_FAILED)
			x->failed = true;
		if (x->host->progress)
			x->host->progress(x->host->context, c);
	}
	if (!api_is_down(x->api))
		settle_parents(x);
}

static void start(struct applying *x)
{
	const struct state *live = x->live;

	x->objects = arena_alloc(x->arena, live->objects.n * sizeof(*x->objects) + 1);
	x->sets = arena_alloc(x->arena, live->sets.n * sizeof(*x->sets) + 1);
	x->dissolved = arena_alloc(x->arena, live->sets.n + 1);
	x->unwritten = arena_alloc(x->arena, live->sets.n + 1);
	for (size_t i = 0; i < live->objects.n; i++)
		x->objects[i] =
			(struct outcome){ live->objects.items[i].uid, live->objects.items[i].labelled, false };
	for (size_t i = 0; i < live->sets.n; i++)
		x->sets[i] = live->sets.items[i];
	x->kinds = (struct kinds){ .api = x->api, .arena = x->arena };
}

bool objects_apply(struct host *h, struct change *changes, size_t n, struct arena *a, struct diags *d)
{
	scoped(api_close) struct api *api = NULL;
	struct applying x = { .host = h, .changes = changes, .n = n, .arena = a, .diags = d };

	if (!n)
		return true;
	x.want = todo_of(&changes[0])->want;
	x.live = todo_of(&changes[0])->live;
	for (size_t i = 0; i < n; i++)
		changes[i].result = RESULT_SKIPPED;
	if (!api_open(h, &x.live->servers, &x.live->ca, a, &api, d))
		return false;
	x.api = api;
	start(&x);
	if (!write_record(&x))
		return false;
	apply_all(&x);
	if (!write_record(&x))
		return false;
	return !x.failed;
}
