#include "targets/capture/leftover/leftover.h"

#include <string.h>
#include <sys/socket.h>

#include "targets/capture/leftover/old.h"
#include "targets/capture/route.h"
#include "targets/target.h"

#define ADDRESS "capture/leftovers/"

enum { POSSIBLE_SHOWN = 5 };

bool leftover_adopted(const struct texts *adopt, const struct known_mesh *mesh)
{
	if (adopt && mesh)
		vec_each (name, &adopt->list)
			if (!strcmp(*name, mesh->name))
				return true;
	return false;
}

static bool goes(const struct old_rule *r, const struct texts *adopt)
{
	return !r->possibly && leftover_adopted(adopt, r->mesh);
}

/* The meshes that something belongs to. */
struct found {
	vec_of(const struct known_mesh *) list;
};

static void add_found(struct found *found, const struct known_mesh *mesh, struct arena *a)
{
	if (!mesh)
		return;
	vec_each (m, &found->list)
		if (*m == mesh)
			return;
	*vec_push(a, &found->list) = mesh;
}

static void add_found_in(struct found *found, const struct old_table *t, struct arena *a)
{
	vec_each (c, &t->chains) {
		add_found(found, c->mesh, a);
		vec_each (r, &c->rules)
			if (!r->possibly)
				add_found(found, r->mesh, a);
	}
}

/* ---- steps of the transaction ---- */

static void add_step(struct edits *out, const struct leftover_step *step, struct arena *a)
{
	struct edit *e = vec_push(a, &out->list);

	e->kind = EDIT_REMOVE_LEFTOVER;
	e->leftover = arena_dup(a, step, sizeof(*step));
}

/* What refers to a chain goes before it. */
static void table_edits(const struct old_table *t, const struct texts *adopt, struct arena *a, struct edits *out)
{
	struct leftover_step step = { STEP_TABLE, t, NULL, NULL };

	if (t->whole && leftover_adopted(adopt, t->mesh)) {
		add_step(out, &step, a);
		return;
	}
	vec_each (c, &t->chains) {
		step.chain = c;
		step.kind = leftover_adopted(adopt, c->mesh) ? STEP_EMPTY_CHAIN : STEP_RULE;
		if (step.kind == STEP_EMPTY_CHAIN && c->rules.n)
			add_step(out, &step, a);
		vec_each (r, &c->rules) {
			step.rule = r;
			if (step.kind == STEP_RULE && goes(r, adopt))
				add_step(out, &step, a);
		}
	}
	step.kind = STEP_CHAIN;
	vec_each (c, &t->chains) {
		step.chain = c;
		if (leftover_adopted(adopt, c->mesh) && !c->kept)
			add_step(out, &step, a);
	}
}

void leftover_edits(const struct leftovers *l, const struct texts *adopt, struct arena *a, struct edits *out)
{
	if (!adopt || !adopt->list.n)
		return;
	vec_each (t, &l->tables)
		if (!t->legacy)
			table_edits(t, adopt, a, out);
}

const char *leftover_step_name(const struct leftover_step *step, struct arena *a)
{
	const char *table = old_table_name(step->table, a);

	switch (step->kind) {
	case STEP_RULE:
		return arena_printf(a, "the removal of the rule '%s' from the chain '%s' of the table %s",
			old_rule_text(step->table, step->rule, a), step->chain->name, table);
	case STEP_EMPTY_CHAIN:
	case STEP_CHAIN:
		return arena_printf(a, "the removal of the chain '%s' of the table %s", step->chain->name, table);
	case STEP_TABLE:
		break;
	}
	return arena_printf(a, "the removal of the table %s", table);
}

/* ---- warnings ---- */

static void add_possible(struct str *out, size_t *n, const struct old_table *t, const struct known_mesh *mesh)
{
	vec_each (c, &t->chains)
		vec_each (r, &c->rules) {
			if (r->mesh != mesh || !r->possibly || (*n)++ >= POSSIBLE_SHOWN)
				continue;
			str_printf(out, "%s'%s%s %s' in %s", out->n ? ", " : "", t->iptables ? "-A " : "", c->name,
				old_rule_text(t, r, out->arena), old_table_name(t, out->arena));
		}
}

static void warn_possible(
	const struct leftovers *l, const struct known_mesh *mesh, const struct node *where, struct diags *d)
{
	struct str out = { .arena = d->arena };
	size_t n = 0;

	vec_each (t, &l->tables)
		add_possible(&out, &n, t, mesh);
	if (n > POSSIBLE_SHOWN)
		str_printf(&out, " and %zu more", n - POSSIBLE_SHOWN);
	if (n)
		diag_warning(d, node_pos(where),
			"rules that may be %s's, too, or somebody else's, stay in any case: %s", mesh->name,
			str_text(&out));
}

static void warn_mesh(
	const struct leftovers *l, const struct known_mesh *mesh, const struct node *where, struct diags *d)
{
	const char *captures = leftover_captures(l, NULL, mesh, d->arena);

	diag_warning(d, node_pos(where),
		"%s has left rules on this node: %s; they %s%s; enmesh leaves them alone, 'adopt: [%s]' here has "
		"it "
		"remove them",
		mesh->name, leftover_where(l, mesh, d->arena), captures ? "send " : "send nothing elsewhere",
		captures ? captures : "", mesh->name);
}

static struct found find_all(const struct leftovers *l, struct arena *a)
{
	struct found found = { 0 };

	vec_each (t, &l->tables)
		add_found_in(&found, t, a);
	vec_each (lookup, &l->lookups)
		add_found(&found, lookup->mesh, a);
	return found;
}

void leftover_warn(const struct leftovers *l, const struct texts *adopt, const struct node *where, struct diags *d)
{
	struct found found = find_all(l, d->arena);

	vec_each (mesh, &found.list) {
		if (!leftover_adopted(adopt, *mesh))
			warn_mesh(l, *mesh, where, d);
		warn_possible(l, *mesh, where, d);
	}
	if (l->unseen)
		diag_warning(d, node_pos(where),
			"whether another mesh has left rules in the tables of iptables-legacy is not known: %s",
			l->unseen);
}

/* ---- changes ---- */

struct diffing {
	const struct leftovers *all;
	const struct node *node;
	struct applied *last;
	struct plan *plan;
	const void *transaction, *elsewhere;
};

/* Those that come again after they have once been removed are somebody else's doing. */
static enum cause cause_of(const struct diffing *d, const struct known_mesh *mesh)
{
	if (applied_digest(d->last, arena_printf(d->plan->arena, ADDRESS "%s", mesh->name)))
		return CAUSE_DRIFT;
	return applied_digest(d->last, "capture/inet/" RULESET_TABLE) ? CAUSE_CHANGED : CAUSE_NEW;
}

static void add_change(
	struct diffing *d, const struct known_mesh *mesh, const char *where, const char *text, const void *data)
{
	struct change *c = plan_add(d->plan, &target_capture, ACTION_REMOVE,
		arena_printf(d->plan->arena, ADDRESS "%s/%s", mesh->name, where));

	c->cause = cause_of(d, mesh);
	c->phase = PHASE_CAPTURE;
	c->before = plan_text(d->plan, text);
	c->origin = d->node;
	c->data = data;
}

static const char *table_address(const struct old_table *t, struct arena *a)
{
	char *address = arena_strdup(a, old_table_name(t, a));

	for (char *c = address; *c; c++)
		if (*c == ' ')
			*c = '/';
	return address;
}

static void diff_mesh(struct diffing *d, const struct known_mesh *mesh, bool legacy)
{
	struct arena *a = d->plan->arena;

	vec_each (t, &d->all->tables) {
		const char *rules = t->legacy == legacy ? leftover_rules(t, mesh, a) : "";
		const char *captures = *rules ? leftover_captures(d->all, t, mesh, a) : NULL;

		if (*rules)
			add_change(d, mesh, table_address(t, a),
				captures ? arena_printf(a, "# %s\n%s", captures, rules) : rules,
				legacy ? d->elsewhere : d->transaction);
	}
}

static void diff_lookups(struct diffing *d, const struct texts *adopt)
{
	struct arena *a = d->plan->arena;

	vec_each (l, &d->all->lookups)
		if (leftover_adopted(adopt, l->mesh))
			add_change(d, l->mesh,
				arena_printf(a, "%s/rule/%u", l->family == AF_INET ? "ip" : "ip6", l->priority),
				arena_printf(a, "%s%s", old_lookup_text(l, a),
					l->last ? arena_printf(a, "\nlocal default dev lo table %u", l->table)
						: ""),
				d->elsewhere);
}

void leftover_diff(const struct leftovers *l, const struct mesh_node *node, struct applied *last,
	struct plan *plan, const void *transaction, const void *elsewhere)
{
	struct diffing d = { l, node->node, last, plan, transaction, elsewhere };
	struct found found = find_all(l, plan->arena);

	for (int legacy = 0; legacy < 2; legacy++)
		vec_each (mesh, &found.list)
			if (leftover_adopted(&node->adopt, *mesh))
				diff_mesh(&d, *mesh, legacy);
	diff_lookups(&d, &node->adopt);
}

void leftover_record(const struct texts *adopt, struct applied *out)
{
	vec_each (name, &adopt->list)
		applied_add(out, arena_printf(out->arena, ADDRESS "%s", *name), "removed");
}

/* ---- what is not in nf_tables ---- */

int leftover_read_elsewhere(struct arena *a, struct leftovers *out)
{
	scoped(netlink_free) struct netlink *rtnl = NULL;
	int error = route_new(NULL, &rtnl);

	leftover_read_legacy(a, out);
	if (!error)
		error = leftover_read_rules(rtnl, a, out);
	leftover_recognise(out, a);
	return error ? error : leftover_read_routes(rtnl, out);
}

static bool has_legacy(const struct leftovers *l, const struct texts *adopt, struct arena *a)
{
	struct found found = { 0 };

	vec_each (t, &l->tables)
		if (t->legacy)
			add_found_in(&found, t, a);
	vec_each (mesh, &found.list)
		if (leftover_adopted(adopt, *mesh))
			return true;
	return false;
}

bool leftover_remove_elsewhere(const struct leftovers *l, const struct texts *adopt, bool (*stopped)(void),
	struct arena *a, struct diags *d)
{
	scoped(netlink_free) struct netlink *rtnl = NULL;
	const char *problem = NULL;
	int error = 0;

	if (has_legacy(l, adopt, a) && leftover_remove_legacy(adopt, stopped, a, &problem))
		return diag_failure(d, "the adopted leftovers in iptables-legacy were not removed: %s", problem);
	vec_each (it, &l->lookups) {
		if (!leftover_adopted(adopt, it->mesh))
			continue;
		if (!rtnl)
			error = route_new(NULL, &rtnl);
		if (!error)
			error = leftover_remove_routing(rtnl, it);
		if (error)
			return diag_failure(d, "the policy rule '%s' of %s was not removed: %s",
				old_lookup_text(it, a), it->mesh->name, strerror(-error));
	}
	return true;
}
