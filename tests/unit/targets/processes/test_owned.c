#include "targets/processes/owned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena arena;
static struct diags diags;
static struct owned owned;
static char dir[64];
static const char *state_dir, *path;

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/enmesh-owned-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	diags = (struct diags){ .arena = &arena };
	owned = (struct owned){ .arena = &arena };
	state_dir = arena_printf(&arena, "%s/state", dir);
	path = arena_printf(&arena, "%s/files.json", state_dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	rmdir(state_dir);
	rmdir(dir);
	arena_finish(&arena);
	return 0;
}

static void put(const char *text)
{
	FILE *f;

	mkdir(state_dir, 0700);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_what_is_written_reads_back(void **state)
{
	struct owned again = { .arena = &arena };
	struct stat st;

	(void)state;
	owned_add(&owned, "/etc/b", false);
	owned_add(&owned, "/etc/a \"quoted\"", false);
	owned_add(&owned, "/etc", true);
	owned_add(&owned, "/etc/b", false);
	assert_int_equal(owned_write(state_dir, &owned), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(owned_read(state_dir, &again, &diags));
	assert_int_equal(again.items.n, 3);
	assert_string_equal(again.items.items[0].path, "/etc");
	assert_true(again.items.items[0].directory);
	assert_string_equal(again.items.items[1].path, "/etc/a \"quoted\"");
	assert_string_equal(again.items.items[2].path, "/etc/b");
	assert_false(again.items.items[2].directory);
	assert_false(again.changed);
}

static void test_unchanged_is_not_written(void **state)
{
	(void)state;
	assert_int_equal(owned_write(state_dir, &owned), 0);
	assert_int_not_equal(access(state_dir, F_OK), 0);
}

static void test_an_empty_one_is_no_file(void **state)
{
	(void)state;
	owned_add(&owned, "/etc/a", false);
	assert_int_equal(owned_write(state_dir, &owned), 0);
	owned_remove(&owned, "/etc/other");
	owned_remove(&owned, "/etc/a");
	assert_int_equal(owned_write(state_dir, &owned), 0);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void test_finding(void **state)
{
	(void)state;
	assert_null(owned_find(&owned, "/etc/a"));
	for (int i = 0; i < 100; i++)
		owned_add(&owned, arena_printf(&arena, "/%d", i * 37 % 100), false);
	for (int i = 0; i < 100; i++)
		assert_non_null(owned_find(&owned, arena_printf(&arena, "/%d", i)));
	assert_null(owned_find(&owned, "/100"));
	for (int i = 0; i < 100; i += 2)
		owned_remove(&owned, arena_printf(&arena, "/%d", i));
	for (int i = 0; i < 100; i++)
		assert_int_equal(owned_find(&owned, arena_printf(&arena, "/%d", i)) != NULL, i % 2);
}

static void test_none_is_an_empty_one(void **state)
{
	(void)state;
	assert_true(owned_read(state_dir, &owned, &diags));
	assert_int_equal(owned.items.n, 0);
}

static void test_a_damaged_one_is_refused(void **state)
{
	static const char *const damaged[] = { "", "{", "[]", "{}", "{\"files\": []}",
		"{\"files\": [1], \"directories\": []}", "{\"files\": [\"relative\"], \"directories\": []}",
		"{\"files\": {}, \"directories\": []}" };

	(void)state;
	for (size_t i = 0; i < array_len(damaged); i++) {
		put(damaged[i]);
		assert_false(owned_read(state_dir, &owned, &diags));
		assert_int_equal(diags.errors, i + 1);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_written_reads_back),
		TEST(test_unchanged_is_not_written),
		TEST(test_an_empty_one_is_no_file),
		TEST(test_finding),
		TEST(test_none_is_an_empty_one),
		TEST(test_a_damaged_one_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
