#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include "targets/capture/evaluate.h"

/* ---- the question ---- */

static void put_mark(struct node *map, const char *key, uint32_t mark, struct arena *a)
{
	if (mark)
		node_put_text(a, map, key, arena_printf(a, "0x%" PRIx32, mark));
}

static void put_connection(
	struct node *map, const struct connection *c, const struct evaluation *e, struct arena *a)
{
	node_put_text(a, map, "protocol", c->protocol == IPPROTO_UDP ? "udp" : "tcp");
	node_put_text(a, map, "direction", c->inbound ? "inbound" : "outbound");
	node_put_text(a, map, "source", endpoint_text(&e->source, a));
	node_put_text(a, map, "destination", endpoint_text(&c->dest, a));
	node_put_text(a, map, "interface", c->interface);
	if (c->inbound)
		return;
	connection_put_owner(map, c, a);
	if (c->cgroup && c->cgroup->cgroups.n)
		node_put_text(a, map, "cgroup", c->cgroup->cgroups.items[c->cgroup->cgroups.n - 1].path);
	put_mark(map, "mark", c->mark, a);
}

/* ---- the way ---- */

static void put_look_ups(struct node *map, const struct step *s, struct arena *a)
{
	struct node *list;

	if (!s->look_ups.n)
		return;
	list = node_put_list(a, map, "lookups");
	vec_each (l, &s->look_ups) {
		struct node *n = node_add_map(a, list);

		node_put_text(a, n, "set", l->set);
		node_put_text(a, n, "key", l->key);
		node_put_text(a, n, "element", l->element);
	}
}

static void put_rule(struct node *map, const struct step *s, struct arena *a)
{
	const struct node *origin = s->chain->origin;

	node_put_text(a, map, "chain", s->chain->name);
	if (s->rule) {
		node_put_int(a, map, "rule", (int64_t)s->number);
		node_put_text(a, map, "text", s->rule->text);
	}
	if (origin && origin->file) {
		struct node *n = node_put_map(a, map, "origin");

		node_put_text(a, n, "file", origin->file);
		node_put_int(a, n, "line", origin->line);
	}
}

static void put_step(struct node *list, const struct step *s, struct arena *a)
{
	struct node *n = node_add_map(a, list), *base;

	node_put_text(a, n, "hook", hook_name(s->hook));
	if (s->base) {
		base = node_put_map(a, n, "base");
		node_put_text(a, base, "chain", s->base->name);
		node_put_text(a, base, "type", chain_type_name(s->base->type));
		node_put_int(a, base, "priority", s->base->priority);
		put_rule(n, s, a);
	}
	node_put_bool(a, n, "matched", s->matched);
	node_put_text(a, n, "why", s->matched ? NULL : s->why);
	node_put_text(a, n, "effect", s->effect);
	put_look_ups(n, s, a);
}

/* ---- the end ---- */

static const char *how(const struct evaluation *e)
{
	return e->redirected ? "redirect" : e->tproxy ? "tproxy" : "direct";
}

const char *evaluation_text(const struct evaluation *e, const struct connection *c, struct arena *a)
{
	const char *at = e->tproxy ? arena_printf(a, "port %u", e->tproxy) : endpoint_text(&e->at, a);
	const char *where = e->what ? arena_printf(a, "%s, %s", at, e->what) : at;
	const char *not = e->redirected || e->tproxy ? "" : " (not captured)";

	switch (e->landing) {
	case LANDING_LOCAL:
		if (e->tproxy)
			return arena_printf(
				a, "Lands at %s, which sees %s (tproxy).", where, endpoint_text(&c->dest, a));
		return arena_printf(a, "Lands at %s%s.", where, e->redirected ? " (redirected)" : not );
	case LANDING_SENT:
		return arena_printf(a, "Leaves for %s%s.", at, not );
	case LANDING_FORWARDED:
		return arena_printf(a, "Is sent on to %s%s.", at, not );
	case LANDING_REFUSED:
		if (e->no_listener)
			return arena_printf(a, "Refused: nobody waits at %s.", where);
		return "Refused by a rule.";
	case LANDING_DROPPED:
		return "Dropped by a rule.";
	case LANDING_UNKNOWN:
		break;
	}
	return "Unknown: what decides has no form that trace knows.";
}

static void put_landing(struct node *map, const struct connection *c, const struct evaluation *e, struct arena *a)
{
	static const char *const landings[] = { [LANDING_LOCAL] = "local",
		[LANDING_SENT] = "sent",
		[LANDING_FORWARDED] = "forwarded",
		[LANDING_REFUSED] = "refused",
		[LANDING_DROPPED] = "dropped",
		[LANDING_UNKNOWN] = "unknown" };
	struct node *n = node_put_map(a, map, "landing");

	node_put_text(a, n, "kind", landings[e->landing]);
	node_put_text(a, n, "how", how(e));
	node_put_text(a, n, "at", endpoint_text(&e->at, a));
	node_put_int(a, n, "port", e->at.port);
	node_put_text(a, n, "what", e->what);
	node_put_text(a, n, "interface", e->interface);
	put_mark(n, "mark", e->mark, a);
	put_mark(n, "connection_mark", e->connection_mark, a);
	if (e->zone)
		node_put_int(a, n, "zone", e->zone);
	if (e->policy_route)
		node_put_text(a, n, "policy_route", route_text(e->policy_route, a));
	if (e->decision != NO_STEP && e->steps.items[e->decision].base)
		put_rule(node_put_map(a, n, "decided_by"), &e->steps.items[e->decision], a);
	node_put_text(a, n, "text", evaluation_text(e, c, a));
}

const struct node *capture_trace(const struct state *state, const char *netns, const struct connection *c,
	const struct network *n, struct arena *a)
{
	static const struct space nothing;
	const struct space *space = state_space(state, netns);
	struct node *root = arena_new(a, struct node), *list;
	struct evaluation e;

	if (!space)
		space = &nothing;
	evaluate(space, c, n, a, &e);
	root->type = NODE_MAP;
	put_connection(node_put_map(a, root, "connection"), c, &e, a);
	node_put_bool(a, root, "rules", space->rules.present);
	list = node_put_list(a, root, "steps");
	vec_each (s, &e.steps)
		put_step(list, s, a);
	put_landing(root, c, &e, a);
	list = node_put_list(a, root, "assumptions");
	vec_each (text, &e.assumptions)
		node_add_text(a, list, *text);
	return root;
}
