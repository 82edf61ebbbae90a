#include "targets/objects/prune.h"

#include <string.h>

#include "base/str.h"
#include "targets/objects/shape.h"

enum {
	BRAKE_LEAST = 3, /* so many may always go */
	NAMED_MAX = 10,
};

const char *prune_obstacle(const struct object *orphan, bool owned)
{
	const char *prune = shape_annotation(orphan->before, ANNOTATION_PRUNE);

	if (object_holds_others(&orphan->id))
		return "enmesh never deletes what takes other objects along; delete it yourself, or take the "
		       "label " LABEL_PART_OF " off it";
	if (prune && !strcmp(prune, "disabled"))
		return "its annotation " ANNOTATION_PRUNE " is `disabled`";
	if (owned)
		return "it belongs to another object (ownerReferences)";
	return NULL;
}

static bool goes(const struct object *o, size_t set)
{
	return o->set == set && o->fate == FATE_PRUNE;
}

static const char *names(const struct state *live, size_t set, struct arena *a)
{
	struct str out = { .arena = a };
	size_t n = 0;

	vec_each (o, &live->objects)
		if (goes(o, set) && n++ < NAMED_MAX)
			str_printf(&out, "%s%s", out.n ? ", " : "", object_title(&o->id, a));
	if (n > NAMED_MAX)
		str_printf(&out, " and %zu more", n - NAMED_MAX);
	return str_text(&out);
}

static void keep(struct state *live, size_t set)
{
	vec_each (o, &live->objects)
		if (goes(o, set))
			o->fate = FATE_KEEP;
}

/* An object may go because another one takes its place: not before that can be there. */
static bool any_refused(const struct state *live)
{
	vec_each (o, &live->objects)
		if (o->fate == FATE_REFUSED)
			return true;
	return false;
}

bool prune_decide(struct state *live, const struct prune_policy *policy, struct diags *d)
{
	bool ok = true, refused = any_refused(live);

	for (size_t i = 0; i < live->sets.n; i++) {
		const struct applyset *set = &live->sets.items[i];
		size_t going = 0, all = set->inventory.members.n;

		vec_each (o, &live->objects)
			going += goes(o, i);
		if (!going)
			continue;
		if (!policy->allowed) {
			diag_warning(d, (struct pos){ 0 },
				"%zu objects of %s are no longer wanted, and stay, for pruning is off: %s", going,
				set->name, names(live, i, d->arena));
			keep(live, i);
		} else if (refused) {
			diag_warning(d, (struct pos){ 0 },
				"%zu objects of %s are no longer wanted, and stay until all that is wanted can be "
				"applied: %s",
				going, set->name, names(live, i, d->arena));
			keep(live, i);
		} else if (!policy->mass && going > BRAKE_LEAST && going * 2 > all) {
			ok = diag_failure(d,
				"%zu of the %zu objects of %s are no longer wanted; that may be an accident, and "
				"none of them is "
				"deleted: %s; if it is meant, allow it with --allow-mass-prune",
				going, all, set->name, names(live, i, d->arena));
			keep(live, i);
		}
	}
	return ok;
}
