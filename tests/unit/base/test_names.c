#include "base/names.h"

#include "given.h"

static void test_empty_index_has_no_name(void **state)
{
	struct names names = { 0 };

	(void)state;
	assert_int_equal(names_find(&names, ""), NAMES_NONE);
	assert_int_equal(names_find(&names, "a"), NAMES_NONE);
}

static void test_each_of_many_names_is_found_where_it_was_put(void **state)
{
	struct names names = { 0 };

	(void)state;
	for (size_t i = 0; i < 5000; i++)
		names_add(&arena, &names, arena_printf(&arena, "chain-%zu", i), i);
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(names_find(&names, arena_printf(&arena, "chain-%zu", i)), i);
	assert_int_equal(names_find(&names, "chain-5000"), NAMES_NONE);
	assert_int_equal(names_find(&names, ""), NAMES_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_empty_index_has_no_name),
		given_test(test_each_of_many_names_is_found_where_it_was_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
