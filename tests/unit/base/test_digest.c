#include "base/digest.h"

#include "base/json.h"
#include "given.h"

/* Test vectors of FIPS 180-4. */
static void test_known_digests(void **state)
{
	(void)state;
	assert_string_equal(
		digest_of("", 0, &arena), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_string_equal(
		digest_of("abc", 3, &arena), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static const char *digest_of_two(const char *a, const char *b)
{
	struct digest *d = digest_start(&arena);

	digest_add_text(d, a);
	digest_add_text(d, b);
	return digest_end(d, &arena);
}

static void test_where_a_part_ends_makes_a_difference(void **state)
{
	(void)state;
	assert_string_not_equal(digest_of_two("ab", "c"), digest_of_two("a", "bc"));
	assert_string_not_equal(digest_of_two("abc", ""), digest_of_two("", "abc"));
	assert_string_equal(digest_of_two("ab", "c"), digest_of_two("ab", "c"));
}

static void test_no_text_differs_from_empty_text(void **state)
{
	(void)state;
	assert_string_not_equal(digest_of_two(NULL, "c"), digest_of_two("", "c"));
	assert_string_not_equal(digest_of_two(NULL, "c"), digest_of_two("\xff", "c"));
	assert_int_equal(strlen(digest_of_two(NULL, NULL)), DIGEST_SIZE);
}

static const char *digest_of_json(const char *text)
{
	struct digest *d = digest_start(&arena);
	const char *problem;

	digest_add_node(d, json_read(text, strlen(text), &arena, &problem));
	return digest_end(d, &arena);
}

static void test_every_value_makes_a_difference(void **state)
{
	static const char *const texts[] = { "null", "true", "false", "0", "1", "1.5", "\"\"", "\"1\"", "\"null\"",
		"[]", "{}", "[1]", "[[1]]", "[1,2]", "[[1],2]", "[[1,2]]", "{\"a\":1}", "{\"b\":1}",
		"{\"a\":1,\"b\":{}}", "{\"a\":{\"b\":{}}}", "{\"a\":{},\"b\":{}}", "[{\"a\":1}]", "[\"a\",1]",
		"[\"a1\"]" };

	(void)state;
	for (size_t i = 0; i < array_len(texts); i++) {
		assert_string_equal(digest_of_json(texts[i]), digest_of_json(texts[i]));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(digest_of_json(texts[i]), digest_of_json(texts[j]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_known_digests),
		given_test(test_where_a_part_ends_makes_a_difference),
		given_test(test_no_text_differs_from_empty_text),
		given_test(test_every_value_makes_a_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
