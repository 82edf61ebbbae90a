#include "objects_case.h"

#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/str.h"
#include "targets/objects/inventory.h"

/* "add WorkloadEntry/ns/a new": a line a change, in the plan's order. */
static const char *diff(const struct state *want, const struct state *live, struct applied *last)
{
	struct plan plan = { .arena = &arena };
	struct str out = { .arena = &arena };

	objects_diff(want, live, last, &plan);
	plan_order(&plan);
	vec_each (c, &plan.changes) {
		assert_int_equal(c->phase, PHASE_OBJECTS);
		assert_true(c->target == &target_objects);
		assert_true(c->action == ACTION_ADD      ? !c->before && c->after
			    : c->action == ACTION_REMOVE ? c->before && !c->after
							 : c->before && c->after);
		str_printf(&out, "%s %s %s\n", action_word(c->action),
			strrchr(arena_strndup(&arena, c->address, (size_t)(strrchr(c->address, '/') - c->address)),
				'/')
				? strchr(c->address + strlen("objects/"), '/') + 1
				: c->address,
			cause_word(c->cause));
	}
	return str_text(&out);
}

/* The set's parent is there, and says who is a member now. */
static void settle(struct state *live, size_t set)
{
	struct applyset *s = &live->sets.items[set];
	struct inventory now = { 0 };

	inventory_now(live, set, &arena, &now);
	s->exists = true;
	s->parent = inventory_parent(s, &now, &arena);
	s->inventory = now;
}

static void test_nothing_differs(void **state)
{
	struct state *live = case_live();

	(void)state;
	case_object(live, "a", FATE_KEEP, "u1");
	settle(live, 0);
	assert_string_equal(diff(live, live, NULL), "");
}

static void test_an_empty_set_needs_no_parent(void **state)
{
	struct state *live = case_live();

	(void)state;
	assert_string_equal(diff(live, live, NULL), "");
	settle(live, 0);
	assert_string_equal(diff(live, live, NULL), "remove ConfigMap/ns/enmesh-mesh-m orphan\n");
}

static void test_the_parent_comes_before_its_first_member_and_goes_after_the_last(void **state)
{
	struct state *live = case_live();

	(void)state;
	case_object(live, "a", FATE_APPLY, NULL);
	assert_string_equal(
		diff(live, live, NULL), "add ConfigMap/ns/enmesh-mesh-m new\nadd WorkloadEntry/ns/a new\n");
	live = case_live();
	case_object(live, "a", FATE_PRUNE, "u1");
	settle(live, 0);
	assert_string_equal(diff(live, live, NULL),
		"remove WorkloadEntry/ns/a orphan\nremove ConfigMap/ns/enmesh-mesh-m orphan\n");
}

static void test_the_parent_follows_its_members_silently(void **state)
{
	struct state *live = case_live();

	(void)state;
	case_object(live, "a", FATE_KEEP, "u1");
	case_object(live, "b", FATE_PRUNE, "u2");
	settle(live, 0);
	case_object(live, "c", FATE_APPLY, NULL);
	assert_string_equal(
		diff(live, live, NULL), "add WorkloadEntry/ns/c new\nremove WorkloadEntry/ns/b orphan\n");
}

static void test_a_parent_that_is_wrong_by_itself_is_repaired(void **state)
{
	struct state *live = case_live();

	(void)state;
	case_object(live, "a", FATE_KEEP, "u1");
	settle(live, 0);
	live->sets.items[0].inventory.members.items[0].uid = "other";
	assert_string_equal(diff(live, live, NULL), "change ConfigMap/ns/enmesh-mesh-m drift\n");
	settle(live, 0);
	live->sets.items[0].parent = case_json("{}");
	assert_string_equal(diff(live, live, NULL), "change ConfigMap/ns/enmesh-mesh-m drift\n");
}

static void test_the_last_pass_tells_drift_from_change(void **state)
{
	struct state *live = case_live();
	struct object *o = case_object(live, "a", FATE_APPLY, "u1");
	struct applied last = { .arena = &arena };
	const char *address = object_address(&o->id, &arena), *text = json_write(o->body, JSON_ONE_LINE, &arena);

	(void)state;
	settle(live, 0);
	assert_string_equal(diff(live, live, &last), "change WorkloadEntry/ns/a new\n");
	applied_add(&last, address, "another digest");
	assert_string_equal(diff(live, live, &last), "change WorkloadEntry/ns/a changed\n");
	last = (struct applied){ .arena = &arena };
	applied_add(&last, address, digest_of(text, strlen(text), &arena));
	assert_string_equal(diff(live, live, &last), "change WorkloadEntry/ns/a drift\n");
}

static void test_what_is_refused_is_left_out_unless_it_is_a_conflict(void **state)
{
	struct state *live = case_live();

	(void)state;
	case_object(live, "a", FATE_REFUSED, "u1");
	case_object(live, "b", FATE_REFUSED, "u2")->conflicts = true;
	settle(live, 0);
	assert_string_equal(diff(live, live, NULL), "change WorkloadEntry/ns/b new\n");
}

static void test_namespaces_and_definitions_come_first(void **state)
{
	struct state *live = case_live();
	struct object *o;

	(void)state;
	case_object(live, "a", FATE_APPLY, NULL);
	o = case_object(live, "d", FATE_APPLY, NULL);
	o->id.group = "apiextensions.k8s.io";
	o->id.kind = "CustomResourceDefinition";
	o->id.namespace = o->namespace = "";
	o = case_object(live, "n", FATE_APPLY, NULL);
	o->id.group = "";
	o->id.kind = "Namespace";
	o->id.namespace = o->namespace = "";
	assert_string_equal(diff(live, live, NULL),
		"add Namespace/n new\nadd ConfigMap/ns/enmesh-mesh-m new\nadd CustomResourceDefinition/d new\n"
		"add WorkloadEntry/ns/a new\n");
}

static struct state *with_former_set(struct state *live)
{
	struct applyset *set = vec_push(&arena, &live->sets);

	*set = (struct applyset){ .kind = SET_MESH, .namespace = "old", .name = "enmesh-mesh-m" };
	set->id = inventory_set_id("old", set->name, &arena);
	return live;
}

static void test_a_former_set_goes_when_its_members_have_moved(void **state)
{
	struct state *live = with_former_set(case_live());

	(void)state;
	case_object(live, "a", FATE_APPLY, "u1")->labelled = 1;
	settle(live, 1);
	assert_string_equal(diff(live, live, NULL), "add ConfigMap/ns/enmesh-mesh-m new\nchange "
						    "WorkloadEntry/ns/a new\nremove ConfigMap/old/enmesh-mesh-m "
						    "orphan\n");
}

static void test_a_former_set_stays_while_something_is_kept_in_it(void **state)
{
	struct state *live = with_former_set(case_live());
	struct object *o = case_object(live, "a", FATE_KEEP, "u1");

	(void)state;
	o->set = o->labelled = 1;
	settle(live, 1);
	assert_string_equal(diff(live, live, NULL), "");
}

static void test_cleanup_takes_parents_and_record_last(void **state)
{
	struct state *live = with_former_set(case_live());
	struct state want = { .cleanup = true };
	struct object *o;

	(void)state;
	live->sets.items[0].wanted = false;
	live->remembered = true;
	case_object(live, "a", FATE_PRUNE, "u1");
	o = case_object(live, "kept", FATE_KEEP, "u2");
	o->set = o->labelled = 1;
	settle(live, 0);
	settle(live, 1);
	assert_string_equal(diff(&want, live, NULL),
		"remove WorkloadEntry/ns/a orphan\nremove ConfigMap/ns/enmesh-mesh-m orphan\n"
		"remove ConfigMap/old/enmesh-mesh-m orphan\nremove objects/record orphan\n");
}

static void test_nothing_to_clean_up(void **state)
{
	struct state want = { .cleanup = true }, live = { .cleanup = true };

	(void)state;
	assert_string_equal(diff(&want, &live, NULL), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_differs, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_an_empty_set_needs_no_parent, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_the_parent_comes_before_its_first_member_and_goes_after_the_last, case_start,
			case_finish),
		cmocka_unit_test_setup_teardown(
			test_the_parent_follows_its_members_silently, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_a_parent_that_is_wrong_by_itself_is_repaired, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_the_last_pass_tells_drift_from_change, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_what_is_refused_is_left_out_unless_it_is_a_conflict, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_namespaces_and_definitions_come_first, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_a_former_set_goes_when_its_members_have_moved, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_a_former_set_stays_while_something_is_kept_in_it, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_cleanup_takes_parents_and_record_last, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_nothing_to_clean_up, case_start, case_finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
