#include "objects_case.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "targets/objects/record.h"

static const char *path(void)
{
	return scratch_path("objects.json");
}

static void write_text(const char *text)
{
	scratch_write(path(), text);
}

static struct record example(void)
{
	struct record record = { .ca = { "PEM\n", 4 } };

	*vec_push(&arena, &record.servers.list) = "https://a:1";
	*vec_push(&arena, &record.servers.list) = "https://b:2";
	*vec_push(&arena, &record.sets) = (struct applyset){ .kind = SET_MESH, .namespace = "ns", .name = "m" };
	*vec_push(&arena, &record.sets) = (struct applyset){ .kind = SET_NODE, .namespace = "ns", .name = "n" };
	return record;
}

static void test_what_is_written_reads_back_equal(void **state)
{
	struct record record = example(), is;

	(void)state;
	assert_int_equal(record_write(scratch, &record, &arena), 0);
	assert_int_equal(record_read(scratch, &arena, &is), 0);
	assert_true(is.exists);
	assert_int_equal(is.servers.list.n, 2);
	assert_string_equal(is.servers.list.items[1], "https://b:2");
	assert_string_equal(is.ca.data, "PEM\n");
	assert_int_equal(is.sets.n, 2);
	assert_int_equal(is.sets.items[0].kind, SET_MESH);
	assert_string_equal(is.sets.items[1].name, "n");
	assert_non_null(is.sets.items[1].id);
	assert_false(is.sets.items[1].wanted);
}

static void test_the_same_again_is_no_write(void **state)
{
	struct record record = example();
	struct stat before, after;

	(void)state;
	assert_int_equal(record_write(scratch, &record, &arena), 0);
	assert_int_equal(stat(path(), &before), 0);
	assert_int_equal(before.st_mode & 07777, 0600);
	assert_int_equal(record_write(scratch, &record, &arena), 0);
	assert_int_equal(stat(path(), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void test_no_file_is_an_empty_record(void **state)
{
	struct record is;

	(void)state;
	assert_int_equal(record_remove(scratch), 0);
	assert_int_equal(record_remove(scratch), 0);
	assert_int_equal(record_read(scratch, &arena, &is), 0);
	assert_false(is.exists);
	assert_int_equal(record_read("/nonexistent", &arena, &is), 0);
	assert_int_equal(record_remove("/nonexistent"), 0);
}

static void test_a_damaged_file_is_told(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{}", "{\"servers\":[1]}",
		"{\"servers\":[\"https://a\"],\"sets\":[{\"kind\":\"node\"}]}" };

	(void)state;
	for (size_t i = 0; i < array_len(texts); i++) {
		struct record is;

		write_text(texts[i]);
		assert_int_equal(record_read(scratch, &arena, &is), -EBADMSG);
		assert_false(is.exists);
	}
}

static int tear_down(void **state)
{
	(void)state;
	return scratch_end(path());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_reads_back_equal),
		cmocka_unit_test(test_the_same_again_is_no_write),
		cmocka_unit_test(test_no_file_is_an_empty_record),
		cmocka_unit_test(test_a_damaged_file_is_told),
	};

	return cmocka_run_group_tests(tests, scratch_begin, tear_down);
}
