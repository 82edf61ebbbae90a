#include "config/yaml.h"

#include "given.h"

#include "base/json.h"

static struct yaml_documents documents;

static bool read_bytes(const char *text, size_t size)
{
	documents = (struct yaml_documents){ 0 };
	diags = (struct diags){ .arena = &arena };
	return yaml_read("f", &(struct bytes){ text, size }, &arena, &documents, &diags);
}

static bool read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

/* The documents as JSON, each on a line. */
static const char *values(const char *text)
{
	const char *all = "";

	if (!read_text(text))
		fail_msg("%s", given_diags());
	vec_each (root, &documents.list)
		all = arena_printf(&arena, "%s%s\n", all, json_write(*root, JSON_ONE_LINE, &arena));
	return all;
}

static const char *errors(const char *text)
{
	if (read_text(text))
		fail_msg("no error: %s", text);
	return given_diags();
}

static void test_documents_of_one_file(void **state)
{
	(void)state;
	assert_string_equal(values("a: 1\n---\nb: [x, 'y']\n...\n---\n{c: {d: }}\n"),
		"{\"a\":1}\n{\"b\":[\"x\",\"y\"]}\n{\"c\":{\"d\":null}}\n");
	assert_string_equal(values("%YAML 1.2\n---\na: no\n"), "{\"a\":\"no\"}\n");
}

static void test_empty_documents_are_left_out(void **state)
{
	static const char *const empty[] = { "", "---\n", "---", "\n\n", "# comment\n", "---\n---\n", "---\n...\n",
		"~\n", "\xef\xbb\xbf", "   \n" };

	(void)state;
	for (size_t i = 0; i < array_len(empty); i++)
		assert_string_equal(values(empty[i]), "");
	assert_string_equal(values("---\n---\na: 1\n---\n"), "{\"a\":1}\n");
}

static void test_norway_is_a_country(void **state)
{
	(void)state;
	assert_string_equal(
		values("[no, on, 1e3, 1_000, 12:30:00, ~, 0x10, true, 'true', ! 5, !!str 5, !!int 5, !!float 5]"),
		"[\"no\",\"on\",1000.0,\"1_000\",\"12:30:00\",null,16,true,\"true\",\"5\",\"5\",5,5]\n");
}

static void test_line_ends_and_byte_order_marks(void **state)
{
	(void)state;
	assert_string_equal(values("a: 1\r\nb: |\r\n  x\r\n  y\r\n"), "{\"a\":1,\"b\":\"x\\ny\\n\"}\n");
	assert_string_equal(values("\xef\xbb\xbf"
				   "a: 1\n"),
		"{\"a\":1}\n");
	assert_int_equal(node_key_pos(documents.list.items[0]->items).column, 1);
}

static void test_anchors_aliases_and_merge_keys(void **state)
{
	(void)state;
	assert_string_equal(values("a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\n"),
		"{\"a\":{\"p\":1,\"q\":2},\"b\":{\"p\":1,\"q\":2},\"c\":{\"q\":3,\"p\":1}}\n");
	assert_string_equal(values("- &a {p: 1}\n- &b {p: 2, q: 3}\n- {<<: [*a, *b], r: 4}\n"),
		"[{\"p\":1},{\"p\":2,\"q\":3},{\"r\":4,\"p\":1,\"q\":3}]\n");
	assert_string_equal(values("- &a 1\n- &a 2\n- *a\n"), "[1,2,2]\n"); /* the last one of a name counts */
	assert_string_equal(values("'<<': 1\n"), "{\"<<\":1}\n");
}

static struct pos pos_of(const struct node *n)
{
	return node_pos(n);
}

static void check_place(const struct node *n, uint32_t line, uint32_t column)
{
	if (!n || pos_of(n).line != line || pos_of(n).column != column)
		fail_msg("%s is at %s, not at %u:%u", n ? node_pointer(n, &arena) : "nothing",
			n ? pos_text(pos_of(n), &arena) : "", line, column);
}

static void test_positions_are_exact(void **state)
{
	const struct node *n, *list;

	(void)state;
	values("top:\n"
	       "  - name: é x\n"
	       "    flow: {a: [1,  two], \"é\": x}\n"
	       "    # comment\n"
	       "    text: |\n"
	       "      line\n"
	       "    empty:\n"
	       "    last: 5\n");
	n = documents.list.items[0];
	check_place(n, 1, 1);
	list = node_get(n, "top");
	check_place(list, 2, 3);
	check_place(&list->items[0], 2, 5);
	check_place(node_get(&list->items[0], "name"), 2, 11);
	n = node_get(&list->items[0], "flow");
	check_place(n, 3, 11);
	check_place(node_get(n, "a"), 3, 15);
	check_place(&node_get(n, "a")->items[1], 3, 20);
	check_place(node_get(n, "é"), 3, 31);
	assert_int_equal(node_key_pos(node_get(n, "é")).column, 26);
	check_place(node_get(&list->items[0], "text"), 5, 11);
	check_place(node_get(&list->items[0], "last"), 8, 11);
	assert_int_equal(node_key_pos(node_get(&list->items[0], "empty")).line, 7);
}

static void test_positions_of_anchored_and_aliased_values(void **state)
{
	const struct node *n;

	(void)state;
	values("a: &x {p: 1}\nb: *x\nc: {<<: *x}\n");
	n = documents.list.items[0];
	check_place(node_get(n, "a"), 1, 4); /* an anchor belongs to its value */
	check_place(node_get(n, "b"), 1, 4); /* what is wrong with it is written there */
	assert_int_equal(node_key_pos(node_get(n, "b")).line, 2);
	check_place(node_path(n, "c", "p", NULL), 1, 11);
	assert_string_equal(node_pointer(node_path(n, "c", "p", NULL), &arena), "/c/p");
	assert_string_equal(node_pointer(node_get(n, "b"), &arena), "/b");
}

static void test_mistakes_name_their_place(void **state)
{
	static const struct {
		const char *text, *errors;
	} rows[] = {
		{ "a: 1\nb: 2\na: 3\n", "f:3:1: error: the name 'a' is here twice, first at line 1\n" },
		{ "a: {x: 1, y: 2, x: 3, x: 4}\n",
			"f:1:17: error: the name 'x' is here twice, first at line 1\n"
			"f:1:23: error: the name 'x' is here twice, first at line 1\n" },
		{ "a: !foo x\n",
			"f:1:4: error: the tag !foo is not known here; only those of YAML's core schema are\n" },
		{ "a: !!binary aGk=\n",
			"f:1:4: error: the tag tag:yaml.org,2002:binary is not known here; only those of YAML's "
			"core schema are\n" },
		{ "!!foo a: 1\n",
			"f:1:1: error: the tag tag:yaml.org,2002:foo is not known here; only those of YAML's core "
			"schema are\n" },
		{ "a: !!int x\n", "f:1:4: error: the value is not of the type that its tag says\n" },
		{ "a: !!map [x]\n", "f:1:4: error: the value is not of the type that its tag says\n" },
		{ "port: 080\n", "f:1:7: error: the integer 080 begins with 0, which YAML 1.1 and 1.2 read "
				 "differently; write "
				 "it without 0, or in quotes if it is a string\n" },
		{ "a: .inf\n", "f:1:4: error: JSON has no such number; write it in quotes if it is a string\n" },
		{ "a: 99999999999999999999\n",
			"f:1:4: error: the integer is too large; write it in quotes if it is a string\n" },
		{ "a: \"x\\0y\"\n", "f:1:4: error: a string must not contain a NUL character\n" },
		{ "\"x\\0y\": a\n", "f:1:1: error: a name must not contain a NUL character\n" },
		{ "a: *b\n",
			"f:1:4: error: the anchor &b of this alias is not defined before it, or contains it\n" },
		{ "a: &b [*b]\n",
			"f:1:8: error: the anchor &b of this alias is not defined before it, or contains it\n" },
		{ "a: &x {p: 1}\nb: {<<: *x, <<: *x}\n",
			"f:2:13: error: the name '<<' is here twice, first at line 2; it takes a list of maps\n" },
		{ "a: {<<: 5}\n", "f:1:9: error: expected a map, or a list of maps, to merge\n" },
		{ "a: {<<: [{b: 1}, c]}\n", "f:1:18: error: expected a map, or a list of maps, to merge\n" },
		{ "a: &b x\n*b : y\n", "f:2:1: error: expected a name, found an alias\n" },
		{ "? [a]\n: b\n", "f:1:3: error: expected a name, found a list\n" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++)
		assert_string_equal(errors(rows[i].text), rows[i].errors);
}

/* More of them are in tests/golden. */
static void test_syntax_errors_name_their_place_and_cause(void **state)
{
	static const struct {
		const char *text, *errors;
	} rows[] = {
		{ "a: b: c\n", "f:1:5: error: unexpected ':'; a value with ': ' in it needs quotes, and the names "
			       "of one map the "
			       "same indentation\n" },
		{ "a:\n\tb: 1\n", "f:2:1: error: a tab cannot indent; use spaces\n" },
		{ "é: 'x'\nb: {é: @b}\n", "f:2:8: error: a value cannot begin with @; put it in quotes\n" },
		{ "a: [1, 2\nb: 3\n", "f:1:4: error: this list is not closed: expected ',' or ']' at line 2\n" },
		{ "a: \"x\nb: 1\n", "f:1:4: error: this string has no closing quote\n" },
		{ "a: 'x\n---\nb: 1\n", "f:1:4: error: this string has no closing quote before line 2\n" },
		{ "a: b\nc\nd: e\n", "f:2:1: error: expected a ':' and a space behind this name\n" },
		{ "a: b\n- c\n",
			"f:2:1: error: expected a name and a ':'; is the indentation that of the lines above?\n" },
		{ "- a\nb: c\n", "f:2:1: error: expected a '-'; is the indentation that of the lines above?\n" },
		{ "a: ? b\n", "f:1:4: error: unexpected '?'; a value that begins with it needs quotes\n" },
		{ "a: \"\\z\"\n", "f:1:5: error: unknown escape in a string in double quotes; a backslash is \\\\ "
				  "there, or use "
				  "single quotes\n" },
		{ "a: !<x\n", "f:1:7: error: did not find the expected '>' while scanning a tag\n" },
		{ "image: {{ .Values.image }}\n",
			"f:1:9: error: expected a name, found a map; enmesh fills in no templates: "
			"name the file in .enmeshignore\n" },
		{ "a: {{ .x }}: [\n", "f:1:5: error: expected a name, found a map; enmesh fills in no templates: "
				      "name the file in "
				      ".enmeshignore\n" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++)
		assert_string_equal(errors(rows[i].text), rows[i].errors);
}

static void test_what_is_no_utf8_text_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		const char *place;
	} rows[] = {
		{ "a: x\0y\n", 7, "f:1:5: " },
		{ "a: 1\nb: \xc3\xa9\x07\n", 11, "f:2:5: " },
		{ "a: 1\nb: \xc2\x80\n", 11, "f:2:4: " },
		{ "a: \xc0\xaf\n", 6, "f:1:4: " },
		{ "a: \xed\xa0\x80\n", 7, "f:1:4: " },
		{ "a: \xff\n", 5, "f:1:4: " },
		{ "\xff\xfe"
		  "a\0:\0 \0"
		  "1\0\n\0",
			12, "f:1:1: " },
		{ "\xfe\xff\0a\0:\0 \0"
		  "1\0\n",
			12, "f:1:1: " },
		{ "a\r\nb\rc: \x01", 9, "f:3:4: " },
	};

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++) {
		assert_false(read_bytes(rows[i].text, rows[i].size));
		assert_int_equal(diags.list.n, 1);
		if (!str_starts(given_diags(), rows[i].place))
			fail_msg("%s", given_diags());
		assert_true(strstr(given_diags(), "must be UTF-8\n") ||
			    strstr(given_diags(), ": a control character;"));
	}
}

static void test_documents_before_a_syntax_error_are_read(void **state)
{
	(void)state;
	assert_false(read_text("a: 1\n---\nb: 2\n---\nc: [\n"));
	assert_int_equal(documents.list.n, 2);
}

static void test_what_could_not_be_read_is_broken(void **state)
{
	const struct node *n;

	(void)state;
	assert_false(read_text("a: 080\nb: !foo {x: 1}\nc: *d\ne: 5\n"));
	n = documents.list.items[0];
	assert_true(node_get(n, "a")->broken);
	assert_true(node_get(n, "b")->broken);
	assert_true(node_get(n, "c")->broken);
	assert_false(node_get(n, "e")->broken);
	assert_false(n->broken);
}

/* ---- hostile input ---- */

static double seconds_for(const char *text, bool expected)
{
	clock_t start = clock();

	if (read_text(text) != expected)
		fail_msg("%.200s", given_diags());
	return given_seconds(start);
}

static const char *repeat(const char *before, const char *format, int n, const char *after)
{
	struct str s = { .arena = &arena };

	str_add(&s, before);
	for (int i = 0; i < n; i++) {
		/* The format takes the number, or not. */
		const char *percent = strstr(format, "%d");

		if (percent)
			str_printf(&s, "%.*s%d%s", (int)(percent - format), format, i, percent + 2);
		else
			str_add(&s, format);
	}
	str_add(&s, after);
	return str_text(&s);
}

static void test_an_alias_bomb_is_refused(void **state)
{
	(void)state;
	assert_string_equal(errors("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
				   "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
				   "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
				   "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n"
				   "i: &i [*h,*h,*h,*h,*h,*h,*h,*h,*h]\n"),
		"f:5:8: error: the aliases of this file stand for more than 10000 values\n");
	errors("a: &a {x: 1}\nb: &b {<<: *a, y: *a}\nc: &c {<<: *c}\n");
}

static void test_depth_is_limited(void **state)
{
	(void)state;
	values(repeat("", "[", 64, repeat("", "]", 64, "")));
	assert_string_equal(errors(repeat("", "[", 66, repeat("", "]", 66, ""))),
		"f:1:66: error: nested deeper than 64 levels\n");
	assert_true(seconds_for(repeat("", "[", 10000, ""), false) < 1);
	assert_true(seconds_for(repeat("", "{a: ", 10000, ""), false) < 1);
	assert_true(seconds_for(repeat("", "- ", 10000, ""), false) < 1);
	assert_true(seconds_for(repeat("", "? ", 10000, ""), false) < 1);
}

static void test_anchors_are_limited(void **state)
{
	(void)state;
	assert_true(read_text(repeat("", "- &a%d x\n", YAML_ANCHORS_MAX, "")));
	assert_string_equal(errors(repeat("", "- &a%d x\n", YAML_ANCHORS_MAX + 1, "")),
		"f:1001:3: error: the document has more than 1000 anchors\n");
}

static void test_many_names_take_no_longer_than_their_number(void **state)
{
	double many = seconds_for(repeat("", "k%d: x\n", 90000, ""), true);
	double merged =
		seconds_for(repeat("<<: {", "m%d: 1, ", 40000, repeat("}\n", "k%d: x\n", 40000, "")), true);

	(void)state;
	assert_int_equal(documents.list.items[0]->n, 80000);
	assert_true(many < 2);
	assert_true(merged < 2);
}

static void test_many_duplicates_are_bounded(void **state)
{
	(void)state;
	assert_true(seconds_for(repeat("", "a: x\n", 200000, ""), false) < 3);
	assert_int_equal(diags.errors, 199999);
	assert_int_equal(diags.list.n, DIAGS_MAX);
}

static void test_a_large_scalar_is_read_in_linear_time(void **state)
{
	(void)state;
	assert_true(seconds_for(repeat("a: ", "x", 1000000, ""), true) < 2);
	assert_true(seconds_for(repeat("a: \"", "\\n", 500000, "\""), true) < 2);
	assert_true(seconds_for(repeat("a: |\n", "  x\n", 250000, ""), true) < 2);
	assert_true(seconds_for(repeat("# ", "x", 1000000, ""), true) < 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_documents_of_one_file),
		given_test(test_empty_documents_are_left_out),
		given_test(test_norway_is_a_country),
		given_test(test_line_ends_and_byte_order_marks),
		given_test(test_anchors_aliases_and_merge_keys),
		given_test(test_positions_are_exact),
		given_test(test_positions_of_anchored_and_aliased_values),
		given_test(test_mistakes_name_their_place),
		given_test(test_syntax_errors_name_their_place_and_cause),
		given_test(test_what_is_no_utf8_text_is_refused),
		given_test(test_documents_before_a_syntax_error_are_read),
		given_test(test_what_could_not_be_read_is_broken),
		given_test(test_an_alias_bomb_is_refused),
		given_test(test_depth_is_limited),
		given_test(test_anchors_are_limited),
		given_test(test_many_names_take_no_longer_than_their_number),
		given_test(test_many_duplicates_are_bounded),
		given_test(test_a_large_scalar_is_read_in_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
