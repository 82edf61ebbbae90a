#include "source/tar.h"

#include "given.h"

enum { BLOCK = 512 };

struct seen {
	struct str text; /* "PATH=CONTENT;" each */
	size_t stop;     /* after so many */
	size_t n;
};

static bool see(void *context, const char *path, const struct bytes *content)
{
	struct seen *seen = context;

	assert_int_equal(content->data[content->size], 0);
	str_printf(&seen->text, "%s=%.*s;", path, (int)content->size, content->data);
	return ++seen->n != seen->stop;
}

static const char *read_all(struct bytes archive)
{
	struct seen seen = { .text = { .arena = &arena } };
	const char *problem = NULL;

	if (!tar_read(&archive, see, &seen, &arena, &problem))
		fail_msg("%s", problem);
	return str_text(&seen.text);
}

static const char *problem_of(struct bytes archive)
{
	struct seen seen = { .text = { .arena = &arena } };
	const char *problem = NULL;

	assert_false(tar_read(&archive, see, &seen, &arena, &problem));
	return problem;
}

static void add(struct str *out, const char *path, const char *content)
{
	static const char zeros[TAR_END];
	struct bytes header = tar_header(path, strlen(content), &arena);

	assert_int_equal(header.size % BLOCK, 0);
	str_add_n(out, header.data, header.size);
	str_add(out, content);
	str_add_n(out, zeros, tar_padding(strlen(content)));
}

static struct bytes end(struct str *out)
{
	static const char zeros[TAR_END];

	str_add_n(out, zeros, sizeof(zeros));
	return (struct bytes){ out->s, out->n };
}

static char *repeat(const char *part, size_t n)
{
	struct str out = { .arena = &arena };

	while (n--)
		str_add(&out, part);
	return arena_strdup(&arena, str_text(&out));
}

static void test_what_is_written_reads_back(void **state)
{
	struct str out = { .arena = &arena };
	const char *deep = arena_printf(&arena, "%sx.yaml", repeat("abcdefgh/", 30)),
		   *longest = repeat("a", TAR_PATH_MAX);

	(void)state;
	add(&out, "mesh.yaml", "a: b\n");
	add(&out, "empty", "");
	add(&out, deep, repeat("x", BLOCK));
	add(&out, longest, repeat("y", BLOCK + 1));
	/* Around the length from which a path has a header of its own. */
	for (size_t n = 99; n <= 101; n++)
		add(&out, repeat("n", n), "c");
	assert_string_equal(
		read_all(end(&out)), arena_printf(&arena, "mesh.yaml=a: b\n;empty=;%s=%s;%s=%s;%s=c;%s=c;%s=c;",
					     deep, repeat("x", BLOCK), longest, repeat("y", BLOCK + 1),
					     repeat("n", 99), repeat("n", 100), repeat("n", 101)));
}

static void test_the_same_files_are_the_same_bytes(void **state)
{
	struct bytes a = tar_header("x", 5, &arena), b = tar_header("x", 5, &arena);

	(void)state;
	assert_int_equal(a.size, b.size);
	assert_memory_equal(a.data, b.data, a.size);
}

static void test_paths_that_lead_elsewhere(void **state)
{
	static const char *const wrong[] = { "/etc/passwd", "../x", "a/../b", "a/..", "..", ".", "./a", "a/./b",
		"a//b", "a/", "" };

	(void)state;
	for (size_t i = 0; i < array_len(wrong); i++) {
		struct str out = { .arena = &arena };

		add(&out, wrong[i], "x");
		assert_non_null(strstr(problem_of(end(&out)), "leads out of the archive"));
	}
	{
		struct str out = { .arena = &arena };

		add(&out, repeat("a", TAR_PATH_MAX + 1), "x");
		assert_non_null(strstr(problem_of(end(&out)), "too long"));
	}
}

static void test_whoever_takes_the_files_may_stop(void **state)
{
	struct seen seen = { .text = { .arena = &arena }, .stop = 1 };
	struct str out = { .arena = &arena };
	const char *problem = NULL;
	struct bytes archive;

	(void)state;
	add(&out, "a", "1");
	add(&out, "b", "2");
	archive = end(&out);
	assert_false(tar_read(&archive, see, &seen, &arena, &problem));
	assert_string_equal(str_text(&seen.text), "a=1;");
	assert_null(problem);
}

static void test_an_archive_that_ends_early(void **state)
{
	struct str out = { .arena = &arena };
	struct bytes whole;

	(void)state;
	add(&out, repeat("d/", 60), "x"); /* is not read so far */
	out.n = 0;
	add(&out, arena_printf(&arena, "%sx", repeat("d/", 60)), repeat("x", 700));
	whole = end(&out);
	for (size_t n = 0; n < whole.size; n += n % BLOCK == 511 || n % BLOCK == 0 ? 1 : 7) {
		char *copy = malloc(n + 1);

		memcpy(copy, whole.data, n);
		copy[n] = 0;
		problem_of((struct bytes){ copy, n });
		free(copy);
	}
}

/* Any byte of a header that is another one is noticed, but for those that say nothing. */
static void test_a_changed_header_is_noticed(void **state)
{
	struct str out = { .arena = &arena };
	struct bytes whole;

	(void)state;
	add(&out, "mesh.yaml", "a: b\n");
	whole = end(&out);
	for (size_t at = 0; at < BLOCK; at++) {
		char *copy = arena_dup(&arena, whole.data, whole.size + 1);
		struct seen seen = { .text = { .arena = &arena } };
		const char *problem;
		struct bytes changed = { copy, whole.size };

		copy[at] ^= 1;
		assert_true(!tar_read(&changed, see, &seen, &arena, &problem) || (at >= 154 && at < 156));
	}
}

/* A header made by hand; the sum is right. */
static struct bytes with_type(char type, const char *size)
{
	char *block = arena_alloc(&arena, BLOCK + TAR_END + 1);
	unsigned sum = 0;

	memset(block, 0, BLOCK + TAR_END + 1);
	memcpy(block, tar_header("x", 0, &arena).data, BLOCK);
	block[156] = type;
	memcpy(block + 124, size, 12);
	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
	block[155] = ' ';
	return (struct bytes){ block, BLOCK + TAR_END };
}

static void test_links_and_devices_are_damage(void **state)
{
	(void)state;
	for (const char *type = "12346789LKSD"; *type; type++)
		assert_non_null(
			strstr(problem_of(with_type(*type, "00000000000")), "neither a file nor a directory"));
	assert_string_equal(read_all(with_type('5', "00000000000")), "");
	assert_string_equal(read_all(with_type('0', "00000000000")), "x=;");
}

static void test_sizes_that_are_none(void **state)
{
	(void)state;
	problem_of(with_type('0', "77777777777"));
	problem_of(with_type('0', "777777777777"));
	problem_of(with_type('0', "           "));
	problem_of(with_type('0', "-0000000001"));
	problem_of(with_type('0', "0000000000x"));
	problem_of(with_type('0', "\x80\0\0\0\0\0\0\0\0\0\0\x01"));
	problem_of(with_type('x', "77777777777"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_what_is_written_reads_back),
		given_test(test_the_same_files_are_the_same_bytes),
		given_test(test_paths_that_lead_elsewhere),
		given_test(test_whoever_takes_the_files_may_stop),
		given_test(test_an_archive_that_ends_early),
		given_test(test_a_changed_header_is_noticed),
		given_test(test_links_and_devices_are_damage),
		given_test(test_sizes_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
