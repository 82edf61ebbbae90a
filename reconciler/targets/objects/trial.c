#include "targets/objects/trial.h"

#include <string.h>

#include "model/place.h"
#include "targets/objects/refusal.h"
#include "targets/objects/settled.h"
#include "targets/objects/shape.h"

const char *trial_query(bool dry_run, bool force)
{
	static const char *const queries[2][2] = {
		{ "?fieldManager=" FIELD_MANAGER "&fieldValidation=Strict",
			"?fieldManager=" FIELD_MANAGER "&fieldValidation=Strict&force=true" },
		{ "?fieldManager=" FIELD_MANAGER "&fieldValidation=Strict&dryRun=All",
			"?fieldManager=" FIELD_MANAGER "&fieldValidation=Strict&dryRun=All&force=true" },
	};

	return queries[dry_run][force];
}

static bool unreachable(struct trial *t)
{
	return diag_failure(t->diags, "the API server cannot be reached: %s", api_failure(t->api, t->arena));
}

/* ---- what comes with the same plan ---- */

bool trial_namespace_comes(const struct state *live, const char *name)
{
	vec_each (o, &live->objects)
		if (object_is(&o->id, "", "Namespace") && !strcmp(o->id.name, name))
			return o->body && o->fate != FATE_REFUSED;
	return false;
}

const struct object *trial_definition(const struct state *live, const char *group, const char *kind)
{
	vec_each (o, &live->objects) {
		const struct node *spec = node_get(o->body, "spec");
		const char *its_group = node_get_text(spec, "group");
		const char *its_kind = node_get_text(node_get(spec, "names"), "kind");

		if (object_is(&o->id, "apiextensions.k8s.io", "CustomResourceDefinition") && its_group &&
			its_kind && !strcmp(its_group, group) && !strcmp(its_kind, kind))
			return o;
	}
	return NULL;
}

/* ---- namespaces that are not there ---- */

/* A node that does not write the mesh's objects can't make a namespace that the source has; who does? */
static const char *writer_of(const struct state *live)
{
	if (!live->model)
		return NULL;
	vec_each (node, &live->model->nodes)
		if (selector_matches(&live->model->mesh->writers, node))
			return node->name;
	return NULL;
}

static const struct mesh_object *namespace_document(const struct state *live, const char *name)
{
	if (!live->model)
		return NULL;
	vec_each (o, &live->model->objects)
		if (!*o->group && !strcmp(o->kind, "Namespace") && !strcmp(o->name, name))
			return o;
	return NULL;
}

void trial_no_namespace(
	const struct state *live, const char *name, struct pos pos, const char *use, struct diags *d)
{
	const struct mesh_object *document = namespace_document(live, name);
	const char *writer = document ? writer_of(live) : NULL;

	if (writer)
		diag_error(d, pos,
			"the namespace '%s'%s does not exist yet: it is in the source (%s), and node '%s', which "
			"writes the mesh's "
			"objects, creates it",
			name, use, pos_text(node_pos(document->root), d->arena), writer);
	else
		diag_error(d, pos,
			"the namespace '%s'%s does not exist, and enmesh makes no namespaces of its own accord: "
			"create it, or add "
			"a Namespace document to the source",
			name, use);
}

static bool is_said(const struct trial *t, const char *namespace)
{
	vec_each (name, &t->missing.list)
		if (!strcmp(*name, namespace))
			return true;
	return false;
}

static void refuse_namespace(struct trial *t, struct object *o)
{
	o->fate = FATE_REFUSED;
	if (is_said(t, o->namespace))
		return;
	*vec_push(t->arena, &t->missing.list) = o->namespace;
	trial_no_namespace(
		t->live, o->namespace, node_pos(node_path(o->origin, "metadata", "name", NULL)), "", t->diags);
}

/* ---- one object ---- */

static void add_as_written(struct trial *t, struct object *o)
{
	o->fate = FATE_APPLY;
	o->after = shape_normal(o->body, o->api_version, o->id.kind, t->arena);
}

static bool same_version(const struct object *o, const struct resource *r)
{
	return r == o->resource || (!strcmp(r->version, o->resource->version));
}

/*
 * What is there now: from the list of members, or, if it is none of ours or was listed in another version, by a
 * request of its own. Leaves `before` NULL if there is nothing.
 */
static bool look_at(struct trial *t, struct object *o, const char **part_of)
{
	struct object_id id = object_place(o);
	const struct found *f = members_find(t->members, &id);
	const struct asked asked = { "get", o->resource, o->namespace, o->id.name };
	scoped(arena_finish) struct arena scratch = { 0 };
	struct api_answer answer;
	const char *uid, *version;

	*part_of = NULL;
	if (f && same_version(o, f->resource)) {
		o->before = f->object;
		return true;
	}
	if (!api_get(t->api, api_path(o->resource, o->namespace, o->id.name, &scratch), &scratch, &answer))
		return unreachable(t);
	if (answer.status == 404)
		return true;
	if (answer.status != 200) {
		o->fate = FATE_REFUSED;
		refusal_add(&answer, &asked, o, t->diags);
		return true;
	}
	/* What is asked now is not what was listed before: nothing is known of that. */
	version = shape_metadata(answer.body, "resourceVersion");
	if (f && (!version || strcmp(f->version, version) != 0))
		o->key = NULL;
	uid = shape_metadata(answer.body, "uid");
	o->uid = uid ? arena_strdup(t->arena, uid) : NULL;
	o->labelled = members_set_of(t->live, answer.body);
	o->before = shape_normal(answer.body, o->api_version, o->id.kind, t->arena);
	*part_of = shape_label(o->before, LABEL_PART_OF);
	return true;
}

/* An object of somebody else's ApplySet is not ours to change: they would change it back. */
static bool belongs_elsewhere(struct trial *t, struct object *o, const char *part_of)
{
	if (!part_of || o->labelled != SET_NONE || o->force)
		return false;
	o->fate = FATE_REFUSED;
	diag_error(t->diags, node_pos(node_path(o->origin, "metadata", "name", NULL)),
		"%s is a member of another ApplySet (%s); remove it there, or take it over with the annotation "
		"`" ANNOTATION_FORCE ": enabled`",
		object_title(&o->id, t->arena), part_of);
	return true;
}

/* Whether what need only be there is, as somebody else's: then it does not matter what it is like. */
static bool is_others(const struct object *o)
{
	return o->if_missing && o->before && o->labelled == SET_NONE;
}

static bool judge(struct trial *t, struct object *o, const struct api_answer *answer)
{
	const char *part_of = NULL;

	o->after = shape_normal(answer->body, o->api_version, o->id.kind, t->arena);
	/* 201: the dry run has made it, so it is not there. */
	if (answer->status == 200 && !look_at(t, o, &part_of))
		return false;
	if (o->fate == FATE_REFUSED)
		return true;
	if (is_others(o))
		o->fate = FATE_KEEP;
	else if (!o->before || !belongs_elsewhere(t, o, part_of))
		o->fate = o->before && node_equal(o->before, o->after) ? FATE_KEEP : FATE_APPLY;
	if (o->fate == FATE_KEEP && o->key)
		settled_add(t->live->settled, object_address(&o->id, t->arena), o->key, t->arena);
	return true;
}

/* The plan still shows what the object would be: the difference is there, whoever owns it. */
static bool show_conflict(struct trial *t, struct object *o, const char *path, struct arena *scratch)
{
	struct api_answer answer;
	const char *part_of;

	if (!api_apply(t->api, arena_printf(scratch, "%s%s", path, trial_query(true, true)), o->body, scratch,
		    &answer))
		return unreachable(t);
	if (answer.status == 200) {
		if (!look_at(t, o, &part_of))
			return false;
		o->after = shape_normal(answer.body, o->api_version, o->id.kind, t->arena);
		o->conflicts = o->before != NULL;
	}
	o->fate = FATE_REFUSED;
	return true;
}

static bool refuse(struct trial *t, struct object *o, const struct api_answer *answer, const char *path,
	struct arena *scratch)
{
	const struct asked asked = { "patch", o->resource, o->namespace, o->id.name };
	const char *missing = refusal_missing_namespace(answer), *part_of;

	if (missing && trial_namespace_comes(t->live, missing)) {
		add_as_written(t, o);
		return true;
	}
	if (missing) {
		refuse_namespace(t, o);
		return true;
	}
	if (o->if_missing && refusal_is_conflict(answer)) {
		o->fate = FATE_KEEP;
		return look_at(t, o, &part_of);
	}
	o->fate = FATE_REFUSED;
	refusal_add(answer, &asked, o, t->diags);
	return answer->status == 401         ? false
	       : refusal_is_conflict(answer) ? show_conflict(t, o, path, scratch)
					     : true;
}

/* Whether nothing has changed since the API server said that there is nothing to change. */
static bool is_settled(struct trial *t, struct object *o)
{
	const struct object_id id = object_place(o);
	const struct found *f = members_find(t->members, &id);
	const char *address = object_address(&o->id, t->arena);

	if (!f)
		return false;
	o->key = settled_key(t->live, o, f->digest, t->arena);
	if (!settled_holds(t->live->settled, address, o->key))
		return false;
	settled_add(t->live->settled, address, o->key, t->arena);
	return true;
}

bool trial_run(struct trial *t, struct object *o)
{
	const char *part_of;
	scoped(arena_finish) struct arena scratch = { 0 };
	struct api_answer answer;
	const char *path;

	if (!o->resource) {
		add_as_written(t, o);
		return true;
	}
	if (*o->namespace && is_said(t, o->namespace)) {
		refuse_namespace(t, o);
		return true;
	}
	if (is_settled(t, o))
		return true;
	if (o->if_missing && !o->key && !look_at(t, o, &part_of))
		return false;
	if (is_others(o) || o->fate == FATE_REFUSED)
		return true;
	path = api_path(o->resource, o->namespace, o->id.name, &scratch);
	if (!api_apply(t->api, arena_printf(&scratch, "%s%s", path, trial_query(true, o->force)), o->body,
		    &scratch, &answer))
		return unreachable(t);
	if (answer.status == 200 || answer.status == 201)
		return judge(t, o, &answer);
	return refuse(t, o, &answer, path, &scratch);
}
