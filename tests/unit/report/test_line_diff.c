#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "report/line_diff.h"

static void expect(const char *before, const char *after, const char *wanted)
{
	struct arena a = { 0 };
	struct diff_lines lines = { 0 };
	struct str out = { .arena = &a };

	line_diff(before, after, &a, &lines);
	vec_each (line, &lines.list)
		str_printf(&out, "%.*s%s\n", line->mark != '@', &line->mark, line->text);
	assert_string_equal(str_text(&out), wanted);
	arena_finish(&a);
}

static void test_equal_texts_have_no_hunks(void **state)
{
	(void)state;
	expect("a\nb\n", "a\nb\n", "");
	expect("", "", "");
	expect(NULL, NULL, "");
}

static void test_added_text_has_no_head(void **state)
{
	(void)state;
	expect(NULL, "a\nb\n", "+a\n+b\n");
	expect("a\nb", NULL, "-a\n-b\n");
}

static void test_replaced_line(void **state)
{
	(void)state;
	expect("a", "b", "@@ -1,1 +1,1 @@\n-a\n+b\n");
}

static void test_two_lines_of_context(void **state)
{
	(void)state;
	expect("1\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\nx\n5\n6\n7\n", "@@ -2,5 +2,5 @@\n 2\n 3\n-4\n+x\n 5\n 6\n");
}

static void test_distant_changes_are_two_hunks(void **state)
{
	(void)state;
	expect("a\n1\n2\n3\n4\n5\nb\n", "A\n1\n2\n3\n4\n5\nB\n",
		"@@ -1,3 +1,3 @@\n-a\n+A\n 1\n 2\n@@ -5,3 +5,3 @@\n 4\n 5\n-b\n+B\n");
}

static void test_near_changes_are_one_hunk(void **state)
{
	(void)state;
	expect("a\n1\n2\n3\n4\nb\n", "A\n1\n2\n3\n4\nB\n", "@@ -1,6 +1,6 @@\n-a\n+A\n 1\n 2\n 3\n 4\n-b\n+B\n");
}

static void test_line_numbers_count_each_side(void **state)
{
	(void)state;
	expect("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n1\n2\n3\n4\n5\n6\n7\n8\n",
		"@@ -1,2 +1,3 @@\n+x\n 1\n 2\n@@ -7,3 +8,2 @@\n 7\n 8\n-9\n");
}

static void test_moved_block_is_found(void **state)
{
	(void)state;
	expect("a\nb\nc\nd\n", "c\nd\na\nb\n", "@@ -1,4 +1,4 @@\n-a\n-b\n c\n d\n+a\n+b\n");
}

static void test_very_different_texts_are_replaced_in_whole(void **state)
{
	struct arena a = { 0 };
	struct str before = { .arena = &a }, after = { .arena = &a };
	struct diff_lines lines = { 0 };

	(void)state;
	for (int i = 0; i < 5000; i++) {
		str_printf(&before, "old %d\n", i);
		str_printf(&after, "new %d\n", i);
	}
	line_diff(str_text(&before), str_text(&after), &a, &lines);
	assert_int_equal(lines.list.n, 10001);
	assert_int_equal(lines.list.items[1].mark, '-');
	assert_int_equal(lines.list.items[10000].mark, '+');
	arena_finish(&a);
}

/* Whatever the texts: what is left without '+' is the old text, without '-' the new one. */
static void test_generated_diffs_hold_both_texts(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct arena a = { 0 };
		struct str before = { .arena = &a }, after = { .arena = &a };
		struct str got_before = { .arena = &a }, got_after = { .arena = &a };
		struct diff_lines lines = { 0 };
		int n = rand_r(&seed) % 5, m = rand_r(&seed) % 5; /* so short that all is within the context */

		for (int i = 0; i < n; i++)
			str_printf(&before, "%d\n", rand_r(&seed) % 3);
		for (int i = 0; i < m; i++)
			str_printf(&after, "%d\n", rand_r(&seed) % 3);
		line_diff(str_text(&before), str_text(&after), &a, &lines);
		vec_each (line, &lines.list) {
			if (line->mark == ' ' || line->mark == '-')
				str_printf(&got_before, "%s\n", line->text);
			if (line->mark == ' ' || line->mark == '+')
				str_printf(&got_after, "%s\n", line->text);
		}
		if (lines.list.n) {
			assert_non_null(strstr(str_text(&before), str_text(&got_before)));
			assert_non_null(strstr(str_text(&after), str_text(&got_after)));
		} else {
			assert_string_equal(str_text(&before), str_text(&after));
		}
		arena_finish(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_texts_have_no_hunks),
		cmocka_unit_test(test_added_text_has_no_head),
		cmocka_unit_test(test_replaced_line),
		cmocka_unit_test(test_two_lines_of_context),
		cmocka_unit_test(test_distant_changes_are_two_hunks),
		cmocka_unit_test(test_near_changes_are_one_hunk),
		cmocka_unit_test(test_line_numbers_count_each_side),
		cmocka_unit_test(test_moved_block_is_found),
		cmocka_unit_test(test_very_different_texts_are_replaced_in_whole),
		cmocka_unit_test(test_generated_diffs_hold_both_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
