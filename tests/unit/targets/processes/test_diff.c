#include "case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct made made;
static const struct state *want;
static struct state live;
static struct applied last;

static int set_up(void **state)
{
	(void)state;
	made_init(&made);
	want = made_desire(&made);
	live = (struct state){ 0 };
	last = (struct applied){ .arena = &made.arena };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_finish(&made.arena);
	return 0;
}

static struct file *live_file(const char *path, const char *content)
{
	struct file *f = vec_push(&made.arena, &live.files);

	*f = (struct file){
		.path = path,
		.content = { content, strlen(content) },
		.digest = "d",
		.mode = 0644,
		.user = { .known = true, .number = 1337 },
		.group = { .known = true, .number = 1337 },
		.ours = true,
	};
	return f;
}

static struct group *live_group(const char *process, const char *name)
{
	struct unit *u = NULL;
	struct group *g;

	vec_each (it, &live.units)
		if (!strcmp(it->name, process))
			u = it;
	if (!u) {
		u = vec_push(&made.arena, &live.units);
		u->name = process;
	}
	g = vec_push(&made.arena, &u->live);
	*g = (struct group){ .name = name, .populated = true, .runs = true };
	return g;
}

static struct group *live_wanted(void)
{
	struct group *g = live_group("component-etcd", want->units.items[0].group_name);

	g->record = want->units.items[0].record;
	return g;
}

static struct plan plan;

static void expect_plan(const char *expected)
{
	char text[1024] = "";

	plan = (struct plan){ .arena = &made.arena };
	processes_diff(want, &live, &last, &plan);
	plan_order(&plan);
	vec_each (c, &plan.changes) {
		size_t n = strlen(text);

		snprintf(text + n, sizeof(text) - n, "%s%s %s %s%s%s", n ? "; " : "", action_word(c->action),
			c->address + strlen("processes/"), cause_word(c->cause), c->cost ? " " : "",
			c->cost ? cost_word(c->cost) : "");
	}
	assert_string_equal(text, expected);
}

static void test_nothing_there_is_new(void **state)
{
	(void)state;
	expect_plan("add file/etc/etcd.conf new; add component-etcd new");
}

static void test_nothing_there_that_was_there_is_drift(void **state)
{
	(void)state;
	processes_record(want, &last);
	expect_plan("add file/etc/etcd.conf drift; add component-etcd drift");
}

static void test_alike_is_nothing_to_do(void **state)
{
	(void)state;
	live_file("/etc/etcd.conf", "one\n");
	live_wanted();
	expect_plan("");
}

static void test_another_spec_in_the_source_is_changed(void **state)
{
	(void)state;
	live_file("/etc/etcd.conf", "zero\n");
	live_group("component-etcd", "00000000000000000000000000000000");
	applied_add(&last, "processes/component-etcd", "before");
	applied_add(&last, "processes/file/etc/etcd.conf", "before");
	expect_plan("change file/etc/etcd.conf changed; change component-etcd changed restart");
}

static void test_another_spec_than_was_applied_is_drift(void **state)
{
	(void)state;
	processes_record(want, &last);
	live_file("/etc/etcd.conf", "edited\n");
	live_group("component-etcd", "00000000000000000000000000000000");
	expect_plan("change file/etc/etcd.conf drift; change component-etcd drift restart");
}

static void test_mode_and_owner_count(void **state)
{
	(void)state;
	live_wanted();
	live_file("/etc/etcd.conf", "one\n")->mode = 0600;
	expect_plan("change file/etc/etcd.conf new");
	live.files.items[0].mode = 0644;
	live.files.items[0].user.number = 0;
	expect_plan("change file/etc/etcd.conf new");
}

static void test_what_is_not_wanted_is_orphan_or_drift(void **state)
{
	(void)state;
	want = processes_desire(NULL, &made.arena);
	live_file("/etc/etcd.conf", "one\n");
	live_file("/etc/other", "x");
	live_file("/etc/theirs", "x")->ours = false;
	live_group("component-etcd", "0");
	live_group("component-other", "0");
	applied_add(&last, "processes/component-etcd", "d");
	applied_add(&last, "processes/file/etc/etcd.conf", "d");
	expect_plan(
		"remove component-etcd orphan; remove component-other drift; remove file/etc/etcd.conf orphan; "
		"remove file/etc/other drift");
}

static void test_sidecars_stop_together_and_first_and_then_the_last_component(void **state)
{
	(void)state;
	want = processes_desire(NULL, &made.arena);
	live_group("component-a", "0")->made = 2;
	live_group("component-b", "0")->made = 3;
	live_group("sidecar-x.y", "0")->made = 1;
	live_group("sidecar-x.z", "0")->made = 4;
	expect_plan("remove sidecar-x.z drift; remove sidecar-x.y drift; remove component-b drift; "
		    "remove component-a drift");
	assert_int_equal(plan.changes.items[0].rank, plan.changes.items[1].rank);
	assert_true(plan.changes.items[1].rank < plan.changes.items[2].rank);
	assert_true(plan.changes.items[2].rank < plan.changes.items[3].rank);
}

static void test_a_group_whose_main_process_has_ended_is_restarted(void **state)
{
	struct group *g = live_wanted();

	(void)state;
	live_file("/etc/etcd.conf", "one\n");
	g->runs = false;
	g->ended = true;
	expect_plan("change component-etcd new restart");
	g->populated = false;
	expect_plan("add component-etcd new");
}

static void test_what_a_pass_began_to_end_is_restarted(void **state)
{
	(void)state;
	live_file("/etc/etcd.conf", "one\n");
	live_wanted()->ending = true;
	expect_plan("change component-etcd new restart");
}

static void test_another_way_to_end_is_noted_in_place(void **state)
{
	(void)state;
	processes_record(want, &last);
	live_file("/etc/etcd.conf", "one\n");
	live_wanted()->record = "{\"stopSeconds\":1}";
	expect_plan("change component-etcd drift");
	live.units.items[0].live.items[0].record = NULL; /* the kernel keeps none */
	expect_plan("");
}

static void test_a_second_instance_is_removed_in_place(void **state)
{
	(void)state;
	processes_record(want, &last);
	live_file("/etc/etcd.conf", "one\n");
	live_wanted();
	live_group("component-etcd", "00000000000000000000000000000000");
	expect_plan("change component-etcd drift");
}

static void test_a_blocked_file_leaves_its_process_as_it_is(void **state)
{
	(void)state;
	live_file("/etc/etcd.conf", "theirs")->blocked = true;
	expect_plan("");
	live_group("component-etcd", "00000000000000000000000000000000");
	expect_plan("");
}

static void test_a_lower_rank_comes_first(void **state)
{
	struct process second = made.process, *first = &made.process;

	(void)state;
	second.name = "component-early";
	second.files.n = 0;
	first->rank = 1;
	*vec_push(&made.arena, &made.site.processes) = &second;
	want = made_desire(&made);
	live_file("/etc/etcd.conf", "one\n");
	expect_plan("add component-early new; add component-etcd new");
	first->rank = 0;
	second.rank = 1;
	expect_plan("add component-etcd new; add component-early new");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_there_is_new),
		TEST(test_nothing_there_that_was_there_is_drift),
		TEST(test_alike_is_nothing_to_do),
		TEST(test_another_spec_in_the_source_is_changed),
		TEST(test_another_spec_than_was_applied_is_drift),
		TEST(test_mode_and_owner_count),
		TEST(test_what_is_not_wanted_is_orphan_or_drift),
		TEST(test_sidecars_stop_together_and_first_and_then_the_last_component),
		TEST(test_a_group_whose_main_process_has_ended_is_restarted),
		TEST(test_what_a_pass_began_to_end_is_restarted),
		TEST(test_another_way_to_end_is_noted_in_place),
		TEST(test_a_second_instance_is_removed_in_place),
		TEST(test_a_blocked_file_leaves_its_process_as_it_is),
		TEST(test_a_lower_rank_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
