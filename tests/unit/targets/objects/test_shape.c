#include "objects_case.h"

#include <string.h>

#include "base/json.h"
#include "targets/objects/shape.h"

static const char *normal(const char *json)
{
	return json_write(shape_normal(case_json(json), "g/v1", "Kind", &arena), JSON_ONE_LINE, &arena);
}

static void test_what_the_server_keeps_for_itself_is_left_out(void **state)
{
	(void)state;
	assert_string_equal(
		normal("{\"metadata\":{\"name\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"7\",\"generation\":2,"
		       "\"creationTimestamp\":\"t\",\"managedFields\":[{}],\"selfLink\":\"/"
		       "x\",\"labels\":{\"a\":\"b\"},"
		       "\"finalizers\":[\"f\"]},\"spec\":{\"status\":1,\"uid\":2},\"status\":{\"ready\":true}}"),
		"{\"apiVersion\":\"g/v1\",\"kind\":\"Kind\",\"metadata\":{\"name\":\"n\",\"labels\":{\"a\":\"b\"},"
		"\"finalizers\":[\"f\"]},\"spec\":{\"status\":1,\"uid\":2}}");
}

static void test_an_item_of_a_list_equals_the_object_itself(void **state)
{
	const char *item = "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"a\":1,\"b\":[2]}}";
	const char *whole =
		"{\"spec\":{\"b\":[2.0],\"a\":1},\"kind\":\"Kind\",\"apiVersion\":\"g/v1\",\"metadata\":"
		"{\"resourceVersion\":\"9\",\"name\":\"n\"}}";

	(void)state;
	assert_true(node_equal(shape_normal(case_json(item), "g/v1", "Kind", &arena),
		shape_normal(case_json(whole), "g/v1", "Kind", &arena)));
}

static void test_secrets_become_digests_that_tell_them_apart(void **state)
{
	const char *one = "{\"metadata\":{\"name\":\"n\",\"annotations\":{\"a\":\"b\","
			  "\"kubectl.kubernetes.io/last-applied-configuration\":\"canary\"}},"
			  "\"data\":{\"k\":\"canary\"},\"stringData\":{\"l\":\"canary\",\"m\":7}}";
	const struct node *x = shape_normal(case_json(one), "v1", "Secret", &arena);
	const struct node *y = shape_normal(case_json("{\"data\":{\"k\":\"other\"}}"), "v1", "Secret", &arena);
	const char *text = json_write(x, JSON_ONE_LINE, &arena);

	(void)state;
	assert_null(strstr(text, "canary"));
	assert_non_null(strstr(text, "\"a\":\"b\""));
	assert_memory_equal(node_get_text(node_get(x, "data"), "k"), "sha256:", 7);
	assert_string_not_equal(node_get_text(node_get(x, "data"), "k"), node_get_text(node_get(y, "data"), "k"));
	/* A kind of another group that is called the same is not one. */
	assert_non_null(
		strstr(json_write(shape_normal(case_json(one), "g/v1", "Secret", &arena), JSON_ONE_LINE, &arena),
			"\"k\":\"canary\""));
}

static const char *digest(const char *metadata, const char *rest)
{
	return shape_digest(case_json(arena_printf(&arena, "{\"metadata\":{\"name\":\"n\"%s}%s}", metadata, rest)),
		"v1", &arena);
}

#define MANAGERS(time, status, field, owner)                                                                      \
	",\"managedFields\":[{\"manager\":\"" owner "\",\"operation\":\"Apply\",\"time\":\"" time                 \
	"\",\"fieldsV1\":{\"f:spec\":{\"f:" field                                                                 \
	"\":{}}}},{\"manager\":\"controller\",\"subresource\":\"status\",\"fieldsV1\":{\"f:status\":{\"f:" status \
	"\":{}}}}]"

static void test_the_digest_is_of_what_an_apply_depends_on(void **state)
{
	const char *is = digest(MANAGERS("1", "s", "a", "enmesh"), ",\"spec\":{\"a\":1}");

	(void)state;
	assert_string_not_equal(digest(MANAGERS("1", "s", "a", "enmesh"), ",\"spec\":{\"a\":2}"), is);
	assert_string_not_equal(digest(MANAGERS("1", "s", "a", "other"), ",\"spec\":{\"a\":1}"), is);
	assert_string_not_equal(digest(MANAGERS("1", "s", "b", "enmesh"), ",\"spec\":{\"a\":1}"), is);
	assert_string_not_equal(
		digest(",\"uid\":\"u\"" MANAGERS("1", "s", "a", "enmesh"), ",\"spec\":{\"a\":1}"), is);
	assert_string_not_equal(
		digest(",\"deletionTimestamp\":\"t\"" MANAGERS("1", "s", "a", "enmesh"), ",\"spec\":{\"a\":1}"),
		is);
	assert_string_not_equal(digest("", ",\"spec\":{\"a\":1}"), is);
	/* An API server may say anything. */
	assert_string_not_equal(digest(",\"managedFields\":[[\"a\"],\"b\",1]", ",\"spec\":{\"a\":1}"), is);
	assert_string_not_equal(digest(",\"managedFields\":7", ",\"spec\":{\"a\":1}"), is);
}

static void test_the_digest_is_not_of_what_changes_without_an_apply(void **state)
{
	const char *is = digest(MANAGERS("1", "s", "a", "enmesh"), ",\"spec\":{\"a\":1}");

	(void)state;
	assert_string_equal(
		digest(",\"resourceVersion\":\"7\",\"generation\":2" MANAGERS("2", "t", "a", "enmesh"),
			",\"spec\":{\"a\":1},\"status\":{\"t\":1},\"kind\":\"K\",\"apiVersion\":\"v1\""),
		is);
}

static void test_a_copy_does_not_need_the_original(void **state)
{
	struct arena short_lived = { 0 };
	const char *problem,
		*json = "{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"data\":{\"k\":\"v\"},\"x\":[1,true,null,2.5]}";
	const struct node *n =
		shape_normal(json_read(json, strlen(json), &short_lived, &problem), "v1", "Secret", &arena);

	(void)state;
	arena_finish(&short_lived);
	assert_non_null(strstr(json_write(n, JSON_ONE_LINE, &arena), "\"x\":[1,true,null,2.5]"));
}

static void test_a_label_is_put_in_or_replaced_and_the_document_stays(void **state)
{
	static const char *const documents[] = { "{\"a\":1}", "{\"metadata\":{}}",
		"{\"metadata\":{\"labels\":null}}",
		"{\"metadata\":{\"labels\":{\"k\":\"old\",\"other\":\"x\"}}}" };

	(void)state;
	for (size_t i = 0; i < array_len(documents); i++) {
		const struct node *document = case_json(documents[i]);
		const char *before = json_write(document, JSON_ONE_LINE, &arena);
		const struct node *changed = shape_with_label(document, "k", "new", &arena);

		assert_string_equal(shape_label(changed, "k"), "new");
		assert_string_equal(json_write(document, JSON_ONE_LINE, &arena), before);
	}
	assert_string_equal(
		shape_label(shape_with_label(case_json(documents[3]), "k", "new", &arena), "other"), "x");
}

static void test_our_label_is_known_by_its_manager(void **state)
{
	static const struct {
		const char *manager, *operation, *label;
		bool ours;
	} cases[] = {
		{ "enmesh", "Apply", "f:applyset.kubernetes.io/part-of", true },
		{ "enmesh", "Update", "f:applyset.kubernetes.io/part-of", false },
		{ "kubectl", "Apply", "f:applyset.kubernetes.io/part-of", false },
		{ "enmesh", "Apply", "f:app", false },
	};

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++)
		assert_int_equal(
			shape_labelled_by_us(case_json(arena_printf(&arena,
				"{\"metadata\":{\"managedFields\":[{},{\"manager\":\"%s\",\"operation\":\"%s\","
				"\"fieldsV1\":{\"f:metadata\":{\"f:labels\":{\"%s\":{}}}}}]}}",
				cases[i].manager, cases[i].operation, cases[i].label))),
			cases[i].ours);
	assert_false(shape_labelled_by_us(case_json("{}")));
}

static void test_a_field_path_leads_to_its_place_or_near_it(void **state)
{
	static const struct {
		const char *path, *found;
	} cases[] = {
		{ ".spec.ports[1].name", "\"b\"" },
		{ "spec.ports[0].number", "80" },
		{ ".spec.ports[name=\"b\"].number", "81" },
		{ ".spec.ports[number=81,protocol=\"TCP\"].name", "\"b\"" },
		{ ".spec.keys[k=\"x].y\"].v", "1" },
		{ ".spec.hosts[1]", "\"h2\"" },
		{ ".spec.hosts[7]", "[\"h1\",\"h2\"]" },
		{ ".spec.hosts[name=\"h1\"].x", "[\"h1\",\"h2\"]" },
		{ ".spec.no.where", NULL },
		{ "[", NULL },
		{ "..", NULL },
		{ "", NULL },
	};
	const struct node *object = case_json("{\"spec\":{\"hosts\":[\"h1\",\"h2\"],\"ports\":[{\"name\":\"a\","
					      "\"number\":80},{\"name\":\"b\",\"number\":81}],"
					      "\"keys\":[{\"k\":\"x].y\",\"v\":1}]}}");

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		const struct node *at = shape_locate(object, cases[i].path, &arena);

		assert_non_null(at);
		if (cases[i].found)
			assert_string_equal(json_write(at, JSON_ONE_LINE, &arena), cases[i].found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_what_the_server_keeps_for_itself_is_left_out, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_an_item_of_a_list_equals_the_object_itself, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_secrets_become_digests_that_tell_them_apart, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_the_digest_is_of_what_an_apply_depends_on, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_the_digest_is_not_of_what_changes_without_an_apply, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_a_copy_does_not_need_the_original, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_a_label_is_put_in_or_replaced_and_the_document_stays, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_our_label_is_known_by_its_manager, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_a_field_path_leads_to_its_place_or_near_it, case_start, case_finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
