#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/clock.h"

static void test_known_times(void **state)
{
	struct arena a = { 0 };

	(void)state;
	assert_string_equal(clock_text((struct timespec){ .tv_sec = 0 }, &a), "1970-01-01T00:00:00Z");
	assert_string_equal(clock_text((struct timespec){ .tv_sec = 951782400 }, &a), "2000-02-29T00:00:00Z");
	assert_string_equal(clock_text((struct timespec){ .tv_sec = 1700000000 }, &a), "2023-11-14T22:13:20Z");
	assert_string_equal(clock_text((struct timespec){ .tv_sec = -1 }, &a), "1969-12-31T23:59:59Z");
	arena_finish(&a);
}

static void test_texts_read_back_as_the_c_library_reads_them(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct arena a = { 0 };
		struct timespec t = { .tv_sec = (time_t)rand_r(&seed) * 4 }, back;

		assert_true(clock_read(clock_text(t, &a), &back));
		assert_int_equal(t.tv_sec, back.tv_sec);
		arena_finish(&a);
	}
}

static void test_other_texts_are_no_times(void **state)
{
	struct timespec t;

	(void)state;
	assert_false(clock_read(NULL, &t));
	assert_false(clock_read("", &t));
	assert_false(clock_read("yesterday", &t));
	assert_false(clock_read("2023-11-14T22:13:20", &t));
	assert_false(clock_read("2023-11-14T22:13:20Z ", &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_times),
		cmocka_unit_test(test_texts_read_back_as_the_c_library_reads_them),
		cmocka_unit_test(test_other_texts_are_no_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
