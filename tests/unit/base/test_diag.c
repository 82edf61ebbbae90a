#include "base/diag.h"

#include "given.h"

static struct pos at(const char *file, uint32_t line, uint32_t column)
{
	return (struct pos){ file, line, column, NULL };
}

static void test_a_line_has_place_word_message_and_pointer(void **state)
{
	const struct node *n = given_node("a:\n  - b/c: x\n");
	const struct node *list = node_get(n, "a"), *item = node_get(&list->items[0], "b/c");

	(void)state;
	assert_false(diag_error(&diags, node_pos(item), "is %s", "wrong"));
	diag_warning(&diags, node_pos(n), "root");
	diag_failure(&diags, "nowhere");
	diag_error(&diags, (struct pos){ .file = "dir/x.yaml" }, "no line");
	assert_string_equal(given_diags(), "dir/x.yaml: error: no line\n"
					   "given.yaml:1:1: warning: root\n"
					   "given.yaml:2:10: error: is wrong (/a/0/b~1c)\n"
					   "enmesh: error: nowhere\n");
	assert_int_equal(diags.errors, 3);
}

static void test_sorting_is_by_place_and_stable(void **state)
{
	(void)state;
	diag_failure(&diags, "z");
	diag_error(&diags, at("b", 1, 1), "1");
	diag_error(&diags, at("a", 10, 2), "2");
	diag_error(&diags, at("a", 10, 1), "3");
	diag_error(&diags, at("a", 9, 5), "4");
	diag_failure(&diags, "a");
	diag_error(&diags, at("a", 10, 1), "0");
	assert_string_equal(given_diags(),
		"a:9:5: error: 4\na:10:1: error: 3\na:10:1: error: 0\na:10:2: error: 2\nb:1:1: error: 1\n"
		"enmesh: error: z\nenmesh: error: a\n");
}

static void test_sorting_is_stable_for_any_number(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		seed = seed * 1103515245 + 12345;
		diag_error(&diags, at("f", seed >> 16 & 15, 1), "%d", i);
	}
	diag_sort(&diags);
	for (size_t i = 1; i < diags.list.n; i++) {
		const struct diag *a = &diags.list.items[i - 1], *b = &diags.list.items[i];

		assert_true(a->pos.line <= b->pos.line);
		if (a->pos.line == b->pos.line)
			assert_true(atoi(a->message) < atoi(b->message));
	}
}

static void test_none_and_one_can_be_sorted(void **state)
{
	(void)state;
	assert_string_equal(given_diags(), "");
	diag_failure(&diags, "one");
	assert_string_equal(given_diags(), "enmesh: error: one\n");
	diag_failure(&diags, "two");
	assert_string_equal(given_diags(), "enmesh: error: one\nenmesh: error: two\n");
}

static void test_the_same_of_one_place_is_said_once(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		diag_error(&diags, at("f", 1, 1), "same");
		diag_error(&diags, at("f", 1, 2), "same");
		diag_warning(&diags, at("f", 1, 3), "same");
	}
	assert_string_equal(given_diags(), "f:1:1: error: same\nf:1:2: error: same\nf:1:3: warning: same\n");
	assert_int_equal(diags.errors, 2);
}

static void test_strict_turns_warnings_into_errors(void **state)
{
	(void)state;
	diag_warning(&diags, at("f", 1, 1), "before");
	diag_error(&diags, at("f", 2, 1), "error");
	diag_warning(&diags, at("f", 3, 1), "after");
	diag_promote(&diags, 1);
	assert_string_equal(given_diags(), "f:1:1: warning: before\nf:2:1: error: error\nf:3:1: error: after\n");
	assert_int_equal(diags.errors, 2);
}

static void test_a_flood_is_counted_but_not_kept(void **state)
{
	clock_t start = clock();

	(void)state;
	for (int i = 0; i < 100000; i++)
		diag_error(&diags, at("f", (uint32_t)(100000 - i), 1), "%d", i);
	assert_int_equal(diags.errors, 100000);
	assert_int_equal(diags.list.n, DIAGS_MAX);
	assert_int_equal(diags.dropped, 100000 - DIAGS_MAX);
	diag_sort(&diags);
	assert_true(given_seconds(start) < 5);
}

static void test_suggestions_end_after_many_errors(void **state)
{
	static const char *const names[] = { "port" };

	(void)state;
	assert_string_equal(diag_suggest(&diags, "prot", names, 1), ", did you mean 'port'?");
	assert_string_equal(diag_suggest(&diags, "x", names, 1), "");
	for (int i = 0; i < DIAG_SUGGESTIONS_MAX; i++)
		diag_failure(&diags, "%d", i);
	assert_string_equal(diag_suggest(&diags, "prot", names, 1), "");
}

static void test_appending_keeps_counts(void **state)
{
	struct diags more = { .arena = &arena };

	(void)state;
	diag_failure(&diags, "a");
	diag_failure(&more, "b");
	diag_warning(&more, at("f", 1, 1), "c");
	diag_append(&diags, &more);
	assert_int_equal(diags.errors, 2);
	assert_string_equal(given_diags(), "f:1:1: warning: c\nenmesh: error: a\nenmesh: error: b\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_a_line_has_place_word_message_and_pointer),
		given_test(test_sorting_is_by_place_and_stable),
		given_test(test_sorting_is_stable_for_any_number),
		given_test(test_none_and_one_can_be_sorted),
		given_test(test_the_same_of_one_place_is_said_once),
		given_test(test_strict_turns_warnings_into_errors),
		given_test(test_a_flood_is_counted_but_not_kept),
		given_test(test_suggestions_end_after_many_errors),
		given_test(test_appending_keeps_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
