#include "config/scalar.h"

#include "given.h"

static void test_types_are_those_of_the_core_schema(void **state)
{
	static const struct {
		const char *text;
		enum node_type type;
	} rows[] = {
		{ "", NODE_NULL },
		{ "~", NODE_NULL },
		{ "null", NODE_NULL },
		{ "Null", NODE_NULL },
		{ "NULL", NODE_NULL },
		{ "nULL", NODE_STRING },
		{ "true", NODE_BOOL },
		{ "False", NODE_BOOL },
		{ "TRUE", NODE_BOOL },
		{ "tRUE", NODE_STRING },
		{ "yes", NODE_STRING },
		{ "no", NODE_STRING },
		{ "on", NODE_STRING },
		{ "Off", NODE_STRING },
		{ "y", NODE_STRING },
		{ "0", NODE_INT },
		{ "-0", NODE_INT },
		{ "+12", NODE_INT },
		{ "0x1F", NODE_INT },
		{ "0o17", NODE_INT },
		{ "0b1", NODE_STRING },
		{ "0x", NODE_STRING },
		{ "-0x1", NODE_STRING },
		{ "1_000", NODE_STRING },
		{ "12:30:00", NODE_STRING },
		{ "1e3", NODE_REAL },
		{ ".5", NODE_REAL },
		{ "5.", NODE_REAL },
		{ "-1.5E-3", NODE_REAL },
		{ "1.10", NODE_REAL },
		{ ".", NODE_STRING },
		{ "1.2.3", NODE_STRING },
		{ "1e", NODE_STRING },
		{ "e3", NODE_STRING },
		{ "-", NODE_STRING },
		{ "2024-01-01", NODE_STRING },
		{ "10.0.0.1", NODE_STRING },
		{ "inf", NODE_STRING },
		{ "NaN", NODE_STRING },
		{ "0o8", NODE_STRING },
	};

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++) {
		struct node n = { 0 };

		if (scalar_read(rows[i].text, &n, &arena) || n.type != rows[i].type)
			fail_msg("%s is %s", rows[i].text, node_kind(&n));
	}
}

static void test_values(void **state)
{
	struct node n = { 0 };

	(void)state;
	assert_null(scalar_read("0o17", &n, &arena));
	assert_int_equal(n.integer, 15);
	assert_null(scalar_read("0x1F", &n, &arena));
	assert_int_equal(n.integer, 31);
	assert_null(scalar_read("-9223372036854775808", &n, &arena));
	assert_true(n.integer == INT64_MIN);
	assert_null(scalar_read("1e3", &n, &arena));
	assert_true(n.real == 1000);
	assert_null(scalar_read("False", &n, &arena));
	assert_false(n.boolean);
}

static void test_what_readers_disagree_about_is_refused(void **state)
{
	static const char *const refused[] = { "080", "0777", "-01", "+007", "00", "9223372036854775808",
		"0xFFFFFFFFFFFFFFFF", "1e999", "-1e999", ".inf", "-.INF", "+.Inf", ".nan", ".NaN" };

	(void)state;
	for (size_t i = 0; i < array_len(refused); i++) {
		const char *problem = scalar_read(refused[i], &(struct node){ 0 }, &arena);

		assert_non_null(problem);
		assert_non_null(strstr(problem, "in quotes"));
	}
}

static void test_what_others_read_differently_needs_quotes(void **state)
{
	static const char *const quoted[] = { "", "true", "No", "yes", "ON", "y", "12", "0777", "1_000",
		"12:30:00", "0b1", "1.5", ".5", "1e3", "2024-01-01", "2024-01-01 12:00:00", ".inf", "~", "null",
		"<<", "=", "0x1F", "+1", "1,000" };
	static const char *const plain[] = { "a", "10.0.0.0/8 net", "yesterday", "v1.2.3",
		"istiod.istio-system.svc:15012", "/etc/passwd", "HTTP", "none", "a-1", "node" };

	(void)state;
	for (size_t i = 0; i < array_len(quoted); i++)
		if (!scalar_needs_quotes(quoted[i]))
			fail_msg("%s", quoted[i]);
	for (size_t i = 0; i < array_len(plain); i++)
		if (scalar_needs_quotes(plain[i]))
			fail_msg("%s", plain[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_types_are_those_of_the_core_schema),
		given_test(test_values),
		given_test(test_what_readers_disagree_about_is_refused),
		given_test(test_what_others_read_differently_needs_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
