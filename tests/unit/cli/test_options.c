#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/options.h"

struct values {
	bool flag, other, wait;
	const char *name;
	struct texts list;
	int format, color, code;
	long long time;
};

static const char *const formats[] = { "text", "json", "markdown", NULL };

static const struct opt first[] = {
	OPT_FLAG('f', "flag", struct values, flag, ""),
	OPT_FLAG('g', "other", struct values, other, ""),
	OPT_SWITCH(0, "wait", struct values, wait, ""),
	{ 0 },
};

static const struct opt second[] = {
	OPT_STRING('n', "name", "NAME", struct values, name, ""),
	OPT_LIST('l', "list", "ITEM", struct values, list, ""),
	OPT_CHOICE('o', "output", "FORMAT", struct values, format, formats, ""),
	OPT_CONSTANT(0, "no-color", struct values, color, 7, ""),
	OPT_CODE('c', "code", "CODE", struct values, code, ""),
	OPT_DURATION('t', "time", "TIME", struct values, time, ""),
	{ 0 },
};

static const struct opt *const tables[] = { first, second, NULL };

static struct arena arena;
static struct values values;
static struct operands operands;
static struct diags diags;

/* Words separated by spaces; "_" stands for an empty one. */
static int parse_until(const char *line, bool stop)
{
	char *words[16];
	int n = 0;

	values = (struct values){ .wait = true };
	operands = (struct operands){ 0 };
	diags = (struct diags){ .arena = &arena };
	for (char *word = strtok(arena_strdup(&arena, line), " "); word; word = strtok(NULL, " "))
		words[n++] = strcmp(word, "_") ? word : arena_strdup(&arena, "");
	return options_parse(tables, words, n, stop, &values, &operands, &arena, &diags);
}

static void parse(const char *line)
{
	assert_true(parse_until(line, false) >= 0);
	assert_int_equal(diags.list.n, 0);
}

static void refuse(const char *line, const char *message)
{
	assert_int_equal(parse_until(line, false), -1);
	assert_int_equal(diags.errors, 1);
	assert_string_equal(diags.list.items[0].message, message);
}

static int finish(void **state)
{
	(void)state;
	arena_finish(&arena);
	return 0;
}

static void test_long_options(void **state)
{
	(void)state;
	parse("--flag --name=vm1 --output json --time 1h30m --code=0 --no-color");
	assert_true(values.flag);
	assert_string_equal(values.name, "vm1");
	assert_int_equal(values.format, 1);
	assert_int_equal(values.time, 5400000);
	assert_int_equal(values.code, 0);
	assert_int_equal(values.color, 7);
}

static void test_letters(void **state)
{
	(void)state;
	parse("-fg -nvm1 -o json -t=5m");
	assert_true(values.flag && values.other);
	assert_string_equal(values.name, "vm1");
	assert_int_equal(values.format, 1);
	assert_int_equal(values.time, 300000);
	parse("-fnvm2");
	assert_true(values.flag);
	assert_string_equal(values.name, "vm2");
}

static void test_options_after_operands(void **state)
{
	(void)state;
	parse("mesh -f other --name x");
	assert_true(values.flag);
	assert_int_equal(operands.list.n, 2);
	assert_string_equal(operands.list.items[1], "other");
}

static void test_two_dashes_end_the_options(void **state)
{
	(void)state;
	parse("-f -- -g --name");
	assert_false(values.other);
	assert_int_equal(operands.list.n, 2);
	assert_string_equal(operands.list.items[0], "-g");
	assert_true(operands.dashes);
	assert_int_equal(operands.n_before, 0);
	parse("a -- b -- c");
	assert_int_equal(operands.list.n, 4);
	assert_int_equal(operands.n_before, 1);
	parse("a b");
	assert_false(operands.dashes);
}

static void test_one_dash_is_an_operand(void **state)
{
	(void)state;
	parse("-");
	assert_string_equal(operands.list.items[0], "-");
}

static void test_switch_goes_both_ways(void **state)
{
	(void)state;
	parse("--no-wait");
	assert_false(values.wait);
	parse("--no-wait --wait");
	assert_true(values.wait);
	refuse("--no-flag", "unknown option '--no-flag', did you mean '--flag'?");
}

static void test_lists_add_up(void **state)
{
	(void)state;
	parse("--list a,b -lc --list=,d,");
	assert_int_equal(values.list.list.n, 4);
	assert_string_equal(values.list.list.items[1], "b");
	assert_string_equal(values.list.list.items[3], "d");
	refuse("--list ,", "option '--list' needs a ITEM");
}

static void test_the_last_one_wins(void **state)
{
	(void)state;
	parse("--name a --name b");
	assert_string_equal(values.name, "b");
}

static void test_stop_at_the_first_operand(void **state)
{
	(void)state;
	assert_int_equal(parse_until("-f diff -g", true), 1);
	assert_true(values.flag);
	assert_false(values.other);
	assert_int_equal(parse_until("-f", true), 1);
}

static void test_value_of_zero_needs_no_unit(void **state)
{
	(void)state;
	parse("--time 0");
	assert_int_equal(values.time, 0);
}

static void test_bad_usage(void **state)
{
	(void)state;
	refuse("--nam x", "unknown option '--nam', did you mean '--name'?");
	refuse("--nonsense-of-some-kind", "unknown option '--nonsense-of-some-kind'");
	refuse("--no-wai", "unknown option '--no-wai', did you mean '--no-wait'?");
	refuse("-x", "unknown option '-x'");
	refuse("-fx", "unknown option '-x'");
	refuse("--flag=yes", "option '--flag' takes no value");
	refuse("--name", "option '--name' needs a NAME");
	refuse("-n", "option '--name' needs a NAME");
	refuse("--name=", "option '--name' needs a NAME");
	refuse("--name _", "option '--name' needs a NAME");
	refuse("--output jsn", "option '--output': unknown FORMAT 'jsn', did you mean 'json'?");
	refuse("--output x", "option '--output': unknown FORMAT 'x'; known are text, json, markdown");
	refuse("--time 5", "option '--time': expected a duration such as 30s or 5m, found '5'");
	refuse("--code 256", "option '--code': expected an exit code from 0 to 255, found '256'");
	refuse("--code -1", "option '--code': expected an exit code from 0 to 255, found '-1'");
	refuse("--code 1x", "option '--code': expected an exit code from 0 to 255, found '1x'");
}

#define TEST(f) cmocka_unit_test_teardown(f, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_long_options),
		TEST(test_letters),
		TEST(test_options_after_operands),
		TEST(test_two_dashes_end_the_options),
		TEST(test_one_dash_is_an_operand),
		TEST(test_switch_goes_both_ways),
		TEST(test_lists_add_up),
		TEST(test_the_last_one_wins),
		TEST(test_stop_at_the_first_operand),
		TEST(test_value_of_zero_needs_no_unit),
		TEST(test_bad_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
