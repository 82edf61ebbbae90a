#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/netns.h"
#include "targets/capture/compile.h"
#include "targets/capture/hold.h"
#include "targets/capture/state.h"

const struct space *state_space(const struct state *s, const char *netns)
{
	vec_each (space, &s->spaces)
		if (netns_same(space->netns, netns))
			return space;
	return NULL;
}

static int by_path(const void *left, const void *right)
{
	const struct space *a = left, *b = right;

	return netns_compare(a->netns, b->netns);
}

/* The one of that namespace, which is made if it is not there. */
static struct space *add_space(struct state *s, const char *netns, struct arena *a)
{
	struct space *space;

	vec_each (known, &s->spaces)
		if (netns_same(known->netns, netns))
			return known;
	space = vec_push(a, &s->spaces);
	space->netns = netns;
	return space;
}

static void add_routes(struct space *space, const struct mesh_capture *capture, struct arena *a)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct route r = { ROUTE_TABLE, v6 ? AF_INET6 : AF_INET, capture->tproxy_table, 0, 0 };

		if (!(v6 ? capture->ipv6 : capture->ipv4))
			continue;
		*vec_push(a, &space->routes.list) = r;
		r.kind = ROUTE_RULE;
		r.mark = capture->tproxy_mark;
		r.priority = ROUTE_RULE_PRIORITY;
		*vec_push(a, &space->routes.list) = r;
	}
}

static void add_problem(struct state *s, const struct workload *w, const struct site *site, struct arena *a)
{
	const struct mesh_service *service = w->service;
	const struct fact_cgroup *cgroup = service->cgroup ? facts_cgroup(&site->facts, service->cgroup) : NULL;

	if (!w->capture || w->capture->mode == CAPTURE_NONE || !cgroup || cgroup->found)
		return;
	*vec_push(a, &s->problems) = (struct problem){
		node_path(service->node, "spec", "runAs", "cgroup", NULL),
		arena_printf(a,
			"there is no cgroup '%s' on this machine: what runs there later is not captured before "
			"the next pass; "
			"name one that lasts, such as a slice",
			service->cgroup),
	};
}

static void add_workload(struct state *s, const struct site *site, const struct workload *w, struct arena *a)
{
	struct space *space;

	add_problem(s, w, site, a);
	if (!compile_captures(site, w))
		return;
	space = add_space(s, w->service->netns, a);
	space->origin = w->service->node;
	if (w->capture->mode == CAPTURE_TPROXY)
		add_routes(space, w->capture, a);
}

const struct state *capture_desire(const struct site *site, struct arena *a)
{
	struct state *state = arena_new(a, struct state);

	add_space(state, NULL, a);
	if (!site)
		return state;
	state->node = site->node;
	vec_each (w, &site->workloads)
		add_workload(state, site, w, a);
	qsort(state->spaces.items, state->spaces.n, sizeof(*state->spaces.items), by_path);
	vec_each (space, &state->spaces) {
		compile_site(site, space->netns, a, &space->rules);
		routes_normalize(&space->routes);
	}
	return state;
}

/* A namespace that only one of the two has is looked at, too. */
const struct state *capture_imagine(const struct state *was, const struct state *want, struct arena *a)
{
	struct state *live = arena_new(a, struct state);

	vec_each (space, &was->spaces)
		*vec_push(a, &live->spaces) = *space;
	vec_each (space, &want->spaces)
		if (!state_space(was, space->netns))
			*vec_push(a, &live->spaces) = (struct space){ .netns = space->netns };
	return live;
}

static void describe_space(const struct space *space, struct node *list, struct arena *a)
{
	struct node *n;
	struct node *routes;

	if (!space->rules.present && !space->routes.list.n)
		return;
	n = node_add_map(a, list);
	node_put_text(a, n, "networkNamespace", space->netns);
	node_put_text(a, n, "nft", print_ruleset(&space->rules, a));
	routes = node_put_list(a, n, "routes");
	vec_each (r, &space->routes.list)
		node_add_text(a, routes, route_text(r, a));
}

static bool is_simple(const struct state *want)
{
	return want->spaces.n == 1 && !want->spaces.items[0].routes.list.n;
}

/* Rules alone are a text; with routes, or in several namespaces, a list of maps with the text as `nft`. */
static const struct node *describe(const struct state *want, struct arena *a)
{
	struct node *n = arena_new(a, struct node);

	if (is_simple(want)) {
		node_set_text(a, n, print_ruleset(&want->spaces.items[0].rules, a));
		return n;
	}
	n->type = NODE_LIST;
	vec_each (space, &want->spaces)
		describe_space(space, n, a);
	return n;
}

const struct target target_capture = {
	.name = "capture",
	.desire = capture_desire,
	.observe = capture_observe,
	.imagine = capture_imagine,
	.diff = capture_diff,
	.apply = capture_apply,
	.record = capture_record,
	.watch = hold_wait,
	.describe = describe,
	.trace = capture_trace,
	.survey = capture_survey,
	.verify = capture_verify,
};
