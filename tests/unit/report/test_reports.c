/* The looks of a plan: the lines that robots read are frozen here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "config/schema.h"
#include "fake_target.h"
#include "report/json.h"
#include "report/look.h"
#include "report/markdown.h"
#include "report/status.h"
#include "report/text.h"

static struct arena arena;
static struct diags diags;
static struct host host;
static const struct text_style plain = { false }, colored = { true };

static int start(void **state)
{
	(void)state;
	diags = (struct diags){ .arena = &arena };
	return 0;
}

static int finish(void **state)
{
	(void)state;
	arena_finish(&arena);
	return 0;
}

static struct pass make_pass(void)
{
	struct pass p = { .arena = &arena,
		.diags = &diags,
		.host = &host,
		.source = "mesh",
		.node = "vm1",
		.targets = targets_all,
		.accepted = true };

	p.tree.revision = "sha256:0123456789ab";
	p.plan.arena = &arena;
	for (const struct target *const *t = targets_all; *t; t++)
		*vec_push(&arena, &p.parts) = (struct part){ .target = *t, .planned = true };
	return p;
}

static struct change *add(struct pass *p, int target, enum action action, enum cause cause, const char *address)
{
	struct change *c = plan_add(&p->plan, targets_all[target], action, address);

	c->cause = cause;
	return c;
}

static const struct node *map(const char *json)
{
	const char *problem;
	const struct node *n = json_read(json, strlen(json), &arena, &problem);

	assert_non_null(n);
	return n;
}

static struct pass make_plan(void)
{
	static const struct node origin = { .file = "mesh/web.yaml", .line = 12 };
	struct pass p = make_pass();
	struct change *c = add(&p, 0, ACTION_ADD, CAUSE_NEW, "alpha/chain/out/rule[3]");

	c->after = plan_text(&p.plan, "tcp dport 80 redirect to :15001");
	c = add(&p, 0, ACTION_CHANGE, CAUSE_DRIFT, "alpha/chain/out/rule[4]");
	c->before = plan_text(&p.plan, "accept");
	c->after = plan_text(&p.plan, "meta skuid 1337 accept");
	c = add(&p, 1, ACTION_CHANGE, CAUSE_CHANGED, "beta/sidecar-default.web");
	c->cost = COST_RESTART;
	c->origin = &origin;
	c->before = map("{\"argv\":[\"envoy\",\"-c\",\"/a\"],\"user\":1337,\"group\":1337,\"directory\":\"/\"}");
	c->after = map("{\"argv\":[\"envoy\",\"-c\",\"/b\"],\"user\":1337,\"group\":1337,\"directory\":\"/\"}");
	c = add(&p, 1, ACTION_REMOVE, CAUSE_ORPHAN, "beta/old");
	c->before = map("{\"argv\":[\"sleep\"]}");
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
	struct pass p = make_pass();

	(void)state;
	assert_string_equal(text_plan(&p, 0, plain, &arena),
		"Node vm1, source mesh at sha256:0123456789ab\nNo changes. The node is in sync.\n");
	assert_string_equal(text_applied(&p, &arena), "");
}

static void test_text_names_what_is_unknown(void **state)
{
	struct pass p = make_pass();

	(void)state;
	*vec_push(&arena, &p.plan.unknown) = targets_all[0];
	assert_string_equal(text_plan(&p, 0, plain, &arena),
		"Node vm1, source mesh at sha256:0123456789ab\n"
		"\n"
		"Unknown: alpha (could not be read; the errors say why).\n"
		"Plan: 0 to add, 0 to change, 0 to remove.\n");
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
	struct pass p = make_pass();
	struct change *c = add(&p, 0, ACTION_ADD, CAUSE_NEW, "alpha/\033[2Jx");

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
	struct pass p = make_pass();
	struct change *c = add(&p, 0, ACTION_ADD, CAUSE_NEW, "alpha/a");
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
	struct pass p = make_pass();
	const char *text;

	(void)state;
	for (int i = 0; i < 5000; i++)
		add(&p, 0, ACTION_ADD, CAUSE_NEW, arena_printf(&arena, "alpha/element[%d]", i));
	for (int i = 0; i < 50; i++)
		diag_failure(&diags, "error %d", i);
	text = markdown_plan(&p, &diags, &arena);
	assert_true(strlen(text) <= MARKDOWN_MAX);
	assert_non_null(strstr(text, "\n```\n\nThe rest was cut: "));
	assert_non_null(strstr(text, "- and 30 more\n"));
}

/* ---- JSON ---- */

/* Reads the schemas as they are installed. */
static const struct node *schemas(void)
{
	static const char *const names[] = { "diagnostics.schema.json", "plan.schema.json", "render.schema.json",
		"status.schema.json" };
	struct node *set = arena_new(&arena, struct node);

	set->type = NODE_MAP;
	for (size_t i = 0; i < array_len(names); i++) {
		const char *path = arena_printf(&arena, "%s/%s", SCHEMA_DIR, names[i]);
		const struct node *schema;
		struct bytes text;

		assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &arena, &text), 0);
		schema = map(text.data);
		assert_null(schema_unknown_keyword(schema, &arena));
		node_put_node(&arena, set, names[i], schema);
	}
	return set;
}

/* What is printed is read back first, as others would. */
static void check(const char *schema, const struct node *value)
{
	struct schema_set *set = schema_set_new(schemas(), &arena);
	struct diags problems = { .arena = &arena };
	struct node *read = arena_dup(&arena, map(json_write(value, JSON_ONE_LINE, &arena)), sizeof(*read));
	bool ok;

	node_link(read);
	ok = schema_check(set, schema, read, &problems);
	vec_each (diag, &problems.list)
		print_error("%s\n", diag_line(diag, &arena));
	schema_set_finish(set);
	assert_true(ok);
}

static void test_json_plan(void **state)
{
	struct pass p = make_plan();
	const struct node *json;

	(void)state;
	diag_warning(&diags, (struct pos){ "mesh/web.yaml", 3, 4, NULL }, "a warning");
	json = json_plan(&p, &diags, &arena);
	check("plan.schema.json", json);
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
	check("plan.schema.json", json);
	assert_null(node_get(json, "source"));
	assert_int_equal(node_get_int(node_get(json, "summary"), "failed", -1), 2);
	assert_true(node_get_bool(json, "errored", false));
	assert_int_equal(node_get(&node_get(json, "changes")->items[2], "actions")->n, 2);
}

static void test_json_diagnostics(void **state)
{
	struct pass p = make_pass();
	const struct node *json;

	(void)state;
	check("diagnostics.schema.json", json_diagnostics(&p, &diags, &arena));
	diag_error(&diags, (struct pos){ "mesh/a.yaml", 1, 2, NULL }, "bad");
	diag_warning(&diags, (struct pos){ 0 }, "odd");
	p.tree.revision = NULL;
	json = json_diagnostics(&p, &diags, &arena);
	check("diagnostics.schema.json", json);
	assert_false(node_get_bool(json, "valid", true));
	assert_int_equal(node_get_int(json, "error_count", 0), 1);
	assert_int_equal(node_get_int(json, "warning_count", 0), 1);
}

static void test_json_render(void **state)
{
	struct pass p = make_pass();

	(void)state;
	check("render.schema.json", json_render(&p, map("{\"alpha\":{\"x\":1},\"beta\":\"text\"}"), &arena));
}

static void test_ten_thousand_changes_are_reported_within_a_second(void **state)
{
	struct pass p = make_pass();
	struct timespec begin, end;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct change *c =
			add(&p, i % 2, ACTION_CHANGE, CAUSE_CHANGED, arena_printf(&arena, "alpha/%d", i));

		c->before = map(
			"{\"argv\":[\"envoy\",\"-c\",\"/a\"],\"user\":1337,\"group\":1337,\"directory\":\"/\"}");
		c->after = map(
			"{\"argv\":[\"envoy\",\"-c\",\"/b\"],\"user\":1337,\"group\":1337,\"directory\":\"/\"}");
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	plan_order(&p.plan);
	assert_true(strlen(text_plan(&p, 0, plain, &arena)) > 1000000);
	assert_true(strlen(json_write(json_plan(&p, &diags, &arena), JSON_INDENTED, &arena)) > 1000000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	print_message("%.0f ms\n",
		(double)(end.tv_sec - begin.tv_sec) * 1e3 + (double)(end.tv_nsec - begin.tv_nsec) / 1e6);
#ifndef SLOW_BUILD
	assert_true(end.tv_sec - begin.tv_sec < 2);
#endif
}

/* ---- status ---- */

static const struct node *condition(const struct node *status, const char *type)
{
	node_each(it, node_get(status, "conditions")) if (!strcmp(node_get_text(it, "type"), type)) return it;
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
	struct pass p = make_pass();

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

	check("status.schema.json", status);
	assert_string_equal(node_get_text(&node_get(status, "conditions")->items[0], "type"), "Ready");
	return status;
}

static void test_status_of_a_converged_node_is_ready(void **state)
{
	struct pass p = make_applied();
	const struct node *status;

	(void)state;
	p.outcome = OUTCOME_CONVERGED;
	add(&p, 0, ACTION_ADD, CAUSE_NEW, "alpha/a")->result = RESULT_DONE;
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
	assert_true(status_ready(after(&p, map("{\"conditions\":7,\"source\":[],\"targets\":[1,{\"name\":3}]}"))));
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_text_shows_drift_first_and_closes_with_the_plan),
		TEST(test_lines_for_robots_are_frozen),
		TEST(test_text_in_sync),
		TEST(test_text_names_what_is_unknown),
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
