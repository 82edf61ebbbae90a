#include "objects_case.h"

#include <string.h>

#include "targets/objects/refusal.h"

static const struct resource entries = { "networking.istio.io", "v1", "WorkloadEntry", "workloadentries", true };
static const struct asked patch = { "patch", &entries, "ns", "w" };

/* The lines that an answer makes of the document below. */
static const char *refused(int status, const char *body, const char *message, bool generated)
{
	static const char document[] =
		"apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: m}\n"
		"spec: {controlPlane: {apiServer: {urls: [\"https://a:1\"]}}}\n---\n"
		"apiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {name: a}\nspec: {addresses: "
		"[10.0.0.1]}\n---\n"
		"apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata:\n  name: w\n  namespace: ns\n"
		"spec:\n  address: 10.1.1.1\n  weight: 7\n";
	const struct state *want = objects_desire(case_site(document, "a"), &arena);
	struct object o = want->objects.items[0];
	const struct api_answer answer = { status, body ? case_json(body) : NULL, message };

	assert_string_equal(o.id.name, "w");
	o.generated = generated;
	diags = (struct diags){ .arena = &arena };
	assert_false(refusal_add(&answer, &patch, &o, &diags));
	return case_diags();
}

static void test_each_conflict_is_named_with_its_manager_and_place(void **state)
{
	const char *body =
		"{\"details\":{\"causes\":[{\"reason\":\"FieldManagerConflict\",\"message\":"
		"\"conflict with \\\"kubectl-edit\\\" using networking.istio.io/v1\",\"field\":\".spec.address\"},"
		"{\"reason\":\"FieldManagerConflict\",\"message\":\"conflict with \\\"x\\\"\",\"field\":"
		"\".spec.weight\"}]}}";

	(void)state;
	assert_string_equal(refused(409, body, "Apply failed with 2 conflicts", false),
		"mesh.yaml:17:3: error: WorkloadEntry ns/w: the field .spec.address belongs to 'kubectl-edit', "
		"who set it "
		"last; leave it to them, or take it over with the annotation `enmesh.io/force: enabled` on the "
		"object "
		"(/spec/address)\n"
		"mesh.yaml:18:3: error: WorkloadEntry ns/w: the field .spec.weight belongs to 'x', who set it "
		"last; leave it to "
		"them, or take it over with the annotation `enmesh.io/force: enabled` on the object "
		"(/spec/weight)\n");
	assert_non_null(strstr(refused(409, body, "", true), "mesh.yaml:14:9: error: "));
	assert_non_null(strstr(refused(409, body, "", true), "on the MeshService"));
}

static void test_fields_that_the_schema_lacks_are_shown_where_they_are(void **state)
{
	static const char one[] = "failed to create typed patch object (ns/w; networking.istio.io/v1, "
				  "Kind=WorkloadEntry): .spec.weight: field not declared in schema";
	static const char two[] =
		"failed to create typed patch object (ns/w; networking.istio.io/v1, Kind=WorkloadEntry): errors:  "
		" "
		".spec.weight: field not declared in schema   .metadata.name: expected string, got &{1}";

	(void)state;
	assert_string_equal(refused(500, "{}", one, false),
		"mesh.yaml:18:3: error: WorkloadEntry ns/w: .spec.weight: field "
		"not declared in schema (/spec/weight)\n");
	assert_string_equal(refused(500, "{}", two, false),
		"mesh.yaml:18:3: error: WorkloadEntry ns/w: .spec.weight: field not declared in schema "
		"(/spec/weight)\n"
		"mesh.yaml:14:3: error: WorkloadEntry ns/w: .metadata.name: expected string, got &{1} "
		"(/metadata/name)\n");
	/* Words of another form are shown as they are. */
	assert_non_null(strstr(
		refused(500, "{}", "failed to create typed patch object (x): rubbish", false), "rubbish (500)"));
	assert_non_null(strstr(refused(500, "{}", "failed to create typed patch object", false), "object (500)"));
}

static void test_invalid_values_are_shown_where_they_are(void **state)
{
	(void)state;
	assert_string_equal(
		refused(422,
			"{\"details\":{\"causes\":[{\"message\":\"Invalid value: 7: too much\",\"field\":"
			"\"spec.weight\"},{\"message\":\"no\",\"field\":\"spec\"}]}}",
			"invalid", false),
		"mesh.yaml:18:3: error: WorkloadEntry ns/w: spec.weight: Invalid value: 7: too much "
		"(/spec/weight)\n"
		"mesh.yaml:16:1: error: WorkloadEntry ns/w: spec: no (/spec)\n");
	assert_non_null(strstr(refused(422, "{}", "is invalid", false), "refuses to patch it: is invalid (422)"));
}

static void test_a_missing_right_is_told_by_verb_resource_and_namespace(void **state)
{
	(void)state;
	assert_non_null(strstr(
		refused(403, "{}",
			"workloadentries.networking.istio.io \"w\" is forbidden: User \"u\" cannot patch resource "
			"\"workloadentries\" in API group \"networking.istio.io\" in the namespace \"ns\"",
			false),
		"lacks the right to patch workloadentries.networking.istio.io in namespace 'ns': "));
	/* A webhook's refusal has the same status, and is none. */
	assert_non_null(strstr(refused(403, "{}", "admission webhook \"w\" denied the request: no", false),
		"refuses to patch it: admission webhook \"w\" denied the request: no (403)"));
}

static void test_credentials_that_are_not_accepted_are_about_no_object(void **state)
{
	(void)state;
	assert_string_equal(refused(401, "{}", "Unauthorized", false),
		"enmesh: error: the API server does not accept this node's credentials: Unauthorized (401); is "
		"the token or "
		"client certificate the right one, and still valid?\n");
}

static void test_a_missing_namespace_is_known_from_a_missing_object(void **state)
{
	const struct api_answer namespace = { 404,
		case_json("{\"details\":{\"kind\":\"namespaces\",\"name\":\"n\"}}"), "" };
	const struct api_answer object = { 404,
		case_json("{\"details\":{\"kind\":\"workloadentries\",\"name\":\"n\"}}"), "" };
	const struct api_answer path = { 404, NULL, "404 page not found" };

	(void)state;
	assert_string_equal(refusal_missing_namespace(&namespace), "n");
	assert_null(refusal_missing_namespace(&object));
	assert_null(refusal_missing_namespace(&path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_each_conflict_is_named_with_its_manager_and_place, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_fields_that_the_schema_lacks_are_shown_where_they_are, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_invalid_values_are_shown_where_they_are, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_a_missing_right_is_told_by_verb_resource_and_namespace, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_credentials_that_are_not_accepted_are_about_no_object, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_a_missing_namespace_is_known_from_a_missing_object, case_start, case_finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
