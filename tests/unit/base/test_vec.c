#include "base/vec.h"

#include "given.h"

static void test_items_keep_their_order_and_are_zeroed(void **state)
{
	struct pair {
		int a, b;
	};
	vec_of(struct pair) v = { 0 };
	int i = 0;

	(void)state;
	for (int k = 0; k < 1000; k++) {
		struct pair *item = vec_push(&arena, &v);

		assert_int_equal(item->a, 0);
		assert_int_equal(item->b, 0);
		item->a = k;
	}
	assert_int_equal(v.n, 1000);
	vec_each (it, &v)
		assert_int_equal(it->a, i++);
	assert_int_equal(i, 1000);
}

static void test_an_empty_one_has_no_items(void **state)
{
	vec_of(int) v = { 0 };

	(void)state;
	vec_each (it, &v)
		fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_items_keep_their_order_and_are_zeroed),
		given_test(test_an_empty_one_has_no_items),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
