/* The status of a node, over its passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "report/status.h"
#include "report_case.h"

static const struct node *condition(const struct node *status, const char *type)
{
	node_each (it, node_get(status, "conditions"))
		if (!strcmp(node_get_text(it, "type"), type))
			return it;
	fail_msg("no condition %s", type);
	return NULL;
}

static void expect_condition(const struct node *status, const char *type, const char *value, const char *reason)
{
	const struct node *c = condition(status, type);

	assert_string_equal(node_get_text(c, "status"), value);
	assert_string_equal(node_get_text(c, "reason"), reason);
}

static struct pass make_applied(void)
{
	struct pass p = case_pass();

	p.outcome = OUTCOME_IN_SYNC;
	p.started.tv_sec = 1700000000; /* 2023-11-14T22:13:20Z */
	vec_each (part, &p.parts) {
		part->recorded = true;
		part->awaited = part->target->await != NULL;
	}
	return p;
}

static const struct node *after(const struct pass *p, const struct node *before)
{
	const struct node *status = status_after(p, &diags, before, &arena);

	case_check("status.schema.json", status);
	assert_string_equal(node_get_text(&node_get(status, "conditions")->items[0], "type"), "Ready");
	return status;
}

static void test_status_of_a_converged_node_is_ready(void **state)
{
	struct pass p = make_applied();
	const struct node *status;

	(void)state;
	p.outcome = OUTCOME_CONVERGED;
	case_change(&p, 0, ACTION_ADD, CAUSE_NEW, "alpha/a")->result = RESULT_DONE;
	status = after(&p, NULL);
	assert_true(status_ready(status));
	expect_condition(status, "Ready", "True", "Converged");
	expect_condition(status, "SourceValid", "True", "Valid");
	expect_condition(status, "AlphaApplied", "True", "Converged");
	expect_condition(status, "BetaApplied", "True", "InSync");
	assert_string_equal(node_get_text(condition(status, "Ready"), "message"),
		"revision sha256:0123456789ab, applied at 2023-11-14T22:13:20Z");
	assert_string_equal(node_get_text(&node_get(status, "targets")->items[0], "result"), "repaired");
	assert_string_equal(node_get_text(&node_get(status, "targets")->items[1], "result"), "kept");
}

static void test_transition_time_is_kept_while_nothing_changes(void **state)
{
	struct pass p = make_applied();
	const struct node *status = after(&p, NULL);

	(void)state;
	p.started.tv_sec += 60;
	status = after(&p, status);
	assert_string_equal(
		node_get_text(condition(status, "Ready"), "lastTransitionTime"), "2023-11-14T22:13:20Z");
	assert_string_equal(node_get_text(node_get(status, "source"), "appliedAt"), "2023-11-14T22:13:20Z");
	assert_string_equal(node_get_text(node_get(status, "lastPass"), "startedAt"), "2023-11-14T22:14:20Z");

	p.parts.items[1].readiness = AWAIT_NOT_READY;
	p.parts.items[1].problem = "beta/b is not ready";
	p.outcome = OUTCOME_NOT_READY;
	status = after(&p, status);
	assert_false(status_ready(status));
	expect_condition(status, "Ready", "False", "NotReady");
	assert_string_equal(
		node_get_text(condition(status, "Ready"), "message"), "BetaApplied is False: beta/b is not ready");
	assert_string_equal(
		node_get_text(condition(status, "Ready"), "lastTransitionTime"), "2023-11-14T22:14:20Z");
	assert_string_equal(
		node_get_text(condition(status, "AlphaApplied"), "lastTransitionTime"), "2023-11-14T22:13:20Z");
}

static void test_refused_source_keeps_the_applied_revision(void **state)
{
	struct pass p = make_applied();
	const struct node *status = after(&p, NULL), *source;

	(void)state;
	p.accepted = false;
	p.parts.n = 0;
	p.outcome = OUTCOME_FAILED;
	p.tree.revision = "sha256:bad";
	diag_error(&diags, (struct pos){ "mesh/a.yaml", 1, 2, NULL }, "bad field");
	status = after(&p, status);
	source = node_get(status, "source");
	assert_string_equal(node_get_text(source, "observedRevision"), "sha256:bad");
	assert_string_equal(node_get_text(source, "attemptedRevision"), "sha256:0123456789ab");
	assert_string_equal(node_get_text(source, "appliedRevision"), "sha256:0123456789ab");
	expect_condition(status, "SourceValid", "False", "Refused");
	expect_condition(status, "Ready", "False", "Refused");
	expect_condition(status, "AlphaApplied", "True", "InSync");
	assert_string_equal(
		node_get_text(condition(status, "SourceValid"), "message"), "mesh/a.yaml:1:2: error: bad field");

	p.upgrade_needed = ">=99.0";
	expect_condition(after(&p, status), "SourceValid", "False", "UpgradeNeeded");
}

static void test_failed_and_unknown_targets(void **state)
{
	struct pass p = make_applied();
	const struct node *status;

	(void)state;
	p.outcome = OUTCOME_FAILED;
	p.parts.items[0].planned = p.parts.items[0].recorded = false;
	p.parts.items[0].problem = "no right to read";
	p.parts.items[1].failed = true;
	p.parts.items[1].recorded = p.parts.items[1].awaited = false;
	p.parts.items[1].problem = "broken";
	status = after(&p, NULL);
	expect_condition(status, "AlphaApplied", "Unknown", "Unreadable");
	expect_condition(status, "BetaApplied", "False", "ApplyFailed");
	assert_null(node_get_text(node_get(status, "source"), "appliedRevision"));
	assert_string_equal(node_get_text(node_get(status, "source"), "attemptedRevision"), "sha256:0123456789ab");
	assert_string_equal(node_get_text(&node_get(status, "targets")->items[0], "result"), "blocked");
	assert_string_equal(node_get_text(&node_get(status, "targets")->items[1], "result"), "failed");
}

static void test_partial_pass_says_nothing_of_the_others(void **state)
{
	struct pass p = make_applied();
	const struct node *status;

	(void)state;
	p.partial = true;
	p.parts.n = 1;
	status = after(&p, NULL);
	expect_condition(status, "AlphaApplied", "True", "InSync");
	expect_condition(status, "BetaApplied", "Unknown", "NoPass");
	assert_false(status_ready(status));
	assert_null(node_get_text(node_get(status, "source"), "appliedRevision"));
}

static void test_not_awaited_is_not_ready(void **state)
{
	struct pass p = make_applied();

	(void)state;
	p.parts.items[1].awaited = false;
	expect_condition(after(&p, NULL), "BetaApplied", "Unknown", "NotAwaited");
}

static void test_damaged_status_is_written_anew(void **state)
{
	struct pass p = make_applied();

	(void)state;
	assert_true(status_ready(
		after(&p, case_json("{\"conditions\":7,\"source\":[],\"targets\":[1,{\"name\":3}]}"))));
}

static void test_status_text(void **state)
{
	struct pass p = make_applied();
	const struct node *status = after(&p, NULL);

	(void)state;
	assert_string_equal(status_text(status, (struct timespec){ .tv_sec = 1700000300 }, plain, &arena),
		"Node:      vm1\n"
		"Source:    mesh\n"
		"Observed:  sha256:0123456789ab\n"
		"Attempted: sha256:0123456789ab\n"
		"Applied:   sha256:0123456789ab at 2023-11-14T22:13:20Z (5m ago)\n"
		"Last pass: InSync at 2023-11-14T22:13:20Z (5m ago), 0 ms\n"
		"           0 added, 0 changed, 0 removed, 0 of them drift, 0 failed\n"
		"\n"
		"Conditions:\n"
		"  Ready              True     InSync       since 2023-11-14T22:13:20Z  revision "
		"sha256:0123456789ab, applied at "
		"2023-11-14T22:13:20Z\n"
		"  SourceValid        True     Valid        since 2023-11-14T22:13:20Z\n"
		"  AlphaApplied       True     InSync       since 2023-11-14T22:13:20Z\n"
		"  BetaApplied        True     InSync       since 2023-11-14T22:13:20Z\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_status_of_a_converged_node_is_ready),
		TEST(test_transition_time_is_kept_while_nothing_changes),
		TEST(test_refused_source_keeps_the_applied_revision),
		TEST(test_failed_and_unknown_targets),
		TEST(test_partial_pass_says_nothing_of_the_others),
		TEST(test_not_awaited_is_not_ready),
		TEST(test_damaged_status_is_written_anew),
		TEST(test_status_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
