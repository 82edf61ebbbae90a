#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_target.h"

static int start(void **state)
{
	static struct fake_pass f;

	fake_start(&f);
	*state = &f;
	return 0;
}

static int finish(void **state)
{
	fake_finish(*state);
	return 0;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static enum result result_of(const struct fake_pass *f, const char *address)
{
	vec_each (c, &f->pass.plan.changes)
		if (!strcmp(c->address, address))
			return c->result;
	fail_msg("no change of %s", address);
	return RESULT_NONE;
}

static enum cause cause_of(const struct fake_pass *f, const char *address)
{
	vec_each (c, &f->pass.plan.changes)
		if (!strcmp(c->address, address))
			return c->cause;
	fail_msg("no change of %s", address);
	return CAUSE_NEW;
}

static void test_node_in_sync_is_not_applied(void **state)
{
	struct fake_pass *f = *state;

	alpha.want[0] = alpha.live[0] = (struct fake_item){ "alpha/a", "1", PHASE_CAPTURE };
	assert_int_equal(pass_run(&f->pass), OUTCOME_IN_SYNC);
	assert_string_equal(fake_log, "observe alpha\nobserve beta\nawait beta\n");
	assert_int_equal(f->diags.list.n, 0);
}

static void test_readiness_knows_whether_anything_was_changed(void **state)
{
	struct fake_pass *f = *state;

	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_CAPTURE };
	assert_int_equal(pass_run(&f->pass), OUTCOME_CONVERGED);
	assert_false(beta.awaited_fresh);
	fake_again(f);
	assert_int_equal(pass_run(&f->pass), OUTCOME_IN_SYNC);
	assert_true(beta.awaited_fresh);
}

static void test_what_was_learnt_is_kept_unless_by_a_dry_run(void **state)
{
	struct fake_pass *f = *state;

	f->pass.dry_run = true;
	assert_int_equal(pass_run(&f->pass), OUTCOME_IN_SYNC);
	assert_int_equal(alpha.remembered + beta.remembered, 0);
	fake_again(f);
	beta.unreadable = 9;
	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_CAPTURE };
	alpha.broken = "alpha/a";
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_int_equal(alpha.remembered, 1);
	assert_int_equal(beta.remembered, 0);
}

static void test_second_pass_does_nothing(void **state)
{
	struct fake_pass *f = *state;
	struct stat before, after;
	char record[192];

	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_CAPTURE };
	beta.want[0] = (struct fake_item){ "beta/b", "1", PHASE_PROCESSES };
	assert_int_equal(pass_run(&f->pass), OUTCOME_CONVERGED);
	snprintf(record, sizeof(record), "%s/applied.json", f->state);
	assert_int_equal(stat(record, &before), 0);
	fake_again(f);
	assert_int_equal(pass_run(&f->pass), OUTCOME_IN_SYNC);
	assert_int_equal(alpha.applied + beta.applied, 0);
	assert_int_equal(stat(record, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void test_changes_run_in_the_order_of_phases(void **state)
{
	struct fake_pass *f = *state;

	alpha.want[0] = (struct fake_item){ "alpha/objects", "1", PHASE_OBJECTS };
	alpha.want[1] = (struct fake_item){ "alpha/rule", "1", PHASE_CAPTURE };
	alpha.want[2] = (struct fake_item){ "alpha/rule2", "1", PHASE_CAPTURE };
	beta.want[0] = (struct fake_item){ "beta/process", "1", PHASE_PROCESSES };
	beta.want[1] = (struct fake_item){ "beta/file", "1", PHASE_FILES };
	beta.live[0] = (struct fake_item){ "beta/old", "1", PHASE_FILES };
	assert_int_equal(pass_run(&f->pass), OUTCOME_CONVERGED);
	assert_string_equal(fake_log, "observe alpha\nobserve beta\n"
				      "apply beta: beta/file\n"
				      "apply alpha: alpha/rule alpha/rule2\n"
				      "apply beta: beta/process\n"
				      "apply alpha: alpha/objects\n"
				      "apply beta: beta/old\n"
				      "await beta\n");
}

static void test_unknown_target_does_not_stop_the_others(void **state)
{
	struct fake_pass *f = *state;

	alpha.unreadable = 9;
	beta.want[0] = (struct fake_item){ "beta/b", "1", PHASE_PROCESSES };
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_int_equal(result_of(f, "beta/b"), RESULT_DONE);
	assert_int_equal(f->pass.plan.unknown.n, 1);
	assert_string_equal(f->pass.plan.unknown.items[0]->name, "alpha");
	assert_int_equal(f->diags.errors, 1);
	assert_true(fake_has_error(f, "alpha cannot be read"));
}

static void test_unknown_target_is_looked_at_again_after_changes(void **state)
{
	struct fake_pass *f = *state;

	alpha.unreadable = 1;
	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_OBJECTS };
	beta.want[0] = (struct fake_item){ "beta/b", "1", PHASE_PROCESSES };
	assert_int_equal(pass_run(&f->pass), OUTCOME_CONVERGED);
	assert_string_equal(fake_log, "observe alpha\nobserve beta\napply beta: beta/b\nawait beta\n"
				      "observe alpha\napply alpha: alpha/a\n");
	assert_int_equal(f->pass.plan.unknown.n, 0);
	assert_int_equal(f->diags.list.n, 0);
}

static void test_unknown_target_is_not_looked_at_again_if_nothing_happened(void **state)
{
	struct fake_pass *f = *state;

	alpha.unreadable = 1;
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_int_equal(alpha.observed, 1);
}

static void test_flawed_target_is_applied_but_not_recorded(void **state)
{
	struct fake_pass *f = *state;

	alpha.flawed = true;
	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_CAPTURE };
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_int_equal(result_of(f, "alpha/a"), RESULT_DONE);
	assert_int_equal(f->diags.errors, 1);
	alpha.live[0].value = "by hand";
	fake_again(f);
	f->pass.dry_run = true;
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_int_equal(cause_of(f, "alpha/a"), CAUSE_NEW);
}

static void test_after_a_failed_change_its_target_takes_nothing_away(void **state)
{
	struct fake_pass *f = *state;

	alpha.broken = "alpha/file";
	alpha.want[0] = (struct fake_item){ "alpha/file", "1", PHASE_FILES };
	alpha.want[1] = (struct fake_item){ "alpha/file2", "1", PHASE_FILES };
	alpha.want[2] = (struct fake_item){ "alpha/process", "1", PHASE_PROCESSES };
	alpha.live[0] = (struct fake_item){ "alpha/old", "1", PHASE_STOP };
	beta.want[0] = (struct fake_item){ "beta/b", "1", PHASE_PROCESSES };
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_int_equal(result_of(f, "alpha/file"), RESULT_FAILED);
	assert_int_equal(result_of(f, "alpha/file2"), RESULT_SKIPPED);
	assert_int_equal(result_of(f, "alpha/process"), RESULT_DONE);
	assert_int_equal(result_of(f, "alpha/old"), RESULT_SKIPPED);
	assert_int_equal(result_of(f, "beta/b"), RESULT_DONE);
	assert_int_equal(f->diags.errors, 1);
}

static void test_failure_without_a_message_gets_one(void **state)
{
	struct fake_pass *f = *state;

	alpha.broken = "alpha/a";
	alpha.silent = true;
	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_FILES };
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_true(fake_has_error(f, "alpha: not all changes were made"));
}

static void test_failed_target_keeps_its_old_record(void **state)
{
	struct fake_pass *f = *state;

	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_CAPTURE };
	beta.want[0] = (struct fake_item){ "beta/b", "1", PHASE_PROCESSES };
	assert_int_equal(pass_run(&f->pass), OUTCOME_CONVERGED);

	/* Both want something else now; alpha fails, so to it the old one is still what was applied last. */
	alpha.want[0].value = beta.want[0].value = "2";
	alpha.broken = "alpha/a";
	fake_again(f);
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);

	alpha.broken = NULL;
	beta.live[0].value = "by hand";
	fake_again(f);
	assert_int_equal(pass_run(&f->pass), OUTCOME_CONVERGED);
	assert_int_equal(cause_of(f, "alpha/a"), CAUSE_CHANGED);
	assert_int_equal(cause_of(f, "beta/b"), CAUSE_DRIFT);
}

static void test_cause_is_new_then_drift(void **state)
{
	struct fake_pass *f = *state;

	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_CAPTURE };
	pass_run(&f->pass);
	assert_int_equal(cause_of(f, "alpha/a"), CAUSE_NEW);
	alpha.live[0] = (struct fake_item){ 0 };
	fake_again(f);
	pass_run(&f->pass);
	assert_int_equal(cause_of(f, "alpha/a"), CAUSE_DRIFT);
}

static bool stop_asked;

static bool stopped(void)
{
	return stop_asked;
}

static void ask_stop(void)
{
	stop_asked = true;
}

static void test_stop_ends_between_changes(void **state)
{
	struct fake_pass *f = *state;

	stop_asked = false;
	f->host.stopped = stopped;
	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_FILES };
	beta.want[0] = (struct fake_item){ "beta/b", "1", PHASE_PROCESSES };
	beta.want[1] = (struct fake_item){ "beta/c", "1", PHASE_OBJECTS };
	beta.before_apply = ask_stop;
	assert_int_equal(pass_run(&f->pass), OUTCOME_STOPPED);
	assert_int_equal(result_of(f, "alpha/a"), RESULT_DONE);
	assert_int_equal(result_of(f, "beta/b"), RESULT_SKIPPED);
	assert_int_equal(result_of(f, "beta/c"), RESULT_SKIPPED);
	assert_true(fake_has_error(f, "1 of 3 changes were made"));
	assert_int_equal(beta.awaited, 0);
}

static void test_stop_before_the_first_change_changes_nothing(void **state)
{
	struct fake_pass *f = *state;

	stop_asked = true;
	f->host.stopped = stopped;
	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_FILES };
	assert_int_equal(pass_run(&f->pass), OUTCOME_STOPPED);
	assert_string_equal(fake_log, "");
}

static void test_not_ready_in_time(void **state)
{
	struct fake_pass *f = *state;

	beta.readiness = AWAIT_NOT_READY;
	beta.want[0] = (struct fake_item){ "beta/b", "1", PHASE_PROCESSES };
	assert_int_equal(pass_run(&f->pass), OUTCOME_NOT_READY);
	/* It was applied all the same, so it is recorded. */
	fake_again(f);
	beta.live[0].value = "by hand";
	beta.readiness = AWAIT_READY;
	assert_int_equal(pass_run(&f->pass), OUTCOME_CONVERGED);
	assert_int_equal(cause_of(f, "beta/b"), CAUSE_DRIFT);
}

static void test_in_sync_but_not_ready_is_not_ready(void **state)
{
	struct fake_pass *f = *state;

	beta.readiness = AWAIT_NOT_READY;
	assert_int_equal(pass_run(&f->pass), OUTCOME_NOT_READY);
}

static void test_readiness_that_cannot_be_known_is_a_failure(void **state)
{
	struct fake_pass *f = *state;

	beta.readiness = AWAIT_FAILED;
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
}

static void test_no_wait_does_not_wait(void **state)
{
	struct fake_pass *f = *state;

	beta.readiness = AWAIT_NOT_READY;
	f->pass.wait = false;
	assert_int_equal(pass_run(&f->pass), OUTCOME_IN_SYNC);
	assert_int_equal(beta.awaited, 0);
}

static void test_dry_run_writes_nothing(void **state)
{
	struct fake_pass *f = *state;

	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_CAPTURE };
	f->pass.dry_run = true;
	assert_int_equal(pass_run(&f->pass), OUTCOME_DIFFERENT);
	assert_int_equal(alpha.applied + beta.awaited, 0);
	assert_false(exists(f->state));
	assert_false(exists(f->run));
}

static void test_dry_run_with_an_unknown_target_fails(void **state)
{
	struct fake_pass *f = *state;

	alpha.unreadable = 9;
	beta.want[0] = (struct fake_item){ "beta/b", "1", PHASE_PROCESSES };
	f->pass.dry_run = true;
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_int_equal(f->pass.plan.changes.n, 1);
	assert_int_equal(alpha.observed, 1);
}

static void test_what_stops_waits_for_an_earlier_target(void **state)
{
	struct fake_pass *f = *state;

	alpha.unreadable = 9;
	beta.want[0] = (struct fake_item){ "beta/new", "1", PHASE_PROCESSES };
	beta.live[0] = (struct fake_item){ "beta/old", "1", PHASE_PROCESSES };
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_int_equal(result_of(f, "beta/new"), RESULT_DONE);
	assert_int_equal(result_of(f, "beta/old"), RESULT_SKIPPED);
	assert_true(fake_has_error(f, "beta: what is no longer wanted was left running, since alpha"));
}

static void test_what_stops_does_not_wait_for_a_later_target(void **state)
{
	struct fake_pass *f = *state;

	alpha.live[0] = (struct fake_item){ "alpha/old", "1", PHASE_PROCESSES };
	beta.unreadable = 9;
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_int_equal(result_of(f, "alpha/old"), RESULT_DONE);
}

static void test_cleanup_removes_all_and_its_record(void **state)
{
	struct fake_pass *f = *state;
	char record[192];

	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_CAPTURE };
	pass_run(&f->pass);
	snprintf(record, sizeof(record), "%s/applied.json", f->state);
	assert_true(exists(record));
	fake_again(f);
	f->pass.cleanup = true;
	f->pass.source = NULL;
	assert_int_equal(pass_run(&f->pass), OUTCOME_CONVERGED);
	assert_null(alpha.live[0].address);
	assert_int_equal(beta.awaited, 0);
	assert_false(exists(record));
}

static void test_partial_pass_keeps_the_record_of_others(void **state)
{
	struct fake_pass *f = *state;
	const struct target *const only_beta[] = { targets_all[1], NULL };

	alpha.want[0] = (struct fake_item){ "alpha/a", "1", PHASE_CAPTURE };
	pass_run(&f->pass);
	fake_again(f);
	f->pass.targets = only_beta;
	f->pass.partial = true;
	beta.want[0] = (struct fake_item){ "beta/b", "1", PHASE_PROCESSES };
	assert_int_equal(pass_run(&f->pass), OUTCOME_CONVERGED);
	assert_int_equal(alpha.observed, 0);
	fake_again(f);
	alpha.live[0] = (struct fake_item){ 0 };
	pass_run(&f->pass);
	assert_int_equal(cause_of(f, "alpha/a"), CAUSE_DRIFT);
}

static void test_refused_source_is_not_compared(void **state)
{
	struct fake_pass *f = *state;

	fake_write(f, "mesh/bad.yaml",
		"apiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {name: vm2}\nspec: {}\n");
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_string_equal(fake_log, "");
	assert_false(f->pass.accepted);
	assert_non_null(f->pass.tree.revision);
}

static void test_source_for_another_version_says_which(void **state)
{
	struct fake_pass *f = *state;

	fake_write(f, "mesh/mesh.yaml",
		"apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: m}\nspec: {requires: \">=99.0\"}\n");
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_string_equal(fake_log, "");
	assert_int_equal(f->diags.list.n, 1);
	assert_string_equal(f->pass.upgrade_needed, ">=99.0");
}

static void test_unnamed_node_is_refused(void **state)
{
	struct fake_pass *f = *state;

	f->pass.node = "elsewhere";
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_string_equal(fake_log, "");
	assert_true(fake_has_error(f, "no MeshNode 'elsewhere'"));
}

static void test_unwritable_record_is_a_failure(void **state)
{
	struct fake_pass *f = *state;

	fake_write(f, "state", "a file where the directory should be");
	assert_int_equal(pass_run(&f->pass), OUTCOME_FAILED);
	assert_true(fake_has_error(f, "cannot be recorded"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_node_in_sync_is_not_applied),
		TEST(test_readiness_knows_whether_anything_was_changed),
		TEST(test_what_was_learnt_is_kept_unless_by_a_dry_run),
		TEST(test_second_pass_does_nothing),
		TEST(test_changes_run_in_the_order_of_phases),
		TEST(test_unknown_target_does_not_stop_the_others),
		TEST(test_unknown_target_is_looked_at_again_after_changes),
		TEST(test_unknown_target_is_not_looked_at_again_if_nothing_happened),
		TEST(test_flawed_target_is_applied_but_not_recorded),
		TEST(test_after_a_failed_change_its_target_takes_nothing_away),
		TEST(test_failure_without_a_message_gets_one),
		TEST(test_failed_target_keeps_its_old_record),
		TEST(test_cause_is_new_then_drift),
		TEST(test_stop_ends_between_changes),
		TEST(test_stop_before_the_first_change_changes_nothing),
		TEST(test_not_ready_in_time),
		TEST(test_in_sync_but_not_ready_is_not_ready),
		TEST(test_readiness_that_cannot_be_known_is_a_failure),
		TEST(test_no_wait_does_not_wait),
		TEST(test_dry_run_writes_nothing),
		TEST(test_dry_run_with_an_unknown_target_fails),
		TEST(test_what_stops_waits_for_an_earlier_target),
		TEST(test_what_stops_does_not_wait_for_a_later_target),
		TEST(test_cleanup_removes_all_and_its_record),
		TEST(test_partial_pass_keeps_the_record_of_others),
		TEST(test_refused_source_is_not_compared),
		TEST(test_source_for_another_version_says_which),
		TEST(test_unnamed_node_is_refused),
		TEST(test_unwritable_record_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
