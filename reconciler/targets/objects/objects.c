/* What the target's steps share, and the target itself. Pure but for remember(). */
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "targets/objects/settled.h"
#include "targets/objects/shape.h"
#include "targets/objects/state.h"

int object_compare(const struct object_id *a, const struct object_id *b)
{
	int order = strcmp(a->group, b->group);

	if (!order)
		order = strcmp(a->kind, b->kind);
	if (!order)
		order = strcmp(a->namespace, b->namespace);
	return order ? order : strcmp(a->name, b->name);
}

const char *object_address(const struct object_id *id, struct arena *a)
{
	return arena_printf(a, "objects/%s/%s/%s%s%s", *id->group ? id->group : "core", id->kind, id->namespace,
		*id->namespace ? "/" : "", id->name);
}

const char *object_title(const struct object_id *id, struct arena *a)
{
	return arena_printf(a, "%s %s%s%s", id->kind, id->namespace, *id->namespace ? "/" : "", id->name);
}

bool object_is(const struct object_id *id, const char *group, const char *kind)
{
	return !strcmp(id->group, group) && !strcmp(id->kind, kind);
}

bool object_holds_others(const struct object_id *id)
{
	return object_is(id, "", "Namespace") || object_is(id, "apiextensions.k8s.io", "CustomResourceDefinition");
}

struct object_id object_place(const struct object *o)
{
	return (struct object_id){ o->id.group, o->id.kind, o->namespace, o->id.name };
}

struct object_id set_parent_id(const struct applyset *set)
{
	return (struct object_id){ "", "ConfigMap", set->namespace, set->name };
}

static void record(const struct state *want, struct applied *out)
{
	vec_each (o, &want->objects) {
		const char *text = json_write(o->body, JSON_ONE_LINE, out->arena);

		applied_add(out, object_address(&o->id, out->arena), digest_of(text, strlen(text), out->arena));
	}
}

static void remember(struct host *h, const struct state *live, struct arena *a, struct diags *d)
{
	int r = settled_write(h->state_dir, clock_now(), live->settled, a);

	if (r)
		diag_warning(d, (struct pos){ 0 },
			"%s/objects-settled.json cannot be written: %s; the next pass asks the API server about "
			"every "
			"object",
			h->state_dir, strerror(-r));
}

static const struct node *describe(const struct state *want, struct arena *a)
{
	struct node *list = arena_new(a, struct node);

	list->type = NODE_LIST;
	vec_each (o, &want->objects)
		*node_add(a, list) = *shape_normal(o->body, o->api_version, o->id.kind, a);
	return list;
}

const struct target target_objects = {
	.name = "objects",
	.desire = objects_desire,
	.observe = objects_observe,
	.imagine = objects_imagine,
	.diff = objects_diff,
	.apply = objects_apply,
	.record = record,
	.remember = remember,
	.describe = describe,
};
