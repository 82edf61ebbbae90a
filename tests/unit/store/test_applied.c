#include "store/applied.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "given.h"
#include "scratch.h"

static const char *path(void)
{
	return scratch_path("applied.json");
}

static void write_text(const char *text)
{
	scratch_write(path(), text);
}

static void write_three(void)
{
	struct applied applied = { .arena = &arena };

	applied_add(&applied, "b/one", "1");
	applied_add(&applied, "a/source", "sha256:7 by 0.1.0");
	applied_add(&applied, "a/with \"quotes\"", "2");
	assert_int_equal(applied_write(scratch, &applied), 0);
}

static struct applied read_it(void)
{
	struct applied applied = { .arena = &arena };

	assert_int_equal(applied_read(scratch, &applied), 0);
	return applied;
}

static void test_what_is_written_reads_back_equal(void **state)
{
	struct applied applied;

	(void)state;
	write_three();
	applied = read_it();
	assert_string_equal(applied_digest(&applied, "b/one"), "1");
	assert_string_equal(applied_digest(&applied, "a/with \"quotes\""), "2");
	assert_null(applied_digest(&applied, "b/on"));
	assert_int_equal(applied.items.n, 3);
	applied_load(&applied);
	assert_int_equal(applied.items.n, 3);
}

static void test_one_item_is_found_without_reading_all(void **state)
{
	struct applied applied;

	(void)state;
	write_three();
	applied = read_it();
	assert_true(applied_has(&applied, "a/source", "sha256:7 by 0.1.0"));
	assert_false(applied_has(&applied, "a/source", "sha256:7"));
	assert_false(applied_has(&applied, "source", "sha256:7 by 0.1.0"));
	assert_false(applied_has(&applied, "b/one", "sha256:7 by 0.1.0"));
	assert_int_equal(applied.items.n, 0);
	assert_non_null(applied_digest(&applied, "b/one"));
	assert_true(applied_has(&applied, "a/source", "sha256:7 by 0.1.0"));
	/* In doubt: the file has it with backslashes. */
	assert_false(applied_has(&applied, "a/with \"quotes\"", "2"));
}

static void test_no_file_and_a_damaged_one_are_empty(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{\"digests\": {\"a/b\": 1}}",
		"{\"digests\": [\"a/b\"]}" };
	struct applied applied;

	(void)state;
	applied = read_it();
	assert_null(applied_digest(&applied, "a/b"));
	assert_false(applied_has(&applied, "a/b", "1"));
	for (size_t i = 0; i < array_len(texts); i++) {
		write_text(texts[i]);
		applied = read_it();
		assert_null(applied_digest(&applied, "a/b"));
		assert_false(applied_has(&applied, "a/b", "1"));
	}
}

static void test_the_same_again_is_no_write(void **state)
{
	struct stat before, after;

	(void)state;
	write_three();
	assert_int_equal(stat(path(), &before), 0);
	write_three();
	assert_int_equal(stat(path(), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static int tear_down(void **state)
{
	(void)state;
	return scratch_end(path());
}

static int forget(void **state)
{
	(void)state;
	unlink(path());
	return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, forget)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_written_reads_back_equal),
		TEST(test_one_item_is_found_without_reading_all),
		TEST(test_no_file_and_a_damaged_one_are_empty),
		TEST(test_the_same_again_is_no_write),
	};

	return cmocka_run_group_tests(tests, scratch_begin, tear_down);
}
