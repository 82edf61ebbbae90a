#include "base/json.h"

#include "given.h"

static struct node *read_json(const char *text, const char **problem)
{
	return json_read(text, strlen(text), &arena, problem);
}

static void test_values_survive_a_round_trip(void **state)
{
	static const char *const texts[] = {
		"{\"a\":[1,-2,0.5,true,false,null,\"\xc3\xa9\\n\\\"\",{},[]],\"b\":{\"c\":9223372036854775807}}",
		"\"text\"",
		"-9223372036854775808",
		"1e100",
		"[]",
		"null",
		"[[[[\"\"]]]]",
	};
	const char *problem = NULL;

	(void)state;
	for (size_t i = 0; i < array_len(texts); i++) {
		struct node *n = read_json(texts[i], &problem);
		const char *written = json_write(n, i % 2 ? JSON_ONE_LINE : JSON_INDENTED, &arena);

		assert_true(node_equal(n, read_json(written, &problem)));
	}
}

static void test_names_keep_their_order(void **state)
{
	const char *problem;

	(void)state;
	assert_string_equal(
		json_write(read_json("{\"z\": 1, \"a\": 2, \"m\": 3}", &problem), JSON_ONE_LINE, &arena),
		"{\"z\":1,\"a\":2,\"m\":3}");
}

static const char *nested(int depth)
{
	char *text = arena_alloc(&arena, (size_t)depth * 2 + 1);

	memset(text, '[', (size_t)depth);
	memset(text + depth, ']', (size_t)depth);
	return text;
}

static void test_depth_is_limited(void **state)
{
	const char *problem = NULL;

	(void)state;
	assert_non_null(read_json(nested(500), &problem));
	assert_null(read_json(nested(502), &problem));
	assert_string_equal(problem, "nested deeper than 500 levels");
	problem = NULL;
	assert_null(read_json(nested(100000), &problem)); /* jansson's own limit */
	assert_non_null(problem);
}

static void test_what_is_refused_says_why(void **state)
{
	static const struct {
		const char *text, *problem;
	} rows[] = {
		{ "{\n\"a\": 1,\n\"a\": 2}", "line 3: duplicate object key near '\"a\"'" },
		{ "", "line 1: unexpected token near end of file" },
		{ "[1,]", "line 1: unexpected token near ']'" },
		{ "[1] 2", "line 1: end of file expected near '2'" },
		{ "[\"\\u0000\"]", "line 1: a string must not contain a NUL character" },
		{ "[99999999999999999999]", "line 1: too big integer near '99999999999999999999'" },
		{ "[1e999]", "line 1: real number overflow near '1e999'" },
		{ "[\"\xff\"]", "line 1: unable to decode byte 0xff near '\"'" },
		{ "[NaN]", "line 1: invalid token near 'NaN'" },
		{ "{\"a\": [1,\n\n2}", "line 3: ']' expected near '}'" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++) {
		const char *problem = NULL;

		assert_null(read_json(rows[i].text, &problem));
		assert_string_equal(problem, rows[i].problem);
	}
}

static void test_what_is_no_utf8_is_written_as_replacement(void **state)
{
	struct node n = { .type = NODE_MAP };

	(void)state;
	node_put_text(&arena, &n, "a\xff", "b\xc3");
	assert_string_equal(json_write(&n, JSON_ONE_LINE, &arena), "{\"a\xef\xbf\xbd\":\"b\xef\xbf\xbd\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_values_survive_a_round_trip),
		given_test(test_names_keep_their_order),
		given_test(test_depth_is_limited),
		given_test(test_what_is_refused_says_why),
		given_test(test_what_is_no_utf8_is_written_as_replacement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
