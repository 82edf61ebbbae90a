#include "objects_case.h"

#include <string.h>

#include "targets/objects/prune.h"

/* A set of `all` members, `going` of which are no longer wanted. */
static struct state *set_of(size_t all, size_t going)
{
	struct state *live = case_live();

	for (size_t i = 0; i < all; i++) {
		const char *name = arena_printf(&arena, "e%zu", i);

		case_member(live, name, "u");
		case_object(live, name, i < going ? FATE_PRUNE : FATE_KEEP, "u");
	}
	return live;
}

static size_t left(const struct state *live)
{
	size_t n = 0;

	vec_each (o, &live->objects)
		n += o->fate == FATE_PRUNE;
	return n;
}

static void test_the_brake_is_put_on_above_half_and_above_three(void **state)
{
	static const struct {
		size_t all, going;
		bool brakes;
	} cases[] = {
		{ 100, 0, false },
		{ 100, 49, false },
		{ 100, 50, false },
		{ 100, 51, true },
		{ 100, 100, true },
		{ 1, 1, false },
		{ 3, 3, false },
		{ 4, 3, false },
		{ 4, 4, true },
		{ 5, 4, true },
		{ 7, 4, true },
		{ 8, 4, false },
		{ 9, 5, true },
		{ 10, 5, false },
	};

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		struct state *live = set_of(cases[i].all, cases[i].going);
		bool ok = prune_decide(live, &(struct prune_policy){ .allowed = true }, &diags);

		if (ok == cases[i].brakes || left(live) != (cases[i].brakes ? 0 : cases[i].going))
			fail_msg("%zu of %zu", cases[i].going, cases[i].all);
	}
}

static void test_the_brake_counts_each_set_by_itself(void **state)
{
	struct state *live = set_of(100, 40);
	struct applyset *other = vec_push(&arena, &live->sets);

	(void)state;
	*other = live->sets.items[0];
	other->name = "enmesh-node-x";
	other->inventory.members.n = 4;
	for (int i = 0; i < 4; i++)
		case_object(live, "x", FATE_PRUNE, "u")->set = 1;
	assert_false(prune_decide(live, &(struct prune_policy){ .allowed = true }, &diags));
	assert_int_equal(left(live), 40);
	assert_non_null(strstr(case_diags(), "4 of the 4 objects of enmesh-node-x"));
}

static void test_nothing_goes_while_what_is_wanted_is_refused(void **state)
{
	struct state *live = set_of(8, 2);

	(void)state;
	case_object(live, "new", FATE_REFUSED, NULL);
	assert_true(prune_decide(live, &(struct prune_policy){ .allowed = true }, &diags));
	assert_int_equal(left(live), 0);
	assert_non_null(strstr(case_diags(), "stay until all that is wanted can be applied: "));
}

static void test_the_brake_names_ten_and_counts_the_rest(void **state)
{
	(void)state;
	assert_false(prune_decide(set_of(20, 13), &(struct prune_policy){ .allowed = true }, &diags));
	assert_non_null(strstr(case_diags(), "WorkloadEntry ns/e9 and 3 more;"));
	assert_null(strstr(case_diags(), "ns/e10"));
	assert_non_null(strstr(case_diags(), "--allow-mass-prune"));
}

static void test_the_brake_can_be_taken_off(void **state)
{
	struct state *live = set_of(20, 20);

	(void)state;
	assert_true(prune_decide(live, &(struct prune_policy){ .allowed = true, .mass = true }, &diags));
	assert_int_equal(left(live), 20);
	assert_int_equal(diags.list.n, 0);
}

static void test_without_pruning_everything_stays_with_a_warning(void **state)
{
	struct state *live = set_of(20, 20);

	(void)state;
	assert_true(prune_decide(live, &(struct prune_policy){ .mass = true }, &diags));
	assert_int_equal(left(live), 0);
	assert_int_equal(diags.list.n, 1);
	assert_int_equal(diags.errors, 0);
}

static void test_some_objects_are_never_deleted(void **state)
{
	static const struct {
		const char *group, *kind, *before, *why;
		bool owned;
	} cases[] = {
		{ "", "Namespace", "{}", "takes other objects along", false },
		{ "apiextensions.k8s.io", "CustomResourceDefinition", "{}", "takes other objects along", false },
		{ "x", "Namespace", "{}", NULL, false },
		{ "x", "Y", "{\"metadata\":{\"annotations\":{\"enmesh.io/prune\":\"disabled\"}}}",
			"enmesh.io/prune", false },
		{ "x", "Y", "{\"metadata\":{\"annotations\":{\"enmesh.io/prune\":\"enabled\"}}}", NULL, false },
		{ "x", "Y", "{}", "ownerReferences", true },
	};

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		struct object o = { .id = { cases[i].group, cases[i].kind, "", "n" },
			.before = case_json(cases[i].before) };
		const char *why = prune_obstacle(&o, cases[i].owned);

		if (cases[i].why)
			assert_non_null(strstr(why, cases[i].why));
		else
			assert_null(why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_the_brake_is_put_on_above_half_and_above_three, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_the_brake_counts_each_set_by_itself, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_nothing_goes_while_what_is_wanted_is_refused, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_the_brake_names_ten_and_counts_the_rest, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_the_brake_can_be_taken_off, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_without_pruning_everything_stays_with_a_warning, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_some_objects_are_never_deleted, case_start, case_finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
