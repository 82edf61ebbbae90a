#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/frozen.h"

static struct arena arena;

static void assert_same_node(const struct node *a, const struct node *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->line, b->line);
	assert_int_equal(a->column, b->column);
	assert_int_equal(a->key_line, b->key_line);
	assert_int_equal(a->n, b->n);
	assert_int_equal(!a->file, !b->file);
	if (a->file)
		assert_string_equal(a->file, b->file);
	assert_int_equal(!a->key, !b->key);
	if (a->key)
		assert_string_equal(a->key, b->key);
	/* Defaults of schemas have no place; copies of them have. */
	if (a->parent)
		assert_string_equal(node_pointer(a, &arena), node_pointer(b, &arena));
	for (uint32_t i = 0; (a->type == NODE_LIST || a->type == NODE_MAP) && i < a->n; i++)
		assert_same_node(&a->items[i], &b->items[i]);
}

static void assert_same(const struct config *a, const struct config *b)
{
	assert_int_equal(a->documents.n, b->documents.n);
	for (size_t i = 0; i < a->documents.n; i++) {
		const struct document *x = &a->documents.items[i], *y = &b->documents.items[i];

		assert_int_equal(x->kind, y->kind);
		assert_string_equal(x->name, y->name);
		assert_int_equal(!x->namespace, !y->namespace);
		if (x->namespace)
			assert_string_equal(x->namespace, y->namespace);
		assert_int_equal(!x->spec, !y->spec);
		assert_true(node_equal(x->root, y->root));
		assert_same_node(x->root, y->root);
	}
}

static void read_example(const char *name, struct tree *tree, struct config *config)
{
	struct diags diags = { .arena = &arena };

	*tree = (struct tree){ 0 };
	*config = (struct config){ 0 };
	assert_true(source_read(arena_printf(&arena, "%s/%s", getenv("EXAMPLES"), name), &arena, tree, &diags));
	assert_true(config_read(tree, &arena, config, &diags));
}

static void test_what_is_thawed_is_what_was_read(void **state)
{
	scoped(close_dir) DIR *dir = opendir(getenv("EXAMPLES"));
	size_t n = 0;

	(void)state;
	assert_non_null(dir);
	for (const struct dirent *e; (e = readdir(dir));) {
		struct config config, thawed, again = { 0 };
		struct diags diags = { .arena = &arena };
		struct bytes frozen;
		struct tree tree;

		if (e->d_name[0] == '.' || e->d_type != DT_DIR)
			continue;
		read_example(e->d_name, &tree, &config);
		frozen = config_freeze(&config, "me", &arena);
		assert_true(config_thaw(&frozen, "me", &tree, &arena, &thawed));
		assert_same(&config, &thawed);
		/* Nothing is left to be read. */
		assert_true(config_read_like(&tree, &thawed, &arena, &again, &diags));
		assert_int_equal(again.n_read, 0);
		assert_same(&config, &again);
		n++;
	}
	assert_true(n > 2);
}

static void test_bytes_of_another_are_not_taken(void **state)
{
	struct config config, thawed;
	struct bytes frozen;
	struct tree tree;

	(void)state;
	read_example("bookinfo", &tree, &config);
	frozen = config_freeze(&config, "me", &arena);
	assert_false(config_thaw(&frozen, "you", &tree, &arena, &thawed));
	tree.files[0].path = "other.yaml";
	assert_false(config_thaw(&frozen, "me", &tree, &arena, &thawed));
}

/* What comes of them is wrong, perhaps; it is not read beyond their end. */
static void test_damaged_bytes_do_no_harm(void **state)
{
	struct config config, thawed;
	struct bytes frozen;
	struct tree tree;
	unsigned seed = 11;

	(void)state;
	read_example("bookinfo", &tree, &config);
	frozen = config_freeze(&config, "me", &arena);
	for (int i = 0; i < 3000; i++) {
		struct arena scratch = { 0 };
		size_t n = i % 2 ? frozen.size : (size_t)rand_r(&seed) % frozen.size;
		char *copy = malloc(n + 1); /* of just that size: whoever reads on is caught */
		struct bytes damaged = { copy, n };

		memcpy(copy, frozen.data, n);
		for (int k = 0; n && i % 2 && k < 1 + i % 5; k++)
			copy[(size_t)rand_r(&seed) % n] = (char)rand_r(&seed);
		if (config_thaw(&damaged, "me", &tree, &scratch, &thawed) && n != frozen.size)
			fail_msg("it was cut");
		arena_finish(&scratch);
		free(copy);
	}
}

static int tear_down(void **state)
{
	(void)state;
	arena_finish(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_what_is_thawed_is_what_was_read, tear_down),
		cmocka_unit_test_teardown(test_bytes_of_another_are_not_taken, tear_down),
		cmocka_unit_test_teardown(test_damaged_bytes_do_no_harm, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
