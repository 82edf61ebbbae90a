#include "config/yaml.h"

#include "given.h"

#include <fcntl.h>
#include <ftw.h>

#include "base/json.h"

static const char *any_text(void)
{
	static const char *const parts[] = { "a", "b", " ", "  ", "\n", "\n\n", "\t", ":", ": ", "- ", "#", " #",
		"'", "\"", "\\", "é", "\xf0\x9f\x98\x80", "{", "}", "[", "]", ",", "&", "*", "!", "|", ">", "%",
		"@", "`", "?", "---", "...", "\r", "\x7f", "\x01", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9",
		"\xef\xbb\xbf", "0", "1", "true", "null", "~", "${x}", "\033[2J", "yes", ".", "-", "=", "<<",
		"\xc2\xa0", "\xef\xbf\xbe", "long long long long long long long word" };
	static const char *const words[] = { "", "true", "no", "~", "null", "12", "0777", "1_000", "1.5", ".inf",
		"-", "?", ":", "a: b", "# a", "a #b", "- a", "'", "\"", "{}", "[]", "&a", "*a", "!a", "|", ">",
		"%a", "@a", "`a", "<<", "=", "12:30", "2024-01-01", "\n", " ", " a", "a ", "a\n", "\na", " a\n",
		"a\n\n", "a\n b\n", "\t", "a\tb", "---", "..." };
	struct str s = { .arena = &arena };

	if (!given_any(3))
		return words[given_any(array_len(words))];
	for (unsigned n = given_any(8); n; n--)
		str_add(&s, parts[given_any(array_len(parts))]);
	return str_text(&s);
}

static void any_value(struct node *n, int depth);

static void any_items(struct node *n, int depth)
{
	n->type = given_any(2) ? NODE_MAP : NODE_LIST;
	for (unsigned i = 0, count = given_any(5); i < count; i++) {
		if (n->type == NODE_LIST) {
			any_value(node_add(&arena, n), depth - 1);
		} else {
			const char *key = arena_printf(&arena, "%s%u", any_text(), given_any(1000));

			if (!node_get(n, key))
				any_value(node_put(&arena, n, key), depth - 1);
		}
	}
}

static void any_value(struct node *n, int depth)
{
	switch (given_any(depth ? 8 : 5)) {
	case 0:
		break; /* null */
	case 1:
		node_set_bool(n, given_any(2));
		break;
	case 2:
		node_set_int(n, ((int64_t)given_any(1 << 15) << given_any(48)) * (given_any(2) ? -1 : 1));
		break;
	case 3:
		n->type = NODE_REAL;
		n->real = (given_any(1 << 15) - 16000.0) / (given_any(1000) + 1.0) *
			  (given_any(2)          ? 1e-200
				  : given_any(2) ? 1e200
						 : 1);
		break;
	case 4:
		node_set_text(&arena, n, any_text());
		break;
	default:
		any_items(n, depth);
	}
}

static void check_round_trip(const struct node *n)
{
	const char *text = yaml_write(n, &arena);
	struct bytes bytes = given_bytes(text);
	struct yaml_documents documents = { 0 };
	bool ok = yaml_read("written", &bytes, &arena, &documents, &diags);

	if (n->type == NODE_NULL && ok && !documents.list.n)
		return;
	if (!ok || documents.list.n != 1 || !node_equal(documents.list.items[0], n))
		fail_msg("%s\nwas written as\n%s\n%s", json_write(n, JSON_ONE_LINE, &arena), text, given_diags());
	if (text[strlen(text) - 1] != '\n')
		fail_msg("%s does not end with a newline", text);
}

static void test_what_is_written_reads_back_equal(void **state)
{
	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct node n = { 0 };

		any_value(&n, (int)given_any(7));
		check_round_trip(&n);
		arena_finish(&arena);
		diags = (struct diags){ .arena = &arena };
	}
}

static void check_text(const char *name)
{
	struct yaml_documents documents = { 0 };
	struct bytes text;

	assert_int_equal(file_read(AT_FDCWD, name, 1 << 20, &arena, &text), 0);
	if (!yaml_read(name, &text, &arena, &documents, &diags))
		fail_msg("%s", given_diags());
	vec_each (root, &documents.list)
		check_round_trip(*root);
}

static int on_file(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)ftw;
	if (type == FTW_F && (str_ends(name, ".yaml") || str_ends(name, ".yml")))
		check_text(name);
	return 0;
}

static void test_the_examples_read_back_equal(void **state)
{
	const char *examples = getenv("EXAMPLES");

	(void)state;
	if (!examples || nftw(examples, on_file, 8, FTW_PHYS) < 0)
		skip();
}

static void test_the_style_is_that_of_people(void **state)
{
	(void)state;
	assert_string_equal(
		yaml_write(given_node("{b: [1, {c: x, d: []}], a: {e: 'yes', f: \"l\\nm\\n\", g: 10.5, h: null, "
				      "i: {}, j: '80', k: a b}}"),
			&arena),
		"b:\n- 1\n- c: x\n  d: []\na:\n  e: \"yes\"\n  f: |\n    l\n    m\n  g: 10.5\n  h: null\n  i: "
		"{}\n  j: \"80\"\n  k: a "
		"b\n");
}

static void test_what_is_no_utf8_is_written_as_replacement(void **state)
{
	struct node n = { .type = NODE_MAP };

	(void)state;
	node_put_text(&arena, &n, "a\xff", "b\xc3");
	assert_string_equal(yaml_write(&n, &arena), "a\xef\xbf\xbd: b\xef\xbf\xbd\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_what_is_written_reads_back_equal),
		given_test(test_the_examples_read_back_equal),
		given_test(test_the_style_is_that_of_people),
		given_test(test_what_is_no_utf8_is_written_as_replacement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
