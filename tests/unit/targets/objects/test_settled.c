#include "objects_case.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "targets/objects/settled.h"

static const struct timespec now = { .tv_sec = 1700000000 };

static const char *path(void)
{
	return scratch_path("objects-settled.json");
}

static ino_t inode(void)
{
	struct stat st;

	return stat(path(), &st) ? 0 : st.st_ino;
}

static struct settled read_at(long long seconds)
{
	struct settled s;

	settled_read(scratch, (struct timespec){ .tv_sec = now.tv_sec + seconds }, &arena, &s);
	return s;
}

static void write_two(void)
{
	struct settled s = { .since = now };

	settled_add(&s, "objects/b", "2", &arena);
	settled_add(&s, "objects/a", "1", &arena);
	assert_int_equal(settled_write(scratch, now, &s, &arena), 0);
}

static void test_what_is_written_is_known(void **state)
{
	struct settled s;

	(void)state;
	write_two();
	s = read_at(10);
	assert_int_equal(s.since.tv_sec, now.tv_sec);
	assert_true(settled_holds(&s, "objects/a", "1"));
	assert_true(settled_holds(&s, "objects/b", "2"));
	assert_false(settled_holds(&s, "objects/a", "2"));
	assert_false(settled_holds(&s, "objects/c", "1"));
}

static void test_it_lasts_for_a_day(void **state)
{
	struct settled s;

	(void)state;
	write_two();
	s = read_at(24 * 3600 - 1);
	assert_true(settled_holds(&s, "objects/a", "1"));
	s = read_at(24 * 3600);
	assert_false(settled_holds(&s, "objects/a", "1"));
	s = read_at(-1);
	assert_false(settled_holds(&s, "objects/a", "1"));
}

/* Else what is added every hour would keep what is old alive. */
static void test_the_day_counts_from_the_oldest(void **state)
{
	struct settled s;

	(void)state;
	write_two();
	s = read_at(3600);
	settled_add(&s, "objects/a", "1", &arena);
	settled_add(&s, "objects/c", "3", &arena);
	assert_int_equal(settled_write(scratch, (struct timespec){ .tv_sec = now.tv_sec + 3600 }, &s, &arena), 0);
	s = read_at(3601);
	assert_int_equal(s.since.tv_sec, now.tv_sec);
	assert_true(settled_holds(&s, "objects/c", "3"));
	assert_false(settled_holds(&s, "objects/b", "2"));
	s = read_at(25 * 3600);
	settled_add(&s, "objects/a", "1", &arena);
	assert_int_equal(
		settled_write(scratch, (struct timespec){ .tv_sec = now.tv_sec + 25 * 3600 }, &s, &arena), 0);
	s = read_at(48 * 3600);
	assert_true(settled_holds(&s, "objects/a", "1"));
}

static void test_the_same_again_is_no_write(void **state)
{
	struct settled s;
	ino_t before;

	(void)state;
	write_two();
	before = inode();
	s = read_at(3600);
	settled_add(&s, "objects/a", "1", &arena);
	settled_add(&s, "objects/b", "2", &arena);
	assert_int_equal(settled_write(scratch, now, &s, &arena), 0);
	assert_int_equal(inode(), before);
}

static void test_nothing_is_no_file(void **state)
{
	struct settled s;

	(void)state;
	write_two();
	s = read_at(0);
	assert_int_equal(settled_write(scratch, now, &s, &arena), 0);
	assert_int_equal(inode(), 0);
	s = read_at(0);
	assert_int_equal(settled_write(scratch, now, &s, &arena), 0);
	assert_int_equal(settled_write("/nonexistent", now, &s, &arena), 0);
}

static void test_a_damaged_file_says_nothing(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{}",
		"{\"since\":1,\"objects\":{\"objects/a\":\"1\"}}", "{\"objects\":{\"objects/a\":\"1\"}}",
		"{\"since\":\"2023-11-14T22:13:20Z\",\"objects\":[\"1\"]}",
		"{\"since\":\"2023-11-14T22:13:20Z\",\"objects\":{\"objects/a\":1}}" };

	(void)state;
	for (size_t i = 0; i < array_len(texts); i++) {
		struct settled s;

		scratch_write(path(), texts[i]);
		s = read_at(10);
		assert_false(settled_holds(&s, "objects/a", "1"));
	}
}

static void test_a_key_is_of_everything_that_matters(void **state)
{
	struct state *live = case_live();
	struct object o = { .body = case_json("{\"spec\":{\"a\":1}}") };
	const char *key;

	(void)state;
	*vec_push(&arena, &live->servers.list) = "https://a:1";
	key = settled_key(live, &o, "digest", &arena);
	assert_string_equal(settled_key(live, &o, "digest", &arena), key);
	assert_string_not_equal(settled_key(live, &o, "other", &arena), key);
	o.force = true;
	assert_string_not_equal(settled_key(live, &o, "digest", &arena), key);
	o.force = false;
	o.body = case_json("{\"spec\":{\"a\":\"1\"}}");
	assert_string_not_equal(settled_key(live, &o, "digest", &arena), key);
	o.body = case_json("{\"spec\":{\"a\":1}}");
	assert_string_equal(settled_key(live, &o, "digest", &arena), key);
	live->servers.list.items[0] = "https://b:1";
	assert_string_not_equal(settled_key(live, &o, "digest", &arena), key);
}

static int tear_down(void **state)
{
	(void)state;
	return scratch_end(path());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_known),
		cmocka_unit_test(test_it_lasts_for_a_day),
		cmocka_unit_test(test_the_day_counts_from_the_oldest),
		cmocka_unit_test(test_the_same_again_is_no_write),
		cmocka_unit_test(test_nothing_is_no_file),
		cmocka_unit_test(test_a_damaged_file_says_nothing),
		cmocka_unit_test(test_a_key_is_of_everything_that_matters),
	};

	return cmocka_run_group_tests(tests, scratch_begin, tear_down);
}
