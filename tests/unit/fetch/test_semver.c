#include "fetch/semver.h"

#include "given.h"

static struct semver version(const char *text)
{
	struct semver v;

	assert_true(semver_read(text, &arena, &v));
	return v;
}

static bool in(const char *text, const char *range)
{
	struct semver v = version(text);
	bool valid, inside = semver_in(&v, range, &arena, &valid);

	assert_true(valid);
	return inside;
}

static bool is_range(const char *range)
{
	struct semver v = version("1.2.3");
	bool valid;

	semver_in(&v, range, &arena, &valid);
	return valid;
}

static void test_a_version_has_three_numbers(void **state)
{
	static const char *const wrong[] = { "", "v", "1", "1.2", "1.2.x", "1.2.3.4", "01.2.3", "1.2.03", "1.2.3-",
		"a1.2.3", "1.2.3 ", " 1.2.3", "1.2.3_4", "-1.2.3", "1..3", "1.2.", "99999999999999999999.0.0",
		"release-1.2.3" };
	struct semver v = version("v1.20.3-rc.1+build.5");

	(void)state;
	assert_int_equal(v.numbers[0], 1);
	assert_int_equal(v.numbers[1], 20);
	assert_int_equal(v.numbers[2], 3);
	assert_string_equal(v.pre_release, "rc.1");
	assert_null(version("0.0.0+1").pre_release);
	for (size_t i = 0; i < array_len(wrong); i++)
		assert_false(semver_read(wrong[i], &arena, &v));
}

/* The order of https://semver.org, section 11. */
static void test_versions_are_ordered(void **state)
{
	static const char *const rising[] = { "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
		"1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0",
		"2.0.0" };

	(void)state;
	for (size_t i = 0; i < array_len(rising); i++)
		for (size_t j = 0; j < array_len(rising); j++) {
			struct semver a = version(rising[i]), b = version(rising[j]);
			int order = semver_order(&a, &b);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
}

static void test_comparisons(void **state)
{
	(void)state;
	assert_true(in("1.2.3", "1.2.3"));
	assert_true(in("1.2.3", "=v1.2.3"));
	assert_false(in("1.2.4", "1.2.3"));
	assert_false(in("1.2.3", "!=1.2.3"));
	assert_true(in("1.2.4", "> 1.2.3"));
	assert_false(in("1.2.3", ">1.2.3"));
	assert_true(in("1.2.3", ">=1.2.3"));
	assert_true(in("1.2.2", "<1.2.3"));
	assert_false(in("1.2.3", "<1.2.3"));
	assert_true(in("1.2.3", "<=1.2.3"));
}

static void test_numbers_that_are_left_out_are_any(void **state)
{
	(void)state;
	assert_true(in("1.2.9", "1.2"));
	assert_true(in("1.9.9", "1.x"));
	assert_true(in("1.9.9", "1.*.*"));
	assert_true(in("7.0.0", "*"));
	assert_false(in("2.0.0", "1.x"));
	assert_false(in("1.2.9", ">1.2"));
	assert_true(in("1.3.0", ">1.2"));
	assert_true(in("1.2.9", "<=1.2"));
	assert_false(in("1.2.0", "<1.2"));
	assert_true(in("1.2.0", ">=1.2"));
	assert_false(in("1.2.9", "!=1.2"));
}

static void test_tilde_keeps_the_second_number(void **state)
{
	(void)state;
	assert_true(in("1.2.9", "~1.2.3"));
	assert_false(in("1.2.2", "~1.2.3"));
	assert_false(in("1.3.0", "~1.2.3"));
	assert_true(in("1.9.0", "~1"));
	assert_false(in("2.0.0", "~1"));
}

static void test_caret_keeps_the_first_number_that_counts(void **state)
{
	(void)state;
	assert_true(in("1.9.0", "^1.2.3"));
	assert_false(in("1.2.2", "^1.2.3"));
	assert_false(in("2.0.0", "^1.2.3"));
	assert_true(in("0.2.9", "^0.2.3"));
	assert_false(in("0.3.0", "^0.2.3"));
	assert_true(in("0.0.3", "^0.0.3"));
	assert_false(in("0.0.4", "^0.0.3"));
	assert_true(in("0.0.9", "^0.0"));
	assert_false(in("0.1.0", "^0.0"));
	assert_true(in("0.9.0", "^0"));
}

static void test_comparisons_are_joined(void **state)
{
	(void)state;
	assert_true(in("1.5.0", ">=1.2 <2"));
	assert_true(in("1.5.0", ">=1.2, <2"));
	assert_true(in("1.5.0", ">=1.2,<2,!=1.4.0"));
	assert_false(in("1.4.0", ">=1.2,<2,!=1.4.0"));
	assert_true(in("3.0.0", ">=1.2 <2 || ^3"));
	assert_true(in("1.2.0", ">=1.2 <2||^3"));
	assert_false(in("2.5.0", ">=1.2 <2 || ^3"));
}

static void test_a_pre_release_must_be_asked_for(void **state)
{
	(void)state;
	assert_false(in("1.3.0-rc.1", ">=1.2"));
	assert_false(in("1.3.0-rc.1", "*"));
	assert_true(in("1.3.0-rc.1", ">=1.2.0-0"));
	assert_true(in("1.3.0-rc.2", ">=1.3.0-rc.1"));
	assert_false(in("1.3.0-rc.1", ">=1.3.0-rc.2"));
	assert_true(in("1.3.0-rc.1", ">=1.2 || >=1.3.0-rc.1"));
}

static void test_what_is_no_range(void **state)
{
	static const char *const wrong[] = { "", " ", "||", "1.2 ||", "|| 1", "1|2", ">", ">=", "==1", "=>1",
		"><1", "!1", "~>1", "latest", "1.2.3.4", "1.x.3", "1.2 - 1.4", "1.2;2", ">=1.2 <", "^^1", "1.02" };

	(void)state;
	assert_true(is_range(">=1.2 <2"));
	for (size_t i = 0; i < array_len(wrong); i++)
		if (is_range(wrong[i]))
			fail_msg("'%s' is taken for a range", wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_a_version_has_three_numbers),
		given_test(test_versions_are_ordered),
		given_test(test_comparisons),
		given_test(test_numbers_that_are_left_out_are_any),
		given_test(test_tilde_keeps_the_second_number),
		given_test(test_caret_keeps_the_first_number_that_counts),
		given_test(test_comparisons_are_joined),
		given_test(test_a_pre_release_must_be_asked_for),
		given_test(test_what_is_no_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
