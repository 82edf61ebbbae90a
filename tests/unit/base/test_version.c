#include "base/version.h"

#include "given.h"

static void check(const char *version, const char *condition, bool expected)
{
	bool meets = !expected;

	assert_true(version_meets(version, condition, &meets));
	if (meets != expected)
		fail_msg("%s against %s", version, condition);
}

static void test_conditions(void **state)
{
	(void)state;
	check("0.1.0", ">=0.1", true);
	check("0.1.0", ">=0.1.0", true);
	check("0.1.0", ">=0.1.1", false);
	check("0.1.0", ">=0.2", false);
	check("0.10.0", ">=0.9", true);
	check("1.0.0", ">= 0.9.9", true);
	check("0.1.0", ">0.1.0", false);
	check("0.1.1", ">0.1.0", true);
	check("2.0.0", ">1", true);
	check("0.1.0-rc1", ">=0.1.0", true);
}

static void test_only_the_parts_that_are_given_count(void **state)
{
	(void)state;
	check("0.2.7", "=0.2", true);
	check("0.2.7", "=0.2.6", false);
	check("0.2.7", ">0.2", false);
	check("0.3.0", ">0.2", true);
	check("0.2.7", "=0", true);
}

static void test_what_is_no_condition(void **state)
{
	static const char *const none[] = { "", "0.1", ">", ">=", "=", "=>1", "<1", "<=1", "==1", ">>1", ">=1.",
		">=1.x", ">=1.2.3.4", ">=v1", ">=1 ", ">=-1", ">=1,<2" };
	bool meets;

	(void)state;
	for (size_t i = 0; i < array_len(none); i++)
		if (version_meets("1.0.0", none[i], &meets))
			fail_msg("%s", none[i]);
}

static void test_a_huge_number_is_not_met(void **state)
{
	(void)state;
	check("0.1.0", ">=99999999999999999999999999", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_conditions),
		given_test(test_only_the_parts_that_are_given_count),
		given_test(test_what_is_no_condition),
		given_test(test_a_huge_number_is_not_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
