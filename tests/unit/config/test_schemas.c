/* What holds of our own schemas, all of them. */
#include "config/embedded.h"
#include "config/schema.h"

#include "given.h"

#include <fcntl.h>
#include <regex.h>

#include "base/file.h"
#include "base/json.h"
#include "config/profile.h"

/* Calls `visit` for each schema in `schema`, with its pointer. */
static void each_schema(
	const struct node *schema, const char *at, void (*visit)(const struct node *, const char *))
{
	static const char *const maps[] = { "properties", "$defs" }, *const lists[] = { "anyOf", "oneOf" };
	static const char *const one[] = { "items", "additionalProperties", "propertyNames" };

	if (!node_is(schema, NODE_MAP))
		return;
	visit(schema, at);
	for (size_t i = 0; i < array_len(maps); i++)
		node_each (it, node_get(schema, maps[i]))
			each_schema(it, arena_printf(&arena, "%s/%s/%s", at, maps[i], it->key), visit);
	for (size_t i = 0; i < array_len(lists); i++)
		node_each (it, node_get(schema, lists[i]))
			each_schema(it, arena_printf(&arena, "%s/%s", at, lists[i]), visit);
	for (size_t i = 0; i < array_len(one); i++)
		each_schema(node_get(schema, one[i]), arena_printf(&arena, "%s/%s", at, one[i]), visit);
}

static void each_file(void (*visit)(const struct node *, const char *))
{
	node_each (file, &embedded_schemas)
		each_schema(file, file->key, visit);
}

static void test_no_keyword_outside_of_the_subset(void **state)
{
	struct node bad = { .type = NODE_MAP };

	(void)state;
	assert_true(embedded_schemas.n >= 8);
	node_each (file, &embedded_schemas) {
		const char *found = schema_unknown_keyword(file, &arena);

		if (found)
			fail_msg("%s: %s", file->key, found);
	}
	/* The test itself: */
	node_put_text(&arena, node_put_map(&arena, node_put_map(&arena, &bad, "properties"), "a"),
		"patternProperties", "x");
	assert_string_equal(schema_unknown_keyword(&bad, &arena), "/properties/a/patternProperties");
}

static void check_descriptions(const struct node *schema, const char *at)
{
	const char *text;

	node_each (it, node_get(schema, "properties")) {
		text = node_get_text(it, "description");
		if (!text || strlen(text) < 4 || !str_ends(text, "."))
			fail_msg("%s/properties/%s has no description that is a sentence", at, it->key);
	}
}

static void test_every_field_has_a_description(void **state)
{
	(void)state;
	each_file(check_descriptions);
}

static void check_pattern(const struct node *schema, const char *at)
{
	const char *pattern = node_get_text(schema, "pattern");
	regex_t compiled;

	if (!pattern)
		return;
	if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB))
		fail_msg("%s: %s", at, pattern);
	regfree(&compiled);
	if (pattern[0] != '^' || pattern[strlen(pattern) - 1] != '$')
		fail_msg("%s: %s matches anywhere in the string", at, pattern);
	/* These mean something else in ECMA-262, which editors use. */
	if (strstr(pattern, "[[:") || strchr(pattern, '\\'))
		fail_msg("%s: %s is not the same in both dialects", at, pattern);
	if (!node_get(schema, "title"))
		fail_msg("%s: a pattern says nothing to people; it needs a title", at);
	if (!node_get(schema, "maxLength") && !strstr(pattern, "{3}$"))
		fail_msg("%s: the length is not limited", at);
}

static void test_patterns_compile_and_mean_the_same_everywhere(void **state)
{
	(void)state;
	each_file(check_pattern);
}

static void check_format(const struct node *schema, const char *at)
{
	const char *format = node_get_text(schema, "format");

	if (!format)
		return;
	for (const struct schema_format *f = schema_formats; f->name; f++)
		if (!strcmp(f->name, format)) {
			if (!node_get(schema, "title"))
				fail_msg("%s: a format needs a title", at);
			return;
		}
	fail_msg("%s: nobody knows the format %s", at, format);
}

static void test_formats_are_known(void **state)
{
	(void)state;
	each_file(check_format);
}

static void check_list(const struct node *schema, const char *at)
{
	const char *type = node_get_text(schema, "type");

	if (type && !strcmp(type, "array") && (!node_get(schema, "maxItems") || !node_get(schema, "items")))
		fail_msg("%s: a list without a limit", at);
	if (type && !strcmp(type, "object") && !node_get(schema, "additionalProperties"))
		fail_msg("%s: a map that takes anything", at);
}

static void test_lists_are_limited_and_maps_closed(void **state)
{
	(void)state;
	each_file(check_list);
}

static void check_default(const struct node *schema, const char *at)
{
	const struct node *value = node_get(schema, "default");
	struct node files = embedded_schemas, without = node_without(&arena, schema, "default");
	struct schema_set *set;

	if (!value)
		return;
	if (strstr(at, "anyOf") || strstr(at, "oneOf"))
		fail_msg("%s: a default there is never put in", at);
	/* Relative references are those of the common file. */
	node_put_node(
		&arena, &without, "$defs", node_path(&embedded_schemas, "common.schema.json", "$defs", NULL));
	files.items = NULL;
	files.n = 0;
	node_each (it, &embedded_schemas)
		node_put_node(&arena, &files, it->key, it);
	node_put_node(&arena, &files, "this", &without);
	set = schema_set_new(&files, &arena);
	if (!schema_check(set, "this", value, &diags))
		fail_msg("%s: %s", at, given_diags());
	schema_set_finish(set);
}

static void test_defaults_are_valid(void **state)
{
	(void)state;
	each_file(check_default);
}

static const char *uses;

static void note_ref(const struct node *schema, const char *at)
{
	const char *ref = node_get_text(schema, "$ref");

	(void)at;
	if (ref)
		uses = arena_printf(&arena, "%s%s\n", uses, strchr(ref, '#'));
}

static void test_every_definition_is_used(void **state)
{
	(void)state;
	uses = "";
	each_file(note_ref);
	node_each (it, node_path(&embedded_schemas, "common.schema.json", "$defs", NULL))
		if (!strstr(uses, arena_printf(&arena, "#/$defs/%s\n", it->key)))
			fail_msg("nothing refers to %s", it->key);
}

static void check_ref(const struct node *schema, const char *at)
{
	const char *ref = node_get_text(schema, "$ref"), *hash = ref ? strchr(ref, '#') : NULL;
	const char *file = hash == ref ? arena_strndup(&arena, at, strcspn(at, "/"))
				       : arena_strndup(&arena, ref, (size_t)(hash - ref));

	if (ref && !node_path(&embedded_schemas, file, "$defs", hash + strlen("#/$defs/"), NULL))
		fail_msg("%s: %s leads nowhere", at, ref);
}

static void test_references_lead_somewhere(void **state)
{
	(void)state;
	each_file(check_ref);
}

static void test_what_is_built_in_is_what_the_files_say(void **state)
{
	const char *dir = getenv("SCHEMAS"), *problem;

	(void)state;
	if (!dir)
		skip();
	node_each (file, &embedded_schemas) {
		struct bytes text;

		assert_int_equal(
			file_read(AT_FDCWD, arena_printf(&arena, "%s/%s", dir, file->key), 1 << 20, &arena, &text),
			0);
		assert_true(node_equal(file, json_read(text.data, text.size, &arena, &problem)));
	}
}

static void test_every_profile_is_there_and_valid(void **state)
{
	const struct node *schema = node_get(&embedded_schemas, "MeshSidecar.schema.json");
	struct schema_set *set = schema_set_new(&embedded_schemas, &arena);
	struct profiles profiles = { .arena = &arena };

	(void)state;
	node_each (it, node_path(schema, "properties", "spec", "properties", "profile", "enum", NULL)) {
		const struct node *doc = given_node(arena_printf(&arena,
			"apiVersion: enmesh.io/v1alpha1\nkind: MeshSidecar\nmetadata: {name: x}\nspec: {profile: "
			"%s}\n",
			it->string));

		doc = profile_apply(&profiles, doc, &diags);
		if (!doc || !schema_check(set, schema->key, doc, &diags))
			fail_msg("%s: %s", it->string, given_diags());
	}
	schema_set_finish(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_no_keyword_outside_of_the_subset),
		given_test(test_every_field_has_a_description),
		given_test(test_patterns_compile_and_mean_the_same_everywhere),
		given_test(test_formats_are_known),
		given_test(test_lists_are_limited_and_maps_closed),
		given_test(test_defaults_are_valid),
		given_test(test_every_definition_is_used),
		given_test(test_references_lead_somewhere),
		given_test(test_what_is_built_in_is_what_the_files_say),
		given_test(test_every_profile_is_there_and_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
