#include "model/conflict.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/place.h"

/* Something of which a node has only one: a port, a user. Sorted, equal claims are neighbours. */
struct claim {
	enum what { CLAIM_PORT, CLAIM_USER, CLAIM_GROUP, CLAIM_EVERYONE, CLAIM_ALL_PORTS } what;
	uint32_t number;
	const char *name;  /* of a user or group */
	const char *owner; /* "service bookinfo/reviews" */
	const struct node *node;
};

struct claims {
	vec_of(struct claim) list;
	vec_of(struct claim) reported; /* one of each pair: a pair shares many nodes, and is told once */
};

static int by_claim(const void *left, const void *right)
{
	const struct claim *a = left, *b = right;

	if (a->what != b->what)
		return (a->what > b->what) - (a->what < b->what);
	if (a->number != b->number)
		return (a->number > b->number) - (a->number < b->number);
	return strcmp(a->name ? a->name : "", b->name ? b->name : "");
}

static void claim_port(
	struct claims *out, uint16_t port, const char *owner, const struct node *node, struct arena *a)
{
	*vec_push(a, &out->list) = (struct claim){ CLAIM_PORT, port, NULL, owner, node };
}

static void claim_account(
	struct claims *out, enum what what, const struct account *account, const char *owner, struct arena *a)
{
	if (account->node)
		*vec_push(a, &out->list) = (struct claim){ what, account->name ? 0 : account->number,
			account->name, owner, account->node };
}

static bool captures(const struct mesh_service *s)
{
	return s->capture && !s->capture->broken && s->capture->mode != CAPTURE_NONE;
}

/* A node runs one proxy for each of its services, so each needs ports and, to be told apart, a user of its own. */
static void claim_sidecar(const struct mesh_service *s, struct claims *out, struct arena *a)
{
	const char *owner = arena_printf(a, "the sidecar of service %s/%s", s->namespace, s->name);
	const struct node *ref = node_path(s->node, "spec", "sidecar", NULL);
	struct account user = s->sidecar->process.user;

	claim_port(out, s->sidecar->outbound, owner, ref, a);
	claim_port(out, s->sidecar->inbound, owner, ref, a);
	claim_port(out, s->sidecar->tunnel, owner, ref, a);
	claim_port(out, s->sidecar->admin, owner, ref, a);
	user.node = ref;
	if (captures(s))
		claim_account(out, CLAIM_USER, &user, owner, a);
}

static void claim_service(const struct mesh_service *s, struct claims *out, struct arena *a)
{
	const char *owner = arena_printf(a, "service %s/%s", s->namespace, s->name);

	vec_each (p, &s->ports)
		claim_port(out, p->target, owner, p->node, a);
	if (s->sidecar && !s->sidecar->broken)
		claim_sidecar(s, out, a);
	if (!captures(s))
		return;
	claim_account(out, CLAIM_USER, &s->user, owner, a);
	claim_account(out, CLAIM_GROUP, &s->group, owner, a);
	if (!s->user.node && !s->group.node)
		*vec_push(a, &out->list) = (struct claim){ CLAIM_EVERYONE, 0, NULL, owner, s->node };
	if (s->capture->inbound == INBOUND_ALL)
		*vec_push(a, &out->list) = (struct claim){ CLAIM_ALL_PORTS, 0, NULL, owner, s->node };
}

static void report(const struct claim *x, const struct claim *y, const char *node, struct diags *d)
{
	const struct claim *first = x->node < y->node ? x : y, *again = first == x ? y : x;
	const char *place = pos_text(node_pos(first->node), d->arena), *what = "", *advice = "";

	if (!strcmp(first->owner, again->owner) && first->what != CLAIM_PORT)
		return;
	switch (again->what) {
	case CLAIM_PORT:
		what = arena_printf(d->arena, "port %" PRIu32, again->number);
		break;
	case CLAIM_USER:
	case CLAIM_GROUP:
		what = again->name ? arena_printf(d->arena, "the %s '%s'",
					     again->what == CLAIM_USER ? "user" : "group", again->name)
				   : arena_printf(d->arena, "the %s %" PRIu32,
					     again->what == CLAIM_USER ? "user" : "group", again->number);
		advice = "; captured traffic is told apart by it";
		break;
	case CLAIM_EVERYONE:
		what = "the traffic of everyone";
		advice = "; say with runAs whose traffic is whose";
		break;
	case CLAIM_ALL_PORTS:
		what = "all inbound ports";
		advice = "; one of their MeshCaptures must list its ports";
		break;
	}
	diag_error(d, node_pos(again->node), "on node '%s', %s and %s (at %s) both claim %s%s", node, again->owner,
		first->owner, place, what, advice);
}

static bool was_reported(const struct claims *claims, const struct claim *claim)
{
	vec_each (r, &claims->reported)
		if (r->node == claim->node && !by_claim(r, claim))
			return true;
	return false;
}

static void check_node(const struct model *m, const struct mesh_node *node, struct claims *claims, struct arena *a,
	struct diags *d)
{
	struct placed placed = place_of(m, node);

	claims->list.n = 0;
	for (size_t i = 0; i < placed.n_services; i++)
		if (!placed.services[i]->broken)
			claim_service(placed.services[i], claims, a);
	if (claims->list.n)
		qsort(claims->list.items, claims->list.n, sizeof(*claims->list.items), by_claim);
	for (size_t i = 1; i < claims->list.n; i++) {
		const struct claim *x = &claims->list.items[i - 1], *y = &claims->list.items[i];

		if (by_claim(x, y) || was_reported(claims, y))
			continue;
		*vec_push(a, &claims->reported) = *y;
		report(x, y, node->name, d);
	}
}

void conflict_check(const struct model *m, struct arena *a, struct diags *d)
{
	struct claims claims = { 0 };

	vec_each (node, &m->nodes)
		check_node(m, node, &claims, a, d);
}
