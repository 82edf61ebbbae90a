#include "fetch/pkt.h"

#include "given.h"

#define ID "0123456789abcdef0123456789abcdef01234567"
#define ID_2 "89abcdef0123456789abcdef0123456789abcdef"
#define ID_256 ID "0123456789abcdef01234567"

static const char *line(const char *text)
{
	struct str out = { .arena = &arena };

	pkt_add(&out, text);
	return str_text(&out);
}

/* Lines of the text, each with its length in front, and the end of a list. */
static struct bytes answer(const char *const *lines)
{
	struct str out = { .arena = &arena };

	for (; *lines; lines++)
		pkt_add(&out, *lines);
	pkt_add_flush(&out);
	return (struct bytes){ out.s, out.n };
}

#define ANSWER(...) answer((const char *const[]){ __VA_ARGS__, NULL })

static struct refs read_all(struct bytes text)
{
	struct refs refs = { 0 };
	const char *problem = NULL;

	assert_true(pkt_read_refs(&text, &arena, &refs, &problem));
	return refs;
}

static const char *problem_of(struct bytes text)
{
	struct refs refs = { 0 };
	const char *problem = NULL;

	assert_false(pkt_read_refs(&text, &arena, &refs, &problem));
	assert_non_null(problem);
	return problem;
}

static void test_a_line_has_its_length_in_front(void **state)
{
	(void)state;
	assert_string_equal(line("a\n"), "0006a\n");
	assert_string_equal(line("peel\n"), "0009peel\n");
	assert_string_equal(line(""), "0004");
}

static void test_references_and_what_is_said_of_them(void **state)
{
	struct refs refs = read_all(ANSWER(ID " HEAD symref-target:refs/heads/main\n", ID " refs/heads/main\n",
		ID_2 " refs/tags/v1 peeled:" ID "\n", ID_256 " refs/heads/f\xc3\xbcr\n",
		ID " refs/heads/x later:thing"));

	(void)state;
	assert_int_equal(refs.list.n, 5);
	assert_string_equal(refs.list.items[0].name, "HEAD");
	assert_string_equal(refs.list.items[0].target, "refs/heads/main");
	assert_string_equal(refs.list.items[1].id, ID);
	assert_null(refs.list.items[1].peeled);
	assert_string_equal(refs.list.items[2].id, ID_2);
	assert_string_equal(refs.list.items[2].peeled, ID);
	assert_string_equal(refs.list.items[3].id, ID_256);
	assert_string_equal(refs.list.items[3].name, "refs/heads/f\xc3\xbcr");
	assert_string_equal(refs.list.items[4].name, "refs/heads/x");
}

static void test_an_empty_repository_has_none(void **state)
{
	(void)state;
	assert_int_equal(read_all(given_bytes("0000")).list.n, 0);
	assert_int_equal(read_all(ANSWER("unborn HEAD symref-target:refs/heads/main\n")).list.n, 0);
}

static void test_what_the_server_says_is_repeated(void **state)
{
	(void)state;
	assert_string_equal(problem_of(ANSWER("ERR no such repository\n")), "the server says: no such repository");
}

/* Of every answer each part that is too short, and each with another byte, is damage or another answer. */
static void test_what_is_cut_off_is_damage(void **state)
{
	struct bytes whole =
		ANSWER(ID " HEAD symref-target:refs/heads/main\n", ID_2 " refs/tags/v1 peeled:" ID "\n");

	(void)state;
	for (size_t n = 0; n < whole.size; n++) {
		/* Where it ends there is the end of what was allocated. */
		char *copy = malloc(n + 1);
		struct bytes part = { copy, n };

		memcpy(copy, whole.data, n);
		copy[n] = 0;
		assert_string_equal(problem_of(part), "the server's list of references is damaged or cut off");
		free(copy);
	}
}

static void test_damage(void **state)
{
	static const char *const wrong[] = { "nonsense", "0003", "0001", "0002", "ffff", "000g", "-004", " 004",
		"0004" };
	static const char *const lines[] = { "x HEAD", ID "HEAD", ID, ID " ", ID "  HEAD", "z" ID " HEAD",
		ID_256 "0 HEAD", ID " refs/heads/a:b", ID " refs/heads/*", ID " refs/heads/a\tb",
		ID " refs/heads/a\x7f", ID " a~1", ID " a^", ID " a?", ID " a[", ID " a\\",
		ID " HEAD symref-target:", ID " HEAD symref-target:refs/heads/*", ID " HEAD symref-target:a:b",
		ID " refs/tags/a peeled:", ID " refs/tags/a peeled:" ID "0", ID " refs/tags/a peeled:x" };

	(void)state;
	for (size_t i = 0; i < array_len(wrong); i++)
		problem_of(given_bytes(wrong[i]));
	for (size_t i = 0; i < array_len(lines); i++)
		problem_of(ANSWER(lines[i]));
}

static void test_very_many_are_refused(void **state)
{
	struct str text = { .arena = &arena };

	(void)state;
	for (int i = 0; i <= PKT_REFS_MAX; i++)
		pkt_add(&text, ID " a\n");
	pkt_add_flush(&text);
	assert_string_equal(
		problem_of((struct bytes){ text.s, text.n }), "the server lists more than 200000 references");
}

static struct offer offer_of(const char *first, const char *const *lines)
{
	struct bytes service = ANSWER("# service=git-upload-pack\n"), rest = answer(lines);
	struct str all = { .arena = &arena };
	struct offer offer;
	struct bytes text;

	str_add_n(&all, service.data, service.size);
	str_add(&all, first);
	str_add_n(&all, rest.data, rest.size);
	text = (struct bytes){ all.s, all.n };
	pkt_read_offer(&text, &arena, &offer);
	return offer;
}

static void test_what_a_server_speaks(void **state)
{
	static const char *const version_2[] = { "version 2\n", "agent=git/2.39\n", "ls-refs\n",
		"object-format=sha256\n", NULL };
	static const char *const no_format[] = { "version 2\n", NULL };
	/* A NUL is behind the name; written here as what it is. */
	static const char old[] = "0046" ID " HEAD\0object-format=sha256";
	struct bytes text;
	struct offer offer = offer_of("", version_2);

	(void)state;
	assert_true(offer.version_2);
	assert_string_equal(offer.object_format, "sha256");
	offer = offer_of("", no_format);
	assert_true(offer.version_2);
	assert_string_equal(offer.object_format, "sha1");
	text = (struct bytes){ old, sizeof(old) - 1 };
	pkt_read_offer(&text, &arena, &offer);
	assert_false(offer.version_2);
	assert_string_equal(offer.object_format, "sha256");
	text = given_bytes("nonsense");
	pkt_read_offer(&text, &arena, &offer);
	assert_false(offer.version_2);
	assert_string_equal(offer.object_format, "sha1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_a_line_has_its_length_in_front),
		given_test(test_references_and_what_is_said_of_them),
		given_test(test_an_empty_repository_has_none),
		given_test(test_what_the_server_says_is_repeated),
		given_test(test_what_is_cut_off_is_damage),
		given_test(test_damage),
		given_test(test_very_many_are_refused),
		given_test(test_what_a_server_speaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
