#include <string.h>
#include <sys/socket.h>

#include "base/digest.h"
#include "base/str.h"
#include "targets/capture/state.h"

/* "capture/inet/enmesh", or "capture/[/run/netns/blue]/inet/enmesh" */
static const char *table_address(const char *netns, struct arena *a)
{
	return netns ? arena_printf(a, "capture/[%s]/inet/" RULESET_TABLE, netns) : "capture/inet/" RULESET_TABLE;
}

static const char *chain_address(const char *netns, const char *chain, struct arena *a)
{
	return arena_printf(a, "%s/chain/%s", table_address(netns, a), chain);
}

static const char *set_address(const char *netns, const struct set *s, struct arena *a)
{
	return arena_printf(a, "%s/%s/%s", table_address(netns, a), s->data == TYPE_NONE ? "set" : "map", s->name);
}

static const char *route_address(const char *netns, const struct route *r, struct arena *a)
{
	const char *family = r->family == AF_INET ? "ipv4" : "ipv6",
		   *what = r->kind == ROUTE_RULE ? "rule" : "table";

	const char *address = netns ? arena_printf(a, "capture/[%s]/route/%s/%s/%u", netns, family, what, r->table)
				    : arena_printf(a, "capture/route/%s/%s/%u", family, what, r->table);

	return r->kind == ROUTE_RULE && r->priority != ROUTE_RULE_PRIORITY
		       ? arena_printf(a, "%s/%u", address, r->priority)
		       : address;
}

static const char *chain_digest(const struct chain *c, struct arena *a)
{
	struct digest *d = digest_start(a);

	digest_add_text(d, print_chain_head(c, a));
	vec_each (r, &c->rules)
		digest_add_text(d, r->text);
	return digest_end(d, a);
}

/* What is looked up anew at each pass counts by its name: a cgroup that was made again is the same one. */
static void digest_value(struct digest *d, enum type type, const struct value *v)
{
	if (v->shown)
		digest_add_text(d, v->shown);
	else
		digest_add(d, v->data, type_info(type)->size);
}

/* Of the values, not of their texts: there may be many thousands. */
static const char *set_digest(const struct set *s, struct arena *a)
{
	struct digest *d = digest_start(a);

	digest_add_text(d, print_set_head(s, a));
	vec_each (e, &s->elements) {
		digest_value(d, s->key, &e->key);
		if (s->interval)
			digest_value(d, s->key, &e->end);
		if (s->data == TYPE_VERDICT) {
			digest_add(d, &(uint32_t){ e->verdict }, sizeof(uint32_t));
			digest_add_text(d, e->chain);
		} else if (s->data != TYPE_NONE) {
			digest_value(d, s->data, &e->data);
		}
	}
	return digest_end(d, a);
}

void capture_record(const struct state *want, struct applied *out)
{
	struct arena *a = out->arena;

	if (want->node)
		leftover_record(&want->node->adopt, out);
	vec_each (space, &want->spaces) {
		const char *netns = space->netns;

		if (space->rules.present)
			applied_add(out, table_address(netns, a), "present");
		vec_each (c, &space->rules.chains)
			applied_add(out, chain_address(netns, c->name, a), chain_digest(c, a));
		vec_each (s, &space->rules.sets)
			applied_add(out, set_address(netns, s, a), set_digest(s, a));
		vec_each (r, &space->routes.list)
			applied_add(out, route_address(netns, r, a), route_text(r, a));
	}
}

/* ---- changes ---- */

struct diffing {
	const struct transition *transition;
	struct applied *last;
	struct plan *plan;
	struct names changed_sets; /* their changes among those of the plan */
};

/* `digest` NULL: it is not wanted. */
static enum cause cause_of(const struct diffing *d, const char *address, const char *digest)
{
	const char *last = applied_digest(d->last, address);

	if (!digest)
		return last ? CAUSE_ORPHAN : CAUSE_DRIFT;
	if (!last)
		return CAUSE_NEW;
	return strcmp(last, digest) ? CAUSE_CHANGED : CAUSE_DRIFT;
}

static enum cause chain_cause(const struct diffing *d, const char *name)
{
	struct arena *a = d->plan->arena;
	const struct chain *want = ruleset_chain(&d->transition->want->rules, name);

	return cause_of(d, chain_address(d->transition->netns, name, a), want ? chain_digest(want, a) : NULL);
}

static enum cause set_cause(const struct diffing *d, const struct set *s)
{
	struct arena *a = d->plan->arena;
	const struct set *want = ruleset_set(&d->transition->want->rules, s->name);

	return cause_of(d, set_address(d->transition->netns, s, a), want ? set_digest(want, a) : NULL);
}

static struct change *add(struct diffing *d, enum action action, const char *address, enum cause cause)
{
	struct change *c = plan_add(d->plan, &target_capture, action, address);

	c->cause = cause;
	c->phase = PHASE_CAPTURE;
	c->data = d->transition;
	return c;
}

static void add_rule_change(struct diffing *d, const struct edit *e)
{
	bool added = e->kind == EDIT_ADD_RULE;
	const char *address = arena_printf(d->plan->arena, "%s/rule[%zu]",
		chain_address(d->transition->netns, e->chain->name, d->plan->arena), e->index);
	struct change *c = add(d, added ? ACTION_ADD : ACTION_REMOVE, address, chain_cause(d, e->chain->name));

	*(added ? &c->after : &c->before) = plan_text(d->plan, e->rule->text);
	c->origin = added ? e->chain->origin : NULL;
}

/* A chain that is there already only gets another policy. */
static void add_chain_change(struct diffing *d, const struct edit *e)
{
	struct arena *a = d->plan->arena;
	const struct chain *live = ruleset_chain(&d->transition->live->rules, e->chain->name);
	const struct chain *want = ruleset_chain(&d->transition->want->rules, e->chain->name);
	bool removed = e->kind == EDIT_REMOVE_CHAIN,
	     remade = live && want && live->type != CHAIN_REGULAR && removed;
	bool policy = !removed && live && live->type == want->type && live->hook == want->hook &&
		      live->priority == want->priority;
	struct change *c = add(d,
		removed  ? ACTION_REMOVE
		: policy ? ACTION_CHANGE
			 : ACTION_ADD,
		chain_address(d->transition->netns, e->chain->name, a), chain_cause(d, e->chain->name));

	if (removed || policy)
		c->before = plan_text(d->plan, print_chain_head(live, a));
	if (!removed)
		c->after = plan_text(d->plan, print_chain_head(e->chain, a));
	c->origin = e->chain->origin;
	c->cost = remade ? COST_RECREATE : COST_IN_PLACE;
}

static const char *element_lines(const struct edit *e, struct arena *a)
{
	struct str out = { .arena = a };

	vec_each (element, &e->elements)
		str_printf(&out, "%s%s", out.n ? "\n" : "", print_element(e->set, *element, a));
	return str_text(&out);
}

/* Removed and added elements of one set are one change. */
static struct change *elements_change(struct diffing *d, const struct edit *e)
{
	const char *address = set_address(d->transition->netns, e->set, d->plan->arena);
	size_t at = names_find(&d->changed_sets, e->set->name);

	if (at != NAMES_NONE)
		return &d->plan->changes.items[at];
	names_add(d->plan->arena, &d->changed_sets, e->set->name, d->plan->changes.n);
	return add(d, ACTION_CHANGE, address, set_cause(d, e->set));
}

static void add_elements_change(struct diffing *d, const struct edit *e)
{
	const struct node *lines;
	struct change *c;

	if (e->whole)
		return; /* shown with the set */
	c = elements_change(d, e);
	lines = plan_text(d->plan, element_lines(e, d->plan->arena));
	*(e->kind == EDIT_ADD_ELEMENTS ? &c->after : &c->before) = lines;
}

static const char *whole_set(const struct set *s, struct arena *a)
{
	struct str out = { .arena = a };

	str_add(&out, print_set_head(s, a));
	vec_each (e, &s->elements)
		str_printf(&out, "\n%s", print_element(s, e, a));
	return str_text(&out);
}

static void add_set_change(struct diffing *d, const struct edit *e)
{
	bool added = e->kind == EDIT_ADD_SET;
	struct change *c = add(d, added ? ACTION_ADD : ACTION_REMOVE,
		set_address(d->transition->netns, e->set, d->plan->arena), set_cause(d, e->set));

	*(added ? &c->after : &c->before) = plan_text(d->plan, whole_set(e->set, d->plan->arena));
}

/* As nft has it from 1.1 on. */
static const char *table_text(uint32_t flags, struct arena *a)
{
	static const struct {
		uint32_t flag;
		const char *word;
	} words[] = { { TABLE_DORMANT, "dormant" }, { TABLE_OWNED, "owner" }, { TABLE_PERSISTS, "persist" } };
	struct str out = { .arena = a };

	for (size_t i = 0; i < array_len(words); i++)
		if (flags & words[i].flag)
			str_printf(&out, "%s%s", out.n ? "," : " { flags ", words[i].word);
	return arena_printf(a, "table inet " RULESET_TABLE "%s%s", str_text(&out), out.n ? "; }" : "");
}

/* Nobody has changed the node: that this process holds the table is new. */
static void add_hold_change(struct diffing *d)
{
	const struct ruleset *live = &d->transition->live->rules;
	struct arena *a = d->plan->arena;
	struct change *c = add(d, ACTION_CHANGE, table_address(d->transition->netns, a), CAUSE_NEW);

	c->cost = live->remade ? COST_RECREATE : COST_IN_PLACE;
	c->before = plan_text(d->plan, table_text(live->flags & TABLE_HELD, a));
	c->after = plan_text(d->plan, table_text(live->keep, a));
}

/* What is to be shown: if the table is made anew, what in it is otherwise than it was. */
static void differences(struct diffing *d, struct edits *out)
{
	const struct space *want = d->transition->want;
	struct ruleset found = d->transition->live->rules;

	if (!found.present || !want->rules.present || found.keep == (found.flags & TABLE_HELD)) {
		*out = d->transition->edits;
		return;
	}
	add_hold_change(d);
	found.keep = found.flags & TABLE_HELD;
	found.remade = false;
	/* The changes stay for as long as the plan does, and with them what they are made of. */
	edits_make(&want->rules, arena_dup(d->plan->arena, &found, sizeof(found)), d->plan->arena, out);
}

static void add_table_change(struct diffing *d, const struct edit *e)
{
	const struct ruleset *live = &d->transition->live->rules;
	const char *address = table_address(d->transition->netns, d->plan->arena);
	bool removed = e->kind == EDIT_REMOVE_TABLE;
	enum action action = removed ? ACTION_REMOVE : live->present ? ACTION_CHANGE : ACTION_ADD;
	struct change *c = add(d, action, address, cause_of(d, address, removed ? NULL : "present"));

	if (removed)
		c->before = plan_text(d->plan, print_ruleset(live, d->plan->arena));
	else if (live->present)
		c->before = plan_text(d->plan, table_text(live->flags, d->plan->arena));
	if (!removed)
		c->after = plan_text(d->plan, table_text(e->flags, d->plan->arena));
}

static void add_stranger_change(struct diffing *d, const struct edit *e)
{
	struct change *c = add(d, ACTION_REMOVE,
		arena_printf(
			d->plan->arena, "%s/%s", table_address(d->transition->netns, d->plan->arena), e->stranger),
		CAUSE_DRIFT);

	c->before = plan_text(d->plan, e->stranger);
}

static void add_change(struct diffing *d, const struct edit *e)
{
	switch (e->kind) {
	case EDIT_REMOVE_TABLE:
	case EDIT_ADD_TABLE:
		add_table_change(d, e);
		break;
	case EDIT_REMOVE_RULE:
	case EDIT_ADD_RULE:
		add_rule_change(d, e);
		break;
	case EDIT_REMOVE_ELEMENTS:
	case EDIT_ADD_ELEMENTS:
		add_elements_change(d, e);
		break;
	case EDIT_REMOVE_SET:
	case EDIT_ADD_SET:
		add_set_change(d, e);
		break;
	case EDIT_REMOVE_CHAIN:
	case EDIT_ADD_CHAIN:
		add_chain_change(d, e);
		break;
	case EDIT_REMOVE_STRANGER:
		add_stranger_change(d, e);
		break;
	case EDIT_REMOVE_LEFTOVER:
		break; /* leftover_diff() shows them, a table in one change */
	}
}

static void add_route_change(struct diffing *d, const struct route *r, bool added)
{
	const char *address = route_address(d->transition->netns, r, d->plan->arena),
		   *text = route_text(r, d->plan->arena);
	struct change *c =
		add(d, added ? ACTION_ADD : ACTION_REMOVE, address, cause_of(d, address, added ? text : NULL));

	*(added ? &c->after : &c->before) = plan_text(d->plan, text);
}

/* Both are sorted. */
static void diff_routes(struct diffing *d, struct transition *t)
{
	const struct routes *want = &t->want->routes, *live = &t->live->routes;
	size_t i = 0, j = 0;

	while (i < want->list.n || j < live->list.n) {
		int order = i == want->list.n   ? 1
			    : j == live->list.n ? -1
						: route_compare(&want->list.items[i], &live->list.items[j]);

		if (order < 0)
			*vec_push(d->plan->arena, &t->add_routes) = &want->list.items[i];
		if (order > 0)
			*vec_push(d->plan->arena, &t->remove_routes) = &live->list.items[j];
		i += order <= 0;
		j += order >= 0;
	}
}

/* What is not in nf_tables can't go in the transaction: it goes right after it. */
static void diff_leftovers(
	struct diffing *d, struct transition *t, const struct mesh_node *node, const struct leftovers *leftovers)
{
	struct transition *elsewhere = arena_new(d->plan->arena, struct transition);

	elsewhere->elsewhere = leftovers;
	elsewhere->adopt = t->adopt = &node->adopt;
	leftover_edits(leftovers, t->adopt, d->plan->arena, &t->edits);
	leftover_diff(leftovers, node, d->last, d->plan, t, elsewhere);
}

static void diff_space(const struct state *want_all, const struct state *live_all, const struct space *live,
	struct applied *last, struct plan *plan)
{
	static const struct space nothing = { 0 };
	const struct space *wanted = state_space(want_all, live->netns), *want = wanted ? wanted : &nothing;
	struct transition *transition = arena_new(plan->arena, struct transition);
	struct diffing d = { .transition = transition, .last = last, .plan = plan };
	struct edits shown = { 0 };

	transition->netns = live->netns;
	transition->want = want;
	transition->live = live;
	edits_make(&want->rules, &live->rules, plan->arena, &transition->edits);
	diff_routes(&d, transition);
	/* Marked packets must find their way before the first is marked. */
	vec_each (r, &transition->add_routes)
		add_route_change(&d, *r, true);
	differences(&d, &shown);
	vec_each (e, &shown.list)
		add_change(&d, e);
	vec_each (r, &transition->remove_routes)
		add_route_change(&d, *r, false);
	if (!live->netns && want_all->node)
		diff_leftovers(&d, transition, want_all->node, &live_all->leftovers);
}

void capture_diff(const struct state *want, const struct state *live, struct applied *last, struct plan *plan)
{
	vec_each (space, &live->spaces)
		if (!space->unreadable)
			diff_space(want, live, space, last, plan);
}
