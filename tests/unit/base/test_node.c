#include "base/node.h"

#include "given.h"

static void test_items_are_found_by_name(void **state)
{
	const struct node *n = given_node("{a: {b: text, c: 5}, d: [1, 2], e: true, f: 80.0}");

	(void)state;
	assert_string_equal(node_text(node_path(n, "a", "b", NULL)), "text");
	assert_null(node_path(n, "a", "x", "y", NULL));
	assert_null(node_path(n, "d", "b", NULL));
	assert_null(node_get(NULL, "a"));
	assert_string_equal(node_get_text(node_get(n, "a"), "b"), "text");
	assert_null(node_get_text(n, "a"));
	assert_int_equal(node_get_int(node_get(n, "a"), "c", 7), 5);
	assert_int_equal(node_get_int(n, "x", 7), 7);
	assert_int_equal(node_get_int(n, "e", 7), 7);
	assert_int_equal(node_get_int(n, "f", 7), 80);
	assert_true(node_get_bool(n, "e", false));
	assert_true(node_get_bool(n, "x", true));
}

static void test_only_whole_numbers_are_integers(void **state)
{
	struct node n = { .type = NODE_REAL };
	int64_t value = 0;

	(void)state;
	n.real = 1.5;
	assert_false(node_int(&n, &value));
	n.real = 1e300;
	assert_false(node_int(&n, &value));
	n.real = -0x1p63;
	assert_true(node_int(&n, &value));
	assert_true(value == INT64_MIN);
	n.real = 0x1p63;
	assert_false(node_int(&n, &value));
}

static void test_each_takes_lists_and_maps_only(void **state)
{
	const struct node *n = given_node("{list: [1, 2, 3], map: {a: 1}, none: [], text: abc}");
	int items = 0;

	(void)state;
	node_each (it, node_get(n, "list"))
		items++;
	node_each (it, node_get(n, "map"))
		items++;
	node_each (it, node_get(n, "none"))
		items++;
	node_each (it, node_get(n, "text"))
		items++;
	node_each (it, NULL)
		items++;
	assert_int_equal(items, 4);
}

static bool equal(const char *a, const char *b)
{
	const struct node *x = given_node(a), *y = given_node(b);
	bool same = node_equal(x, y);

	assert_int_equal(same, node_equal(y, x));
	if (same)
		assert_true(node_hash(x) == node_hash(y));
	else
		assert_true(node_hash(x) != node_hash(y)); /* of these few ones no two collide */
	return same;
}

static void test_equality_is_that_of_json(void **state)
{
	(void)state;
	assert_true(equal("{a: 1, b: [x, y]}", "{b: [x, y], a: 1}"));
	assert_true(equal("[1]", "[1.0]"));
	assert_false(equal("[1]", "['1']"));
	assert_false(equal("[1, 2]", "[2, 1]"));
	assert_false(equal("[1, 2]", "[1]"));
	assert_false(equal("{a: 1}", "{b: 1}"));
	assert_false(equal("{a: 1}", "{a: 1, b: 1}"));
	assert_false(equal("[false]", "[0]"));
	assert_false(equal("[null]", "[false]"));
	assert_false(equal("[[]]", "[{}]"));
	assert_false(equal("['']", "[null]"));
	assert_false(equal("[[1], 2]", "[1, [2]]"));
	assert_false(equal("[9007199254740993]", "[9007199254740992.0]")); /* a double does not hold the first */
	assert_true(equal("[9007199254740992]", "[9007199254740992.0]"));
}

static const char *pointer(const struct node *n)
{
	return node_pointer(n, &arena);
}

static void test_pointers_escape_and_count(void **state)
{
	const struct node *n = given_node("{a: [x, {'b/c~d': y}], '': z}");
	const struct node *list = node_get(n, "a");

	(void)state;
	assert_string_equal(pointer(n), "");
	assert_string_equal(pointer(&list->items[0]), "/a/0");
	assert_string_equal(pointer(node_get(&list->items[1], "b/c~d")), "/a/1/b~1c~0d");
	assert_string_equal(pointer(node_get(n, "")), "/");
}

static void test_pointers_of_shallow_copies_are_right(void **state)
{
	const struct node *n = given_node("{a: [x, {b: y}]}");
	struct node copy = node_get(n, "a")->items[1];

	(void)state;
	assert_string_equal(pointer(&copy), "/a/1");
	assert_string_equal(pointer(node_get(&copy, "b")), "/a/1/b");
}

static void test_building(void **state)
{
	struct node root = { .type = NODE_MAP }, *map, *list, without;

	(void)state;
	node_put_text(&arena, &root, "text", "value");
	node_put_text(&arena, &root, "none", NULL);
	node_put_int(&arena, &root, "int", 5);
	node_put_bool(&arena, &root, "bool", true);
	list = node_put_list(&arena, &root, "list");
	for (int i = 0; i < 100; i++)
		node_set_int(node_add(&arena, list), i);
	map = node_put_map(&arena, &root, "map");
	node_add_text(&arena, node_put_list(&arena, map, "in"), "x");
	node_put_node(&arena, map, "copy", node_get(&root, "text"));
	node_put_node(&arena, map, "nothing", NULL);
	node_link(&root);
	assert_int_equal(root.n, 5);
	assert_int_equal(node_get(&root, "list")->items[99].integer, 99);
	assert_string_equal(pointer(&node_get(&root, "list")->items[99]), "/list/99");
	assert_string_equal(node_get_text(node_get(&root, "map"), "copy"), "value");
	assert_int_equal(node_get(&root, "map")->n, 2);
	without = node_without(&arena, &root, "list");
	assert_null(node_get(&without, "list"));
	assert_int_equal(without.n, 4);
	assert_int_equal(root.n, 5);
}

static void test_positions(void **state)
{
	const struct node *n = given_node("a:\n  bé: [1,  x]\n"), *item = node_get(node_get(n, "a"), "bé");

	(void)state;
	assert_int_equal(node_key_pos(item).line, 2);
	assert_int_equal(node_key_pos(item).column, 3);
	assert_int_equal(node_pos(item).column, 7);
	assert_int_equal(node_pos(&item->items[1]).column, 12);
	assert_int_equal(node_key_pos(&item->items[1]).column, 12);
	assert_null(node_pos(NULL).file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_items_are_found_by_name),
		given_test(test_only_whole_numbers_are_integers),
		given_test(test_each_takes_lists_and_maps_only),
		given_test(test_equality_is_that_of_json),
		given_test(test_pointers_escape_and_count),
		given_test(test_pointers_of_shallow_copies_are_right),
		given_test(test_building),
		given_test(test_positions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
