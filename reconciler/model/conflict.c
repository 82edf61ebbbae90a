#include "model/conflict.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/netns.h"
#include "base/str.h"
#include "model/place.h"
#include "model/vars.h"

/* Who claims something on a node. */
struct owner {
	const char *title; /* "service bookinfo/reviews" */
	const struct node *root;
	const struct mesh_sidecar *sidecar; /* of a service's sidecar */
};

/* Something of which a node has only one. Sorted, equal claims are neighbours. */
struct claim {
	enum what {
		CLAIM_PORT,
		CLAIM_USER,
		CLAIM_GROUP,
		CLAIM_CGROUP,
		CLAIM_EVERYONE,
		CLAIM_ALL_PORTS,
		CLAIM_CAPTURED, /* a range of inbound ports */
		CLAIM_PATH,
	} what;
	uint32_t number, last; /* last: of a range */
	const char *name;      /* of a user or group; a path */
	const char *netns;     /* in which the claim holds; NULL: the node's own */
	uint32_t owner;
	const struct node *node;
};

/* Two owners with one claim; `a` is the one that comes first in the source. */
struct conflict {
	uint32_t a, b;
	const struct claim *claim; /* of b */
};

struct checking {
	const struct model *model;
	struct arena *arena, scratch; /* scratch: for one node */
	struct diags *diags;
	struct owner *owners; /* services, their sidecars, components */
	const char *netns;    /* of what is claimed now */
	vec_of(struct claim) claims;
	vec_of(struct conflict) conflicts;
	/* Pairs that were reported, for a pair may share many nodes: a set, open addressing. */
	uint64_t *pairs;
	size_t n_pairs, pairs_size;
};

/* ---- claims ---- */

static void claim(struct checking *c, enum what what, uint32_t number, const char *name, uint32_t owner,
	const struct node *node)
{
	*vec_push(&c->scratch, &c->claims) = (struct claim){ .what = what,
		.number = number,
		.last = number,
		.name = name,
		.netns = c->netns,
		.owner = owner,
		.node = node };
}

static void claim_account(
	struct checking *c, enum what what, const struct account *account, uint32_t owner, const struct node *node)
{
	if (account->node)
		claim(c, what, account->name ? 0 : account->number, account->name, owner, node);
}

static void claim_files(struct checking *c, const struct process_spec *spec, const struct scope *scope,
	uint32_t owner, const struct node *node)
{
	struct diags ignored = { .arena = &c->scratch };

	node_each (file, spec->files) {
		const struct node *path = node_get(file, "path");
		const char *expanded = vars_expand(path->string, scope, node_pos(path), &c->scratch, &ignored);

		if (expanded) /* else a label is missing, and an error says so */
			claim(c, CLAIM_PATH, 0, expanded, owner, node ? node : path);
	}
}

static bool captures(const struct mesh_service *s)
{
	return s->capture && !s->capture->broken && s->capture->mode != CAPTURE_NONE;
}

/* A node runs one proxy for each of its services, so each needs ports and, to be told apart, a user of its own. */
static void claim_sidecar(
	struct checking *c, const struct mesh_service *s, const struct mesh_node *node, uint32_t owner)
{
	const struct node *ref = node_path(s->node, "spec", "sidecar", NULL);
	struct scope scope = { c->model->mesh, node, s, s->sidecar, NULL };

	claim(c, CLAIM_PORT, s->sidecar->outbound, NULL, owner, ref);
	claim(c, CLAIM_PORT, s->sidecar->inbound, NULL, owner, ref);
	claim(c, CLAIM_PORT, s->sidecar->tunnel, NULL, owner, ref);
	claim(c, CLAIM_PORT, s->sidecar->admin, NULL, owner, ref);
	if (captures(s) && s->capture->dns != DNS_NONE)
		claim(c, CLAIM_PORT, s->sidecar->dns, NULL, owner, ref);
	if (captures(s)) {
		vec_each (user, &s->sidecar->proxy_users.list)
			claim_account(c, CLAIM_USER, user, owner, ref);
		vec_each (group, &s->sidecar->proxy_groups.list)
			claim_account(c, CLAIM_GROUP, group, owner, ref);
	}
	if (c->model->mesh && s->sidecar->process.command)
		claim_files(c, &s->sidecar->process, &scope, owner, ref);
}

/* Inbound ports that a MeshCapture lists; those of the service itself are claimed as ports. */
static void claim_captured(struct checking *c, const struct mesh_service *s, uint32_t owner)
{
	if (s->capture->inbound == INBOUND_LIST)
		vec_each (p, &s->capture->inbound_ports.list)
			if (!p->name) {
				claim(c, CLAIM_CAPTURED, p->first, NULL, owner, s->node);
				c->claims.items[c->claims.n - 1].last = p->last;
			}
	if (s->capture->inbound == INBOUND_SERVICE)
		vec_each (p, &s->ports)
			claim(c, CLAIM_CAPTURED, p->target, NULL, owner, p->node);
}

static void claim_service(struct checking *c, const struct mesh_service *s, const struct mesh_node *node)
{
	uint32_t owner = (uint32_t)(s - c->model->services.items);

	c->netns = s->netns;
	vec_each (p, &s->ports)
		claim(c, CLAIM_PORT, p->target, NULL, owner, p->node);
	if (s->sidecar && !s->sidecar->broken)
		claim_sidecar(c, s, node, owner + (uint32_t)c->model->services.n);
	if (!captures(s))
		return;
	claim_account(c, CLAIM_USER, &s->user, owner, s->user.node);
	claim_account(c, CLAIM_GROUP, &s->group, owner, s->group.node);
	if (s->cgroup)
		claim(c, CLAIM_CGROUP, 0, s->cgroup, owner, s->node);
	claim_captured(c, s, owner);
	if (!s->user.node && !s->group.node && !s->cgroup)
		claim(c, CLAIM_EVERYONE, 0, NULL, owner, s->node);
	if (s->capture->inbound == INBOUND_ALL)
		claim(c, CLAIM_ALL_PORTS, 0, NULL, owner, s->node);
}

static void claim_component(
	struct checking *c, const struct mesh_component *component, const struct mesh_node *node)
{
	uint32_t owner = (uint32_t)(2 * c->model->services.n + (size_t)(component - c->model->components.items));
	struct scope scope = { .mesh = c->model->mesh, .node = node, .component = component };

	c->netns = NULL;
	if (c->model->mesh)
		claim_files(c, &component->process, &scope, owner, NULL);
}

static int same_place(const struct claim *a, const struct claim *b)
{
	/* Files are of the whole machine; everything else is of one network namespace. */
	if (a->what != b->what || a->what == CLAIM_PATH)
		return (a->what > b->what) - (a->what < b->what);
	return netns_compare(a->netns, b->netns);
}

static int same_thing(const struct claim *a, const struct claim *b)
{
	int order = same_place(a, b);

	if (order)
		return order;
	if (a->number != b->number)
		return (a->number > b->number) - (a->number < b->number);
	return strcmp(a->name ? a->name : "", b->name ? b->name : "");
}

static int by_claim(const void *left, const void *right)
{
	const struct claim *a = left, *b = right;
	int order = same_thing(a, b);

	return order ? order : (a->owner > b->owner) - (a->owner < b->owner);
}

/* ---- conflicts ---- */

static const char *title_of(struct checking *c, uint32_t i)
{
	struct owner *owner = &c->owners[i];
	size_t n = c->model->services.n;

	if (owner->title)
		return owner->title;
	if (i < 2 * n) {
		const struct mesh_service *s = &c->model->services.items[i < n ? i : i - n];

		owner->title = arena_printf(
			c->arena, "%sservice %s/%s", i < n ? "" : "the sidecar of ", s->namespace, s->name);
	} else {
		owner->title = arena_printf(c->arena, "component %s", c->model->components.items[i - 2 * n].name);
	}
	return owner->title;
}

static void describe_one(const struct claim *claim, struct str *out)
{
	if (claim->name)
		str_printf(out, claim->what == CLAIM_PATH ? "%s" : "'%s'", claim->name);
	else
		str_printf(out, "%" PRIu32, claim->number);
}

/* "ports 80, 443": the first n claims are of one kind. */
static void describe(const struct conflict *conflicts, size_t n, struct str *out)
{
	static const struct {
		const char *one, *many;
	} words[] = {
		[CLAIM_PORT] = { "port", "ports" },
		[CLAIM_USER] = { "user", "users" },
		[CLAIM_GROUP] = { "group", "groups" },
		[CLAIM_CGROUP] = { "cgroup", "cgroups" },
		[CLAIM_EVERYONE] = { "the traffic of everyone", NULL },
		[CLAIM_ALL_PORTS] = { "all inbound ports", NULL },
		[CLAIM_CAPTURED] = { "inbound port", "inbound ports" },
		[CLAIM_PATH] = { "the file", "the files" },
	};
	enum what what = conflicts->claim->what;

	str_printf(out, "%s%s", out->n ? " and " : "", n > 1 ? words[what].many : words[what].one);
	for (size_t i = 0; words[what].many && i < n; i++) {
		str_add(out, i ? ", " : " ");
		describe_one(conflicts[i].claim, out);
	}
}

static const char *advice(const struct owner *a, const struct owner *b, enum what what)
{
	if (a->sidecar && a->sidecar == b->sidecar)
		return "; give each a MeshSidecar of its own";
	switch (what) {
	case CLAIM_USER:
	case CLAIM_GROUP:
	case CLAIM_CGROUP:
		return "; captured traffic is told apart by it";
	case CLAIM_EVERYONE:
		return "; say with runAs whose traffic is whose";
	case CLAIM_ALL_PORTS:
		return "; one of their MeshCaptures must list its ports";
	case CLAIM_CAPTURED:
		return "; each needs a MeshCapture of its own that lists its ports";
	case CLAIM_PORT:
	case CLAIM_PATH:
		break;
	}
	return "";
}

static uint64_t *find_pair(uint64_t *pairs, size_t size, uint64_t pair)
{
	size_t slot = pair * 0x9e3779b97f4a7c15 % size;

	while (pairs[slot] && pairs[slot] != pair)
		slot = (slot + 1) % size;
	return &pairs[slot];
}

/* Whether the pair is new. */
static bool note_pair(struct checking *c, uint32_t a, uint32_t b)
{
	uint64_t pair = ((uint64_t)a << 32 | b) + 1, *slot;

	if (c->n_pairs >= c->pairs_size / 2) {
		size_t size = c->pairs_size ? c->pairs_size * 2 : 64;
		uint64_t *larger = arena_alloc(c->arena, size * sizeof(*larger));

		for (size_t i = 0; i < c->pairs_size; i++)
			if (c->pairs[i])
				*find_pair(larger, size, c->pairs[i]) = c->pairs[i];
		c->pairs = larger;
		c->pairs_size = size;
	}
	slot = find_pair(c->pairs, c->pairs_size, pair);
	if (*slot)
		return false;
	*slot = pair;
	c->n_pairs++;
	return true;
}

static int by_pair(const void *left, const void *right)
{
	const struct conflict *a = left, *b = right;

	if (a->a != b->a)
		return (a->a > b->a) - (a->a < b->a);
	if (a->b != b->b)
		return (a->b > b->b) - (a->b < b->b);
	return (a->claim > b->claim) - (a->claim < b->claim);
}

/* One error says all that two owners have in common: it is usually one mistake. */
static void report(struct checking *c, const struct conflict *conflicts, size_t n, const struct mesh_node *node)
{
	const struct claim *claim = conflicts[0].claim;
	const struct owner *a = &c->owners[conflicts[0].a], *b = &c->owners[conflicts[0].b];
	struct str what = { .arena = c->arena };
	const char *hint = "";

	if (!note_pair(c, conflicts[0].a, conflicts[0].b))
		return;
	for (size_t i = 0, same; i < n; i += same) {
		for (same = 1; i + same < n && conflicts[i + same].claim->what == conflicts[i].claim->what;)
			same++;
		describe(&conflicts[i], same, &what);
	}
	for (size_t i = 0; i < n && !*hint; i++)
		hint = advice(a, b, conflicts[i].claim->what);
	diag_error(c->diags, node_pos(claim->node), "on node '%s', %s and %s (at %s) both claim %s%s", node->name,
		title_of(c, conflicts[0].b), title_of(c, conflicts[0].a), pos_text(node_pos(a->root), c->arena),
		str_text(&what), hint);
}

static void note_conflict(struct checking *c, const struct claim *x, const struct claim *y)
{
	const struct owner *owners = c->owners;
	bool swap = pos_order(node_pos(owners[x->owner].root), node_pos(owners[y->owner].root)) > 0;

	if (x->owner != y->owner)
		*vec_push(&c->scratch, &c->conflicts) =
			(struct conflict){ swap ? y->owner : x->owner, swap ? x->owner : y->owner, swap ? x : y };
}

static bool is_listed(const struct checking *c, const struct claim *claim)
{
	return c->model->services.items[claim->owner].capture->inbound == INBOUND_LIST;
}

/* Claims are sorted: equal ones are neighbours, and a range overlaps those that begin before the farthest end so
 * far. */
static void note_conflicts(struct checking *c)
{
	const struct claim *farthest = &c->claims.items[0];

	for (size_t i = 1; i < c->claims.n; i++) {
		const struct claim *last = &c->claims.items[i - 1], *claim = &c->claims.items[i];

		if (claim->what != CLAIM_CAPTURED) {
			if (!same_thing(last, claim))
				note_conflict(c, last, claim);
			farthest = claim;
			continue;
		}
		/* The same port of two services is a conflict of ports already. */
		if (!same_place(farthest, claim) && claim->number <= farthest->last &&
			(claim->number != claim->last || farthest->number != farthest->last ||
				is_listed(c, claim) || is_listed(c, farthest)))
			note_conflict(c, farthest, claim);
		if (same_place(farthest, claim) || claim->last > farthest->last)
			farthest = claim;
	}
}

static void check_node(struct checking *c, const struct mesh_node *node)
{
	struct placed placed = place_of(c->model, node);
	size_t n;

	for (size_t i = 0; i < placed.n_services; i++)
		if (!placed.services[i]->broken)
			claim_service(c, placed.services[i], node);
	for (size_t i = 0; i < placed.n_components; i++)
		if (!placed.components[i]->broken)
			claim_component(c, placed.components[i], node);
	if (!c->claims.n)
		return;
	qsort(c->claims.items, c->claims.n, sizeof(*c->claims.items), by_claim);
	note_conflicts(c);
	if (!c->conflicts.n)
		return;
	qsort(c->conflicts.items, c->conflicts.n, sizeof(*c->conflicts.items), by_pair);
	for (size_t i = 0; i < c->conflicts.n; i += n) {
		const struct conflict *first = &c->conflicts.items[i];

		for (n = 1; i + n < c->conflicts.n && first[n].a == first->a && first[n].b == first->b;)
			n++;
		report(c, first, n, node);
	}
}

static void add_owners(struct checking *c)
{
	const struct model *m = c->model;
	size_t n = m->services.n;

	c->owners = arena_alloc(c->arena, (2 * n + m->components.n) * sizeof(*c->owners));
	for (size_t i = 0; i < n; i++) {
		c->owners[i].root = c->owners[n + i].root = m->services.items[i].node;
		c->owners[n + i].sidecar = m->services.items[i].sidecar;
	}
	for (size_t i = 0; i < m->components.n; i++)
		c->owners[2 * n + i].root = m->components.items[i].node;
}

void conflict_check(const struct model *m, struct arena *a, struct diags *d)
{
	struct checking c = { .model = m, .arena = a, .diags = d };

	add_owners(&c);
	vec_each (node, &m->nodes) {
		if (!node->broken)
			check_node(&c, node);
		arena_finish(&c.scratch);
		memset(&c.claims, 0, sizeof(c.claims));
		memset(&c.conflicts, 0, sizeof(c.conflicts));
	}
}
