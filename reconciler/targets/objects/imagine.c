#include "targets/objects/prune.h"
#include "targets/objects/shape.h"
#include "targets/objects/state.h"

/* Without the label of its set, whose id is another one on each node. */
static const struct node *shape(const struct object *o, struct arena *a)
{
	const struct node *object = shape_normal(o->body, o->api_version, o->id.kind, a);
	const struct node *metadata = node_get(object, "metadata");
	struct node labels = node_without(a, node_get(metadata, "labels"), LABEL_PART_OF);
	struct node bare = node_without(a, metadata, "labels"), *out = arena_new(a, struct node);

	if (labels.n)
		node_put_node(a, &bare, "labels", &labels);
	*out = node_without(a, object, "metadata");
	node_put_node(a, out, "metadata", &bare);
	return out;
}

static const struct object *at(const struct state *s, size_t i)
{
	return i < s->objects.n ? &s->objects.items[i] : NULL;
}

static int order_of(const struct object *was, const struct object *want)
{
	if (!was || !want)
		return was ? -1 : 1;
	return object_compare(&was->id, &want->id);
}

static void add_wanted(struct state *live, const struct object *want, const struct object *was, struct arena *a)
{
	struct object *o = vec_push(a, &live->objects);

	*o = *want;
	o->after = shape(want, a);
	if (was) {
		o->uid = "imagined";
		o->before = shape(was, a);
	}
	if (want->problem)
		o->fate = FATE_REFUSED;
	else if (was && (want->if_missing || node_equal(o->before, o->after)))
		o->fate = FATE_KEEP;
	else
		o->fate = FATE_APPLY;
}

/* What belongs to the mesh is another node's, once this one no longer writes it. */
static bool is_own(const struct state *was, const struct object *o, const struct state *want)
{
	return want->writes_mesh || was->sets.items[o->set].kind != SET_MESH;
}

/* `prune`: what is no longer wanted may go. */
static void add_orphan(struct state *live, const struct object *was, bool prune, struct arena *a)
{
	struct object *o = vec_push(a, &live->objects);

	*o = *was;
	o->body = NULL;
	o->before = shape(was, a);
	o->fate = prune && !prune_obstacle(o, false) ? FATE_PRUNE : FATE_KEEP;
}

/* As prune_decide has it: what can't be applied may be what takes an orphan's place. */
static bool may_prune(const struct state *want)
{
	vec_each (o, &want->objects)
		if (o->problem)
			return false;
	return want->prune;
}

/* Without its sets: their parents follow their members. Objects are in the order of ids. */
const struct state *objects_imagine(const struct state *was, const struct state *want, struct arena *a)
{
	struct state *live = arena_new(a, struct state);
	bool prune = may_prune(want);
	size_t i = 0, j = 0;

	while (at(was, i) || at(want, j)) {
		int order = order_of(at(was, i), at(want, j));

		if (order < 0)
			add_orphan(live, at(was, i), prune && is_own(was, at(was, i), want), a);
		else
			add_wanted(live, at(want, j), order ? NULL : at(was, i), a);
		i += order <= 0;
		j += order >= 0;
	}
	return live;
}
