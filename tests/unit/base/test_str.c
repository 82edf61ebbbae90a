#include "base/str.h"

#include "given.h"

static void test_parts_are_joined(void **state)
{
	struct str s = { .arena = &arena };

	(void)state;
	assert_string_equal(str_text(&s), "");
	for (int i = 0; i < 1000; i++)
		str_printf(&s, "%d,", i % 10);
	str_add(&s, "");
	str_add_n(&s, "endless", 3);
	assert_int_equal(s.n, 2003);
	assert_int_equal(strlen(str_text(&s)), 2003);
	assert_string_equal(str_text(&s) + 1996, "8,9,end");
}

static void test_starts_and_ends(void **state)
{
	(void)state;
	assert_true(str_starts("mesh.yaml", "mesh"));
	assert_false(str_starts("me", "mesh"));
	assert_true(str_ends("mesh.yaml", ".yaml"));
	assert_false(str_ends("yaml", ".yaml"));
	assert_true(str_ends("x", ""));
}

static const char *nearest(const char *word, const char *a, const char *b)
{
	const char *candidates[] = { a, b };

	return str_nearest(word, candidates, 2);
}

static void test_nearest_forgives_typing_mistakes(void **state)
{
	(void)state;
	assert_string_equal(nearest("sidcar", "capture", "sidecar"), "sidecar");
	assert_string_equal(nearest("sidecars", "capture", "sidecar"), "sidecar");
	assert_string_equal(
		nearest("sidcear", "capture", "sidecar"), "sidecar"); /* a transposition is one mistake */
	assert_string_equal(nearest("SideCar", "capture", "sidecar"), "sidecar");
	assert_string_equal(nearest("ndoes", "names", "nodes"), "nodes");
}

static void test_nearest_is_the_first_of_equals(void **state)
{
	(void)state;
	assert_string_equal(nearest("port", "ports", "porta"), "ports");
}

static void test_nearest_does_not_guess_wildly(void **state)
{
	(void)state;
	assert_null(nearest("command", "args", "env"));
	assert_null(nearest("ab", "cd", "efg"));
	assert_null(nearest("a", "b", "c"));
	assert_null(nearest("", "a", "b"));
	assert_null(str_nearest("a", NULL, 0));
}

static void test_nearest_of_long_words_is_none(void **state)
{
	char word[200] = { 0 }, other[200] = { 0 };

	(void)state;
	memset(word, 'a', sizeof(word) - 1);
	memset(other, 'a', sizeof(other) - 2);
	assert_null(nearest(word, other, "a"));
	assert_null(nearest("a", other, word));
}

static void check_duration(const char *text, long long expected)
{
	long long ms = -1;

	assert_true(str_duration(text, &ms));
	assert_int_equal(ms, expected);
}

static void test_durations(void **state)
{
	(void)state;
	check_duration("30s", 30000);
	check_duration("1h30m", 5400000);
	check_duration("500ms", 500);
	check_duration("5m", 300000);
	check_duration("1m1ms", 60001);
	check_duration("0s", 0);
	check_duration("365d", 365LL * 86400000);
}

static void test_what_is_no_duration(void **state)
{
	static const char *const none[] = { "", "30", "s", "30 s", "-1s", "+1s", "1.5s", "1x", "366d", "s30",
		"99999999999999999999s", "364d25h", "1s ", "1h30" };
	long long ms;

	(void)state;
	for (size_t i = 0; i < array_len(none); i++)
		assert_false(str_duration(none[i], &ms));
}

static void test_utf8_sequences(void **state)
{
	static const struct {
		const char *s;
		size_t size;
	} rows[] = {
		{ "a", 1 },
		{ "\xc3\xa9", 2 },
		{ "\xe2\x82\xac", 3 },
		{ "\xf0\x9f\x98\x80", 4 },
		{ "\xef\xbf\xbf", 3 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "\x80", 0 },
		{ "\xc0\x80", 0 },
		{ "\xc1\xbf", 0 },
		{ "\xc3", 0 },
		{ "\xc3z", 0 },
		{ "\xe0\x9f\xbf", 0 },
		{ "\xed\xa0\x80", 0 },
		{ "\xf0\x8f\xbf\xbf", 0 },
		{ "\xf4\x90\x80\x80", 0 },
		{ "\xf5\x80\x80\x80", 0 },
		{ "\xff", 0 },
		{ "\xe2\x82", 0 },
	};

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++)
		assert_int_equal(str_utf8(rows[i].s, strlen(rows[i].s)), rows[i].size);
	assert_int_equal(str_utf8("", 0), 0);
}

static void test_valid_text_is_left_alone(void **state)
{
	const char *s = "plain, é, € and \xf0\x9f\x98\x80";

	(void)state;
	assert_ptr_equal(str_valid(s, strlen(s), &arena), s);
}

static void test_invalid_utf8_is_replaced(void **state)
{
	(void)state;
	assert_string_equal(str_valid("a\xff"
				      "b\xc3",
				    4, &arena),
		"a\xef\xbf\xbd"
		"b\xef\xbf\xbd");
	assert_string_equal(str_valid("\xe2\x82", 2, &arena), "\xef\xbf\xbd\xef\xbf\xbd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_parts_are_joined),
		given_test(test_starts_and_ends),
		given_test(test_nearest_forgives_typing_mistakes),
		given_test(test_nearest_is_the_first_of_equals),
		given_test(test_nearest_does_not_guess_wildly),
		given_test(test_nearest_of_long_words_is_none),
		given_test(test_durations),
		given_test(test_what_is_no_duration),
		given_test(test_utf8_sequences),
		given_test(test_valid_text_is_left_alone),
		given_test(test_invalid_utf8_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
