#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

const char *action_word(enum action action)
{
	static const char *const words[] = {
		[ACTION_ADD] = "add", [ACTION_CHANGE] = "change", [ACTION_REMOVE] = "remove"
	};

	return words[action];
}

const char *cause_word(enum cause cause)
{
	static const char *const words[] = { [CAUSE_NEW] = "new",
		[CAUSE_CHANGED] = "changed",
		[CAUSE_DRIFT] = "drift",
		[CAUSE_ORPHAN] = "orphan" };

	return words[cause];
}

const char *cost_word(enum cost cost)
{
	static const char *const words[] = { [COST_IN_PLACE] = "in place",
		[COST_RELOAD] = "reload",
		[COST_RESTART] = "restart",
		[COST_RECREATE] = "recreate" };

	return words[cost];
}

struct change *plan_add(struct plan *p, const struct target *target, enum action action, const char *address)
{
	struct change *c = vec_push(p->arena, &p->changes);

	c->target = target;
	c->action = action;
	c->address = address;
	return c;
}

const struct node *plan_text(struct plan *p, const char *text)
{
	struct node *n = arena_new(p->arena, struct node);

	node_set_text(p->arena, n, text);
	return n;
}

struct ordered {
	struct change change;
	size_t added;
};

static int by_order(const void *left, const void *right)
{
	const struct ordered *a = left, *b = right;

	if (a->change.phase != b->change.phase)
		return (a->change.phase > b->change.phase) - (a->change.phase < b->change.phase);
	if (a->change.rank != b->change.rank)
		return (a->change.rank > b->change.rank) - (a->change.rank < b->change.rank);
	return (a->added > b->added) - (a->added < b->added);
}

void plan_order(struct plan *p)
{
	struct ordered *order = arena_alloc(p->arena, (p->changes.n + 1) * sizeof(*order));

	for (size_t i = 0; i < p->changes.n; i++)
		order[i] = (struct ordered){ p->changes.items[i], i };
	qsort(order, p->changes.n, sizeof(*order), by_order);
	for (size_t i = 0; i < p->changes.n; i++)
		p->changes.items[i] = order[i].change;
}

struct plan_counts plan_count(const struct plan *p)
{
	struct plan_counts counts = { 0 };

	vec_each (c, &p->changes) {
		counts.add += c->action == ACTION_ADD;
		counts.change += c->action == ACTION_CHANGE;
		counts.remove += c->action == ACTION_REMOVE;
		counts.drift += c->cause == CAUSE_DRIFT;
	}
	return counts;
}
