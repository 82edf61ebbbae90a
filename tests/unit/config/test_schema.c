#include "config/schema.h"

#include "given.h"

/* A set of one schema; it is written as YAML. */
static struct schema_set *set_of(const char *schema)
{
	struct node *files = arena_new(&arena, struct node);

	files->type = NODE_MAP;
	node_put_node(&arena, files, "s", given_node(schema));
	return schema_set_new(files, &arena);
}

/* "" if the value is valid. */
static const char *check(const char *schema, const char *value)
{
	struct schema_set *set = set_of(schema);
	const struct node *v = given_node(value);
	bool quiet = schema_check(set, "s", v, NULL), ok;

	diags = (struct diags){ .arena = &arena };
	ok = schema_check(set, "s", v, &diags);
	assert_int_equal(ok, quiet);
	assert_int_equal(ok, !diags.errors);
	schema_set_finish(set);
	return given_diags();
}

#define AT "given.yaml:"

static void test_a_value_of_another_type_gets_a_hint(void **state)
{
	(void)state;
	assert_string_equal(check("{properties: {p: {type: integer, title: a port}}}", "p: '80'"),
		AT "1:4: error: expected a port, found the string \"80\"; write it without quotes (/p)\n");
	assert_string_equal(check("{properties: {p: {type: string}}}", "p: 1.10"),
		AT "1:4: error: expected a string, found the number 1.1; write it in quotes (/p)\n");
	assert_string_equal(check("{properties: {p: {type: boolean}}}", "p: yes"),
		AT "1:4: error: expected true or false, found the string \"yes\"; in YAML 1.2 the booleans are "
		   "true and false, "
		   "without quotes (/p)\n");
	assert_string_equal(check("{properties: {p: {type: string}}}", "p:\n"),
		AT "1:3: error: expected a string, found nothing (null) (/p)\n");
	assert_string_equal(check("{properties: {p: {type: array}}}", "p: {a: 1}\n"),
		AT "1:4: error: expected a list, found a map (/p)\n");
	assert_string_equal(check("{properties: {p: {title: a user, anyOf: [{type: string, pattern: '^a$'}, "
				  "{type: integer}]}}}",
				    "p: '5'"),
		AT "1:4: error: expected a user, found the string \"5\"; write it without quotes (/p)\n");
}

static void test_a_misspelt_field_is_one_mistake(void **state)
{
	static const char schema[] =
		"{additionalProperties: false, required: [name, port], oneOf: [{required: [text]}, "
		"{required: [source]}], properties: {name: {}, port: {}, text: {}, source: {}}}";

	(void)state;
	assert_string_equal(check(schema, "{nmae: x, prot: 5, txt: y}"),
		AT "1:2: error: unknown field 'nmae', did you mean 'name'? (/nmae)\n" AT
		   "1:11: error: unknown field 'prot', did you mean 'port'? (/prot)\n" AT
		   "1:20: error: unknown field 'txt', did you mean 'text'? (/txt)\n");
	assert_string_equal(check(schema, "{name: x, zzz: 5, text: y}"),
		AT "1:1: error: the field 'port' is missing\n" AT
		   "1:11: error: unknown field 'zzz', the fields here are name, port, text, source (/zzz)\n");
	assert_string_equal(check(schema, "{name: x, port: 5}"),
		AT "1:1: error: expected exactly one of the fields 'text' and 'source', found none\n");
	assert_string_equal(check(schema, "{name: x, port: 5, text: a, source: b}"),
		AT "1:1: error: expected exactly one of the fields 'text' and 'source', found more\n");
}

static void test_a_field_that_another_needs(void **state)
{
	(void)state;
	assert_string_equal(check("{dependentRequired: {cert: [key]}}", "{cert: x}"),
		AT "1:1: error: the field 'key' is missing: 'cert' needs it\n");
	assert_string_equal(check("{dependentRequired: {cert: [key]}}", "{key: x}"), "");
}

static void test_a_wrong_choice_names_the_right_ones(void **state)
{
	(void)state;
	assert_string_equal(check("{enum: [redirect, none, 5]}", "redirekt"),
		AT "1:1: error: expected one of redirect, none, the integer 5, found the string \"redirekt\", did "
		   "you mean "
		   "'redirect'?\n");
	assert_string_equal(check("{enum: [redirect, none]}", "7"),
		AT "1:1: error: expected one of redirect, none, found the integer 7\n");
	assert_string_equal(
		check("{const: Mesh}", "mesh"), AT "1:1: error: expected Mesh, found the string \"mesh\"\n");
	assert_string_equal(
		check("{const: 5}", "6"), AT "1:1: error: expected the integer 5, found the integer 6\n");
}

static void test_limits_are_named(void **state)
{
	(void)state;
	assert_string_equal(check("{type: integer, maximum: 4294967294}", "4294967295"),
		AT "1:1: error: expected at most 4294967294, found the integer 4294967295\n");
	assert_string_equal(
		check("{minimum: 1}", "0.5"), AT "1:1: error: expected at least 1, found the number 0.5\n");
	assert_string_equal(check("{minItems: 1}", "[]"), AT "1:1: error: expected at least 1 item, found 0\n");
	assert_string_equal(
		check("{maxItems: 2}", "[a, b, c]"), AT "1:1: error: expected at most 2 items, found 3\n");
	assert_string_equal(check("{minProperties: 1, required: [a]}", "{}"),
		AT "1:1: error: expected at least 1 field, found 0\n");
	assert_string_equal(
		check("{maxLength: 3}", "éééé"), AT "1:1: error: expected at most 3 characters, found 4\n");
	assert_string_equal(check("{maxLength: 3}", "ééé"), "");
	assert_string_equal(check("{minLength: 1}", "''"),
		AT "1:1: error: expected a string that is not empty, found the string \"\"\n");
	assert_string_equal(check("{pattern: '^a$'}", "b"),
		AT "1:1: error: expected a match of ^a$, found the string \"b\"\n");
}

static void test_every_mistake_is_reported(void **state)
{
	(void)state;
	assert_string_equal(check("{items: {type: integer}, uniqueItems: true}", "[1, a, 1, b, 1.0, 2]"),
		AT "1:5: error: expected an integer, found the string \"a\" (/1)\n" AT
		   "1:8: error: the integer 1 is here twice, first at given.yaml:1:2 (/2)\n" AT
		   "1:11: error: expected an integer, found the string \"b\" (/3)\n" AT
		   "1:14: error: the number 1 is here twice, first at given.yaml:1:8 (/4)\n");
}

static void test_the_likely_branch_explains_the_mistake(void **state)
{
	static const char schema[] =
		"{title: \"'all' or a list of ports\", anyOf: [{const: all}, {type: array, items: {type: "
		"integer, title: a port}}]}";

	(void)state;
	assert_string_equal(
		check(schema, "[80, x]"), AT "1:6: error: expected a port, found the string \"x\" (/1)\n");
	assert_string_equal(check(schema, "al"),
		AT "1:1: error: expected 'all' or a list of ports, found the string \"al\"\n");
	assert_string_equal(
		check(schema, "80"), AT "1:1: error: expected 'all' or a list of ports, found the integer 80\n");
	assert_string_equal(check("{anyOf: [{type: string}, {type: integer}]}", "true"),
		AT "1:1: error: expected a string or an integer, found the boolean true; write it in quotes\n");
}

static void test_names_of_free_maps_are_checked_at_the_name(void **state)
{
	(void)state;
	assert_string_equal(check("{propertyNames: {title: a label name, pattern: '^[a-z]+$'}}", "{ok: 1, 9a: 2}"),
		AT "1:9: error: expected a label name, found the string \"9a\" (/9a)\n");
}

static void test_long_strings_are_cut_between_characters(void **state)
{
	const char *message =
		check("{type: integer}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaéééééééé");

	(void)state;
	assert_string_equal(message, AT "1:1: error: expected an integer, found the string "
					"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…\"\n");
}

static void test_what_is_broken_is_not_complained_about_again(void **state)
{
	struct schema_set *set = set_of("{properties: {p: {type: integer}}}");
	struct yaml_documents documents = { 0 };
	struct bytes text = given_bytes("p: 080\n");

	(void)state;
	assert_false(yaml_read("f", &text, &arena, &documents, &diags));
	assert_int_equal(diags.errors, 1);
	assert_false(schema_check(set, "s", documents.list.items[0], &diags));
	assert_int_equal(diags.errors, 1);
	schema_set_finish(set);
}

static void test_a_recursive_schema_ends(void **state)
{
	(void)state;
	assert_non_null(strstr(check("{$ref: '#'}", "x"), "nested too deeply for its schema"));
	assert_string_not_equal(check("{anyOf: [{$ref: '#'}]}", "x"), "");
	assert_string_equal(check("{$ref: '#/nowhere'}", "x"),
		AT "1:1: error: expected what nothing defines, found the string \"x\"\n");
	assert_string_equal(
		check("{properties: {a: {$ref: '#'}}, additionalProperties: false}", "{a: {a: {b: {}}}}"),
		AT "1:10: error: unknown field 'b', the fields here are a (/a/a/b)\n");
}

/* ---- defaults ---- */

static const struct node *complete(const char *schema, const char *value)
{
	struct schema_set *set = set_of(schema);
	const struct node *v = schema_complete(set, "s", given_node(value));

	schema_set_finish(set);
	return v;
}

static void test_defaults_are_put_in_at_every_depth(void **state)
{
	static const char schema[] = "{$defs: {n: {type: integer, default: 7}},"
				     " properties: {a: {default: 1}, m: {default: {}, properties: {b: {default: "
				     "x}, c: {$ref: '#/$defs/n'}}},"
				     " l: {items: {properties: {d: {default: true}}}}, n: {properties: {e: {}}}}}";
	const struct node *n = complete(schema, "{l: [{}, {d: false}], z: 5}");

	(void)state;
	assert_true(node_equal(n, given_node("{a: 1, m: {b: x, c: 7}, l: [{d: true}, {d: false}], z: 5}")));
	/* They are where the map is that lacks them. */
	assert_int_equal(node_pos(node_get(n, "a")).column, 1);
	assert_string_equal(node_pointer(node_path(n, "m", "b", NULL), &arena), "/m/b");
	assert_string_equal(node_pointer(node_get(&node_get(n, "l")->items[0], "d"), &arena), "/l/0/d");
	assert_string_equal(node_pointer(&node_get(n, "l")->items[1], &arena), "/l/1");
	assert_int_equal(node_key_pos(node_path(n, "m", "b", NULL)).column, 1);
}

static void test_what_lacks_nothing_is_shared(void **state)
{
	struct schema_set *set =
		set_of("{properties: {a: {default: 1}, l: {items: {properties: {d: {default: 2}}}}}}");
	const struct node *n = given_node("{a: 5, l: [{d: 1}], m: {x: 1}}");

	(void)state;
	assert_ptr_equal(schema_complete(set, "s", n), n);
	schema_set_finish(set);
}

/* ---- hostile values ---- */

static const char *list_of(int n, const char *odd, const char *even)
{
	struct str s = { .arena = &arena };

	str_add(&s, "[");
	for (int i = 0; i < n; i++)
		str_printf(&s, "%s%d%s, ", i % 2 ? odd : even, i, i % 2 ? "]" : "");
	str_add(&s, "]");
	return str_text(&s);
}

static void test_uniqueness_of_a_long_list_is_seen_quickly(void **state)
{
	clock_t start = clock();

	(void)state;
	assert_string_equal(check("{uniqueItems: true}", list_of(60000, "[", "x")), "");
	assert_true(given_seconds(start) < 3);
}

static void test_many_unknown_fields_take_bounded_time(void **state)
{
	struct str value = { .arena = &arena };
	clock_t start;

	(void)state;
	for (int i = 0; i < 20000; i++)
		str_printf(&value, "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk%d: 1\n", i);
	start = clock();
	check("{additionalProperties: false, properties: {one: {}, two: {}, "
	      "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk: {}}}",
		str_text(&value));
	assert_true(diags.errors > DIAGS_MAX);
	assert_true(given_seconds(start) < 3);
}

static void test_patterns_take_bounded_time(void **state)
{
	static const char *const patterns[] = { "^(a+)+$", "^(a|aa)*$",
		"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]*$" };
	struct str value = { .arena = &arena };
	clock_t start = clock();

	(void)state;
	str_add(&value, "'");
	for (int i = 0; i < 100000; i++)
		str_add(&value, "aaaaaaaaa");
	str_add(&value, "!'");
	for (size_t i = 0; i < array_len(patterns); i++) {
		const char *schema = arena_printf(&arena, "{pattern: '%s'}", patterns[i]);

		assert_string_not_equal(check(schema, str_text(&value)), "");
		assert_string_not_equal(
			check(schema, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"), "");
	}
	assert_true(given_seconds(start) < 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_a_value_of_another_type_gets_a_hint),
		given_test(test_a_misspelt_field_is_one_mistake),
		given_test(test_a_field_that_another_needs),
		given_test(test_a_wrong_choice_names_the_right_ones),
		given_test(test_limits_are_named),
		given_test(test_every_mistake_is_reported),
		given_test(test_the_likely_branch_explains_the_mistake),
		given_test(test_names_of_free_maps_are_checked_at_the_name),
		given_test(test_long_strings_are_cut_between_characters),
		given_test(test_what_is_broken_is_not_complained_about_again),
		given_test(test_a_recursive_schema_ends),
		given_test(test_defaults_are_put_in_at_every_depth),
		given_test(test_what_lacks_nothing_is_shared),
		given_test(test_uniqueness_of_a_long_list_is_seen_quickly),
		given_test(test_many_unknown_fields_take_bounded_time),
		given_test(test_patterns_take_bounded_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
