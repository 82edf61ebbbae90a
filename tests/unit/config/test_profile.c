#include "config/profile.h"

#include "given.h"

static struct profiles profiles;

static const struct node *with_profile(const char *spec)
{
	const struct node *doc = given_node(arena_printf(&arena, "kind: MeshSidecar\nspec:\n%s", spec));

	profiles = (struct profiles){ .arena = &arena };
	doc = profile_apply(&profiles, doc, &diags);
	return node_get(doc, "spec");
}

static void test_the_documents_own_fields_win(void **state)
{
	const struct node *spec =
		with_profile("  profile: envoy\n  command: [/usr/bin/envoy]\n  stopSeconds: 5\n");

	(void)state;
	assert_string_equal(node_get(spec, "command")->items[0].string, "/usr/bin/envoy");
	assert_int_equal(node_get(spec, "command")->n, 1);
	assert_int_equal(node_get_int(spec, "stopSeconds", 0), 5);
	assert_string_equal(node_get(spec, "args")->items[0].string, "-c");
	assert_int_equal(node_get(spec, "files")->n, 1);
}

static void test_maps_are_merged_name_by_name(void **state)
{
	const struct node *spec =
		with_profile("  profile: envoy\n  readiness: {periodSeconds: 5}\n  drain: {seconds: 9}\n");

	(void)state;
	assert_int_equal(node_get_int(node_get(spec, "readiness"), "periodSeconds", 0), 5);
	assert_string_equal(node_get_text(node_path(spec, "readiness", "httpGet", NULL), "path"), "/ready");
	assert_int_equal(node_get_int(node_get(spec, "drain"), "seconds", 0), 9);
	assert_non_null(node_path(spec, "drain", "httpPost", NULL));
}

static void test_another_way_of_asking_replaces_the_profiles(void **state)
{
	const struct node *spec = with_profile("  profile: envoy\n  readiness: {tcpSocket: {port: 15000}}\n");

	(void)state;
	assert_null(node_path(spec, "readiness", "httpGet", NULL));
	assert_non_null(node_path(spec, "readiness", "tcpSocket", NULL));
}

static void test_what_the_profile_says_stands_where_it_is_named(void **state)
{
	const struct node *spec = with_profile("  profile: envoy\n");
	const struct node *file = &node_get(spec, "files")->items[0], *arg = &node_get(spec, "args")->items[1];

	(void)state;
	assert_string_equal(pos_text(node_pos(node_get(file, "text")), &arena), "given.yaml:3:12");
	assert_string_equal(pos_text(node_key_pos(node_get(file, "text")), &arena), "given.yaml:3:12");
	assert_string_equal(node_pointer(node_get(file, "text"), &arena), "/spec/files/0/text");
	assert_string_equal(node_pointer(arg, &arena), "/spec/args/1");
}

static void test_a_profile_is_parsed_once(void **state)
{
	const struct node *doc = given_node("spec: {profile: envoy}"), *a, *b;

	(void)state;
	profiles = (struct profiles){ .arena = &arena };
	a = profile_apply(&profiles, doc, &diags);
	b = profile_apply(&profiles, doc, &diags);
	assert_int_equal(profiles.known.n, 1);
	assert_true(node_equal(a, b));
}

static void test_no_profile_changes_nothing(void **state)
{
	const struct node *none = given_node("spec: {profile: none}"), *absent = given_node("spec: {}");

	(void)state;
	profiles = (struct profiles){ .arena = &arena };
	assert_ptr_equal(profile_apply(&profiles, none, &diags), none);
	assert_ptr_equal(profile_apply(&profiles, absent, &diags), absent);
}

static void test_an_unknown_profile_is_an_error(void **state)
{
	(void)state;
	profiles = (struct profiles){ .arena = &arena };
	assert_null(profile_apply(&profiles, given_node("spec: {profile: istoi}"), &diags));
	assert_string_equal(
		given_diags(), "given.yaml:1:17: error: there is no profile 'istoi' (/spec/profile)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_the_documents_own_fields_win),
		given_test(test_maps_are_merged_name_by_name),
		given_test(test_another_way_of_asking_replaces_the_profiles),
		given_test(test_what_the_profile_says_stands_where_it_is_named),
		given_test(test_a_profile_is_parsed_once),
		given_test(test_no_profile_changes_nothing),
		given_test(test_an_unknown_profile_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
