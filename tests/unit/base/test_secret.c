#include "base/secret.h"

#include "given.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/enmesh-test-XXXXXX";

static const char *file_of(const char *content, size_t size, mode_t mode)
{
	const char *path = arena_printf(&arena, "%s/secret", dir);
	FILE *f;

	unlink(path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(content, 1, size, f), size);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void test_content_comes_without_its_last_newlines(void **state)
{
	struct secret s = { 0 };
	unsigned mode = 0;

	(void)state;
	assert_int_equal(secret_read(file_of("to\nken\r\n\n", 9, 0600), &s, &mode), 0);
	assert_string_equal(s.data_, "to\nken");
	assert_int_equal(mode, 0600);
	secret_finish(&s);
	assert_null(s.data_);
	secret_finish(&s);
}

static void test_a_file_that_others_may_read_is_refused_with_its_mode(void **state)
{
	static const mode_t modes[] = { 0644, 0640, 0604, 0620, 0602 };
	struct secret s = { 0 };

	(void)state;
	for (size_t i = 0; i < array_len(modes); i++) {
		unsigned mode = 0;

		assert_int_equal(secret_read(file_of("token", 5, modes[i]), &s, &mode), -EPERM);
		assert_int_equal(mode, modes[i]);
		assert_null(s.data_);
	}
	assert_int_equal(secret_read(file_of("token", 5, 0400), &s, &(unsigned){ 0 }), 0);
	secret_finish(&s);
}

static void test_what_cannot_be_a_secret_is_refused(void **state)
{
	char *large = arena_alloc(&arena, 64 * 1024 + 1), *fifo = arena_printf(&arena, "%s/fifo", dir);
	struct secret s = { 0 };
	unsigned mode;

	(void)state;
	memset(large, 'x', 64 * 1024 + 1);
	assert_int_equal(secret_read(file_of(large, 64 * 1024, 0600), &s, &mode), 0);
	assert_int_equal(strlen(s.data_), 64 * 1024);
	secret_finish(&s);
	assert_int_equal(secret_read(file_of(large, 64 * 1024 + 1, 0600), &s, &mode), -EFBIG);
	assert_int_equal(secret_read("/nonexistent", &s, &mode), -ENOENT);
	assert_int_equal(secret_read(dir, &s, &mode), -EINVAL);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(secret_read(fifo, &s, &mode), -EINVAL); /* and does not wait for a writer */
	unlink(fifo);
	assert_null(s.data_);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char path[sizeof(dir) + 16];

	(void)state;
	snprintf(path, sizeof(path), "%s/secret", dir);
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_content_comes_without_its_last_newlines),
		given_test(test_a_file_that_others_may_read_is_refused_with_its_mode),
		given_test(test_what_cannot_be_a_secret_is_refused),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
