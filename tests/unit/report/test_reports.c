/* The looks of a plan: the lines that robots read are frozen here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../sanitized.h"
#include "base/json.h"
#include "base/str.h"
#include "report/json.h"
#include "report/look.h"
#include "report/markdown.h"
#include "report_case.h"

static struct pass make_plan(void)
{
	static const struct node origin = { .file = "mesh/web.yaml", .line = 12 };
	struct pass p = case_pass();
	struct change *c = case_change(&p, 0, ACTION_ADD, CAUSE_NEW, "alpha/chain/out/rule[3]");

	c->after = plan_text(&p.plan, "tcp dport 80 redirect to :15001");
	c = case_change(&p, 0, ACTION_CHANGE, CAUSE_DRIFT, "alpha/chain/out/rule[4]");
	c->before = plan_text(&p.plan, "accept");
	c->after = plan_text(&p.plan, "meta skuid 1337 accept");
	c = case_change(&p, 1, ACTION_CHANGE, CAUSE_CHANGED, "beta/sidecar-default.web");
	c->cost = COST_RESTART;
	c->origin = &origin;
	c->before =
		case_json("{\"argv\":[\"envoy\",\"-c\",\"/a\"],\"user\":1337,\"group\":1337,\"directory\":\"/\"}");
	c->after =
		case_json("{\"argv\":[\"envoy\",\"-c\",\"/b\"],\"user\":1337,\"group\":1337,\"directory\":\"/\"}");
	c = case_change(&p, 1, ACTION_REMOVE, CAUSE_ORPHAN, "beta/old");
	c->before = case_json("{\"argv\":[\"sleep\"]}");
	p.outcome = OUTCOME_DIFFERENT;
	p.dry_run = true;
	return p;
}

static void test_text_shows_drift_first_and_closes_with_the_plan(void **state)
{
	struct pass p = make_plan();

	(void)state;
	assert_string_equal(text_plan(&p, 0, plain, &arena),
		"Node vm1, source mesh at sha256:0123456789ab\n"
		"\n"
		"alpha, changed by somebody else since the last pass:\n"
		"  ~ alpha/chain/out/rule[4]  (drift)\n"
		"      - accept\n"
		"      + meta skuid 1337 accept\n"
		"\n"
		"alpha:\n"
		"  + alpha/chain/out/rule[3]  (new)\n"
		"      + tcp dport 80 redirect to :15001\n"
		"\n"
		"beta:\n"
		"  ~ beta/sidecar-default.web  (changed, restart)  mesh/web.yaml:12\n"
		"      @@ -2,5 +2,5 @@\n"
		"        - envoy\n"
		"        - -c\n"
		"      - - /a\n"
		"      + - /b\n"
		"        user: 1337\n"
		"        group: 1337\n"
		"  - beta/old  (orphan)\n"
		"      - argv:\n"
		"      - - sleep\n"
		"\n"
		"Plan: 1 to add, 2 to change, 1 to remove.\n");
}

/* Robots read these lines: they are part of the interface. */
static void test_lines_for_robots_are_frozen(void **state)
{
	struct pass p = make_plan();

	(void)state;
	assert_string_equal(look_plan_line(&p.plan, &arena), "Plan: 1 to add, 2 to change, 1 to remove.");
	vec_each (c, &p.plan.changes)
		c->result = RESULT_DONE;
	assert_string_equal(look_applied_line(&p.plan, &arena), "Applied: 1 added, 2 changed, 1 removed.");
	p.plan.changes.items[1].result = RESULT_FAILED;
	p.plan.changes.items[3].result = RESULT_SKIPPED;
	assert_string_equal(look_applied_line(&p.plan, &arena),
		"Applied: 1 added, 1 changed, 0 removed; 1 failed, 1 not done.");
	assert_string_equal(LOOK_NO_CHANGES, "No changes. The node is in sync.");
}

static void test_text_in_sync(void **state)
{
	struct pass p = case_pass();

	(void)state;
	assert_string_equal(text_plan(&p, 0, plain, &arena),
		"Node vm1, source mesh at sha256:0123456789ab\nNo changes. The node is in sync.\n");
	assert_string_equal(text_applied(&p, &arena), "");
}

static void test_text_names_what_is_unknown(void **state)
{
	struct pass p = case_pass();

	(void)state;
	*vec_push(&arena, &p.plan.unknown) = targets_all[0];
	assert_string_equal(text_plan(&p, 0, plain, &arena),
		"Node vm1, source mesh at sha256:0123456789ab\n"
		"\n"
		"Unknown: alpha (could not be read; the errors say why).\n"
		"Plan: 0 to add, 0 to change, 0 to remove.\n");
}

static void test_what_is_in_the_way_is_not_called_in_sync(void **state)
{
	struct pass p = case_pass();

	(void)state;
	p.parts.items[0].flawed = true;
	assert_string_equal(text_plan(&p, 0, plain, &arena), "Node vm1, source mesh at sha256:0123456789ab\n"
							     "\n"
							     "Not as wanted: alpha (the errors say why).\n"
							     "Plan: 0 to add, 0 to change, 0 to remove.\n");
	assert_null(strstr(markdown_plan(&p, &diags, &arena), "in sync"));
}

static void test_colour_is_only_added(void **state)
{
	struct pass p = make_plan();
	const char *with = text_plan(&p, 0, colored, &arena);
	struct str without = { .arena = &arena };

	(void)state;
	assert_non_null(strstr(with, "\033[32m+ alpha/chain/out/rule[3]"));
	while (*with) {
		if (*with == '\033')
			with = strchr(with, 'm') + 1;
		else
			str_add_n(&without, with++, 1);
	}
	assert_string_equal(str_text(&without), text_plan(&p, 0, plain, &arena));
}

static void test_hostile_strings_are_escaped(void **state)
{
	struct pass p = case_pass();
	struct change *c = case_change(&p, 0, ACTION_ADD, CAUSE_NEW, "alpha/\033[2Jx");

	(void)state;
	c->after = plan_text(&p.plan, "a\rb\033]0;title\a");
	p.node = "vm\n1";
	assert_string_equal(text_plan(&p, 0, plain, &arena), "Node vm\\n1, source mesh at sha256:0123456789ab\n"
							     "\n"
							     "alpha:\n"
							     "  + alpha/\\x1b[2Jx  (new)\n"
							     "      + a\\x0db\\x1b]0;title\\x07\n"
							     "\n"
							     "Plan: 1 to add, 0 to change, 0 to remove.\n");
}

static void test_markdown_has_one_foldable_part(void **state)
{
	struct pass p = make_plan();

	(void)state;
	assert_string_equal(markdown_plan(&p, &diags, &arena),
		"### enmesh: vm1\n"
		"\n"
		"mesh at sha256:0123456789ab\n"
		"\n"
		"<details><summary>Plan: 1 to add, 2 to change, 1 to remove.</summary>\n"
		"\n"
		"```diff\n"
		"# alpha, changed by somebody else since the last pass:\n"
		"! alpha/chain/out/rule[4]  (drift)\n"
		"-     accept\n"
		"+     meta skuid 1337 accept\n"
		"# alpha:\n"
		"+ alpha/chain/out/rule[3]  (new)\n"
		"+     tcp dport 80 redirect to :15001\n"
		"# beta:\n"
		"! beta/sidecar-default.web  (changed, restart)  mesh/web.yaml:12\n"
		"@@ -2,5 +2,5 @@\n"
		"      - envoy\n"
		"      - -c\n"
		"-     - /a\n"
		"+     - /b\n"
		"      user: 1337\n"
		"      group: 1337\n"
		"- beta/old  (orphan)\n"
		"-     argv:\n"
		"-     - sleep\n"
		"```\n"
		"\n"
		"</details>\n");
}

static void test_markdown_cannot_be_broken_out_of(void **state)
{
	struct pass p = case_pass();
	struct change *c = case_change(&p, 0, ACTION_ADD, CAUSE_NEW, "alpha/a");
	const char *text;

	(void)state;
	c->after = plan_text(&p.plan, "```\n</details><script>");
	p.source = "<b>[x](http://y)";
	diag_failure(&diags, "</details> **bold**");
	text = markdown_plan(&p, &diags, &arena);
	assert_non_null(strstr(text, "````diff\n"));
	assert_null(strstr(text, "<b>"));
	assert_null(strstr(text, "[x](http"));
	assert_null(strstr(text, "**bold**"));
}

static void test_markdown_is_cut_and_counts_what_is_missing(void **state)
{
	struct pass p = case_pass();
	const char *text;

	(void)state;
	for (int i = 0; i < 5000; i++)
		case_change(&p, 0, ACTION_ADD, CAUSE_NEW, arena_printf(&arena, "alpha/element[%d]", i));
	for (int i = 0; i < 50; i++)
		diag_failure(&diags, "error %d", i);
	text = markdown_plan(&p, &diags, &arena);
	assert_true(strlen(text) <= MARKDOWN_MAX);
	assert_non_null(strstr(text, "\n```\n\nThe rest was cut: "));
	assert_non_null(strstr(text, "- and 30 more\n"));
}

static void test_json_plan(void **state)
{
	struct pass p = make_plan();
	const struct node *json;

	(void)state;
	diag_warning(&diags, (struct pos){ "mesh/web.yaml", 3, 4, NULL }, "a warning");
	json = json_plan(&p, &diags, &arena);
	case_check("plan.schema.json", json);
	assert_string_equal(json_write(json, JSON_ONE_LINE, &arena),
		"{\"format_version\":\"1.0\","
		"\"source\":{\"url\":\"mesh\",\"revision\":\"sha256:0123456789ab\"},\"node\":\"vm1\","
		"\"result\":\"Drifted\",\"dry_run\":true,"
		"\"drift\":[{\"address\":\"alpha/chain/out/rule[4]\",\"actions\":[\"update\"],"
		"\"before\":\"meta skuid 1337 accept\",\"after\":\"accept\"}],"
		"\"changes\":["
		"{\"address\":\"alpha/chain/out/"
		"rule[3]\",\"target\":\"alpha\",\"actions\":[\"create\"],\"cause\":\"new\","
		"\"cost\":\"in place\",\"before\":null,\"after\":\"tcp dport 80 redirect to :15001\","
		"\"before_sensitive\":false,\"after_sensitive\":false},"
		"{\"address\":\"alpha/chain/out/"
		"rule[4]\",\"target\":\"alpha\",\"actions\":[\"update\"],\"cause\":\"drift\","
		"\"cost\":\"in place\",\"before\":\"accept\",\"after\":\"meta skuid 1337 accept\","
		"\"before_sensitive\":false,\"after_sensitive\":false},"
		"{\"address\":\"beta/sidecar-default.web\",\"target\":\"beta\",\"actions\":[\"update\"],"
		"\"cause\":\"changed\",\"cost\":\"restart\","
		"\"before\":{\"argv\":[\"envoy\",\"-c\",\"/a\"],\"user\":1337,\"group\":1337,\"directory\":\"/\"},"
		"\"after\":{\"argv\":[\"envoy\",\"-c\",\"/b\"],\"user\":1337,\"group\":1337,\"directory\":\"/\"},"
		"\"before_sensitive\":false,\"after_sensitive\":false,\"origin\":{\"file\":\"mesh/"
		"web.yaml\",\"line\":12}},"
		"{\"address\":\"beta/old\",\"target\":\"beta\",\"actions\":[\"delete\"],\"cause\":\"orphan\","
		"\"cost\":\"in place\",\"before\":{\"argv\":[\"sleep\"]},\"after\":null,"
		"\"before_sensitive\":false,\"after_sensitive\":false}],"
		"\"unknown\":[],"
		"\"summary\":{\"add\":1,\"change\":2,\"remove\":1,\"drift\":1,\"failed\":0},\"errored\":false,"
		"\"diagnostics\":[{\"severity\":\"warning\",\"message\":\"a warning\",\"file\":\"mesh/web.yaml\","
		"\"line\":3,\"column\":4}]}");
}

static void test_json_of_a_failed_cleanup(void **state)
{
	struct pass p = make_plan();
	const struct node *json;

	(void)state;
	p.cleanup = true;
	p.dry_run = false;
	p.outcome = OUTCOME_FAILED;
	p.plan.changes.items[0].result = RESULT_DONE;
	p.plan.changes.items[1].result = RESULT_FAILED;
	p.plan.changes.items[2].cost = COST_RECREATE;
	p.plan.changes.items[3].result = RESULT_SKIPPED;
	*vec_push(&arena, &p.plan.unknown) = targets_all[0];
	diag_failure(&diags, "an error");
	json = json_plan(&p, &diags, &arena);
	case_check("plan.schema.json", json);
	assert_null(node_get(json, "source"));
	assert_int_equal(node_get_int(node_get(json, "summary"), "failed", -1), 2);
	assert_true(node_get_bool(json, "errored", false));
	assert_int_equal(node_get(&node_get(json, "changes")->items[2], "actions")->n, 2);
}

static void test_json_diagnostics(void **state)
{
	struct pass p = case_pass();
	const struct node *json;

	(void)state;
	case_check("diagnostics.schema.json", json_diagnostics(&p, &diags, &arena));
	diag_error(&diags, (struct pos){ "mesh/a.yaml", 1, 2, NULL }, "bad");
	diag_warning(&diags, (struct pos){ 0 }, "odd");
	p.tree.revision = NULL;
	json = json_diagnostics(&p, &diags, &arena);
	case_check("diagnostics.schema.json", json);
	assert_false(node_get_bool(json, "valid", true));
	assert_int_equal(node_get_int(json, "error_count", 0), 1);
	assert_int_equal(node_get_int(json, "warning_count", 0), 1);
}

static void test_json_render(void **state)
{
	struct pass p = case_pass();

	(void)state;
	case_check("render.schema.json",
		json_render(&p, case_json("{\"alpha\":{\"x\":1},\"beta\":\"text\"}"), &arena));
}

/* By AddressSanitizer or valgrind. */
static bool slowed_down(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return SANITIZED || (preload && strstr(preload, "vgpreload"));
}

static void test_ten_thousand_changes_are_reported_within_a_second(void **state)
{
	struct pass p = case_pass();
	struct timespec begin, end;
	double ms;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct change *c =
			case_change(&p, i % 2, ACTION_CHANGE, CAUSE_CHANGED, arena_printf(&arena, "alpha/%d", i));

		c->before = case_json(
			"{\"argv\":[\"envoy\",\"-c\",\"/a\"],\"user\":1337,\"group\":1337,\"directory\":\"/\"}");
		c->after = case_json(
			"{\"argv\":[\"envoy\",\"-c\",\"/b\"],\"user\":1337,\"group\":1337,\"directory\":\"/\"}");
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	plan_order(&p.plan);
	assert_true(strlen(text_plan(&p, 0, plain, &arena)) > 1000000);
	assert_true(strlen(json_write(json_plan(&p, &diags, &arena), JSON_INDENTED, &arena)) > 1000000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	ms = (double)(end.tv_sec - begin.tv_sec) * 1e3 + (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
	print_message("%.0f ms\n", ms);
	if (!slowed_down())
		assert_true(ms < 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_text_shows_drift_first_and_closes_with_the_plan),
		TEST(test_lines_for_robots_are_frozen),
		TEST(test_text_in_sync),
		TEST(test_text_names_what_is_unknown),
		TEST(test_what_is_in_the_way_is_not_called_in_sync),
		TEST(test_colour_is_only_added),
		TEST(test_hostile_strings_are_escaped),
		TEST(test_markdown_has_one_foldable_part),
		TEST(test_markdown_cannot_be_broken_out_of),
		TEST(test_markdown_is_cut_and_counts_what_is_missing),
		TEST(test_json_plan),
		TEST(test_json_of_a_failed_cleanup),
		TEST(test_json_diagnostics),
		TEST(test_json_render),
		TEST(test_ten_thousand_changes_are_reported_within_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
