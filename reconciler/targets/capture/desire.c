#include "targets/capture/compile.h"
#include "targets/capture/state.h"

const struct state *capture_desire(const struct site *site, struct arena *a)
{
	struct state *state = arena_new(a, struct state);

	if (site)
		compile_site(site, a, &state->rules);
	return state;
}

static const struct node *describe(const struct state *want, struct arena *a)
{
	struct node *n = arena_new(a, struct node);

	node_set_text(a, n, print_ruleset(&want->rules, a));
	return n;
}

const struct target target_capture = {
	.name = "capture",
	.desire = capture_desire,
	.observe = capture_observe,
	.diff = capture_diff,
	.apply = capture_apply,
	.record = capture_record,
	.describe = describe,
};
