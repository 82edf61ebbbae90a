#include "base/arena.h"

#include "given.h"

#include <stdalign.h>

static void test_memory_is_zeroed_and_aligned(void **state)
{
	(void)state;
	for (size_t size = 0; size < 300; size++) {
		unsigned char *p = arena_alloc(&arena, size);

		assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
	}
}

static void test_large_and_small_allocations_do_not_overlap(void **state)
{
	enum { N = 400 };
	unsigned char *p[N];
	size_t size[N];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		size[i] = i % 7 ? i : i * 5000;
		p[i] = arena_alloc(&arena, size[i]);
		memset(p[i], (int)(i & 0xff), size[i]);
	}
	for (size_t i = 0; i < N; i++)
		for (size_t k = 0; k < size[i]; k++)
			assert_int_equal(p[i][k], i & 0xff);
}

static void test_arena_is_usable_after_finish(void **state)
{
	(void)state;
	arena_alloc(&arena, 100);
	arena_finish(&arena);
	assert_string_equal(arena_strdup(&arena, "again"), "again");
	arena_finish(&arena);
	arena_finish(&arena);
}

static void test_copies_are_copies(void **state)
{
	char text[] = "text";
	char *copy = arena_strdup(&arena, text), *part = arena_strndup(&arena, text, 2);

	(void)state;
	text[0] = 'X';
	assert_string_equal(copy, "text");
	assert_string_equal(part, "te");
	assert_string_equal(arena_strndup(&arena, NULL, 0), "");
	assert_non_null(arena_dup(&arena, NULL, 0));
}

static void test_printf_takes_any_length(void **state)
{
	char *s = arena_printf(&arena, "%*d|%s", 100000, 7, "end");

	(void)state;
	assert_int_equal(strlen(s), 100004);
	assert_string_equal(s + 100000, "|end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_memory_is_zeroed_and_aligned),
		given_test(test_large_and_small_allocations_do_not_overlap),
		given_test(test_arena_is_usable_after_finish),
		given_test(test_copies_are_copies),
		given_test(test_printf_takes_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
