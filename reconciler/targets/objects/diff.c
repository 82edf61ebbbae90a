#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "targets/objects/inventory.h"
#include "targets/objects/state.h"

/* Namespaces come first, for parents live in them; parents before their members, definitions before their kinds.
 */
enum rank {
	RANK_NAMESPACE,
	RANK_PARENT,
	RANK_DEFINITION,
	RANK_OBJECT,
	RANK_PRUNE,
	RANK_PARENT_REMOVE,
	RANK_RECORD,
};

struct diffing {
	const struct state *want, *live;
	struct applied *last;
	struct plan *plan;
};

static struct change *add(struct diffing *d, enum action action, const char *address, enum rank rank,
	enum todo_kind kind, size_t index)
{
	struct change *c = plan_add(d->plan, &target_objects, action, address);
	struct todo *todo = arena_new(d->plan->arena, struct todo);

	*todo = (struct todo){ d->want, d->live, kind, index };
	c->phase = PHASE_OBJECTS;
	c->rank = rank;
	c->cost = COST_IN_PLACE;
	c->data = todo;
	return c;
}

/* ---- objects ---- */

static enum cause cause_of(struct diffing *d, const struct object *o, const char *address)
{
	const char *text = json_write(o->body, JSON_ONE_LINE, d->plan->arena);
	const char *last = d->last ? applied_digest(d->last, address) : NULL;

	if (!last)
		return CAUSE_NEW;
	return strcmp(last, digest_of(text, strlen(text), d->plan->arena)) ? CAUSE_CHANGED : CAUSE_DRIFT;
}

static enum rank rank_of(const struct object *o)
{
	if (object_is(&o->id, "", "Namespace"))
		return RANK_NAMESPACE;
	return object_holds_others(&o->id) ? RANK_DEFINITION : RANK_OBJECT;
}

static void diff_object(struct diffing *d, size_t index)
{
	const struct object *o = &d->live->objects.items[index];
	const char *address = object_address(&o->id, d->plan->arena);
	struct change *c;

	if (o->fate == FATE_PRUNE) {
		c = add(d, ACTION_REMOVE, address, RANK_PRUNE, TODO_OBJECT, index);
		c->cause = CAUSE_ORPHAN;
	} else if (o->fate == FATE_APPLY || (o->fate == FATE_REFUSED && o->conflicts)) {
		c = add(d, o->before ? ACTION_CHANGE : ACTION_ADD, address, rank_of(o), TODO_OBJECT, index);
		c->cause = cause_of(d, o, address);
		c->after = o->after;
		c->origin = o->origin;
	} else {
		return;
	}
	c->before = o->before;
}

/* ---- sets ---- */

/* Whether anything will be a member, and whether that differs from what is one. */
static void look_at_set(const struct state *live, size_t set, struct arena *a, bool *needed, bool *moves)
{
	struct inventory now = { 0 }, then = { 0 };

	inventory_now(live, set, a, &now);
	inventory_then(live, set, a, &then);
	*needed = then.members.n > 0;
	*moves = now.members.n != then.members.n;
	for (size_t i = 0; !*moves && i < now.members.n; i++)
		*moves = object_compare(&now.members.items[i].id, &then.members.items[i].id) != 0;
}

static const struct node *parent_after(struct diffing *d, size_t index)
{
	struct inventory inventory = { 0 };

	inventory_then(d->live, index, d->plan->arena, &inventory);
	return inventory_parent(&d->live->sets.items[index], &inventory, d->plan->arena);
}

static bool is_right(struct diffing *d, size_t index)
{
	struct inventory inventory = { 0 };

	inventory_now(d->live, index, d->plan->arena, &inventory);
	return inventory_agrees(&d->live->sets.items[index], &inventory, d->plan->arena);
}

/* A parent as people see it: without what the server keeps for itself. */
static const struct node *parent_before(struct diffing *d, const struct applyset *set)
{
	return inventory_parent(set, &set->inventory, d->plan->arena);
}

/*
 * The list of members follows its members, as the state file follows the pass: only that it comes, goes, or is
 * wrong by itself is a change of its own.
 */
static void diff_set(struct diffing *d, size_t index)
{
	const struct applyset *set = &d->live->sets.items[index];
	const struct object_id id = set_parent_id(set);
	const char *address = object_address(&id, d->plan->arena);
	bool needed, moves;
	struct change *c;

	look_at_set(d->live, index, d->plan->arena, &needed, &moves);
	if (set->exists && (!needed || (d->want->cleanup && !set->wanted))) {
		c = add(d, ACTION_REMOVE, address, RANK_PARENT_REMOVE, TODO_PARENT, index);
		c->cause = CAUSE_ORPHAN;
		c->before = parent_before(d, set);
	} else if (set->wanted && needed && !set->exists) {
		c = add(d, ACTION_ADD, address, RANK_PARENT, TODO_PARENT, index);
		c->cause = CAUSE_NEW;
		c->after = parent_after(d, index);
	} else if (set->wanted && set->exists && !moves && !is_right(d, index)) {
		c = add(d, ACTION_CHANGE, address, RANK_PARENT, TODO_PARENT, index);
		c->cause = CAUSE_DRIFT;
		c->before = parent_before(d, set);
		c->after = parent_after(d, index);
	}
}

/* Where the node wants nothing of an API server any more, nothing of it is to be remembered. */
static bool may_forget(const struct diffing *d)
{
	if (!d->live->remembered || d->want->sets.n)
		return false;
	for (size_t i = 0; !d->want->cleanup && i < d->live->sets.n; i++) {
		bool needed, moves;

		look_at_set(d->live, i, d->plan->arena, &needed, &moves);
		if (needed)
			return false;
	}
	return true;
}

void objects_diff(const struct state *want, const struct state *live, struct applied *last, struct plan *plan)
{
	struct diffing d = { want, live, last, plan };

	for (size_t i = 0; i < live->sets.n; i++)
		diff_set(&d, i);
	for (size_t i = 0; i < live->objects.n; i++)
		diff_object(&d, i);
	if (may_forget(&d)) {
		struct change *c = add(&d, ACTION_REMOVE, "objects/record", RANK_RECORD, TODO_RECORD, 0);

		c->cause = CAUSE_ORPHAN;
		c->before = plan_text(plan, "objects.json in the state directory: where this node wrote objects");
	}
}
