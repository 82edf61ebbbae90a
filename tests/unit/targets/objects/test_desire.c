#include "objects_case.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "targets/objects/shape.h"

#define MESH                                                                                                      \
	"apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: m}\n"                                       \
	"spec: {controlPlane: {apiServer: {urls: [\"https://a:1\"]}}}\n---\n"

static const char *golden(const char *name)
{
	return arena_printf(&arena, GOLDEN_DIR "/objects/%s", name);
}

/* With UPDATE_GOLDEN=1 in the environment, writes what is expected anew. */
static void assert_golden(const char *name, const char *is)
{
	const char *path = golden(name);
	struct bytes expected;

	if (getenv("UPDATE_GOLDEN")) {
		FILE *f = fopen(path, "we");

		assert_non_null(f);
		fputs(is, f);
		fclose(f);
	}
	assert_int_equal(file_read(AT_FDCWD, path, 1024 * 1024, &arena, &expected), 0);
	assert_string_equal(expected.data, is);
}

static void test_each_node_wants_what_the_golden_files_say(void **state)
{
	static const char *const nodes[] = { "vm1", "vm2.x" };
	struct bytes text;

	(void)state;
	assert_int_equal(file_read(AT_FDCWD, golden("mesh.yaml"), 1024 * 1024, &arena, &text), 0);
	for (size_t i = 0; i < array_len(nodes); i++) {
		const struct site *site = case_site(text.data, nodes[i]);
		const struct node *n = target_objects.describe(target_objects.desire(site, &arena), &arena);
		const char *json = arena_printf(&arena, "%s\n", json_write(n, JSON_INDENTED, &arena));

		assert_null(strstr(json, "canary"));
		assert_null(strstr(json, "Y2FuYXJ5"));
		assert_golden(arena_printf(&arena, "%s.json", nodes[i]), json);
	}
}

static const struct object *find(const struct state *want, const char *kind, const char *name)
{
	vec_each (o, &want->objects)
		if (!strcmp(o->id.kind, kind) && (!name || !strcmp(o->id.name, name)))
			return o;
	fail_msg("no %s %s", kind, name ? name : "");
	return NULL;
}

static const struct state *desire(const char *more, const char *node)
{
	return objects_desire(case_site(arena_printf(&arena, MESH "%s", more), node), &arena);
}

static const char *node_and_service(const char *node, const char *service)
{
	return arena_printf(&arena,
		"apiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {name: %s}\nspec: {addresses: "
		"[10.0.0.1]}\n---\n"
		"apiVersion: enmesh.io/v1alpha1\nkind: MeshService\nmetadata: {name: %s}\nspec: {nodes: all}\n",
		node, service);
}

static const char *entry_name(const char *node, const char *service)
{
	return find(desire(node_and_service(node, service), node), "WorkloadEntry", NULL)->id.name;
}

static void test_two_pairs_of_service_and_node_never_share_a_name(void **state)
{
	(void)state;
	assert_string_equal(entry_name("c", "a-b"), "a-b.c");
	assert_string_equal(entry_name("b-c", "a"), "a.b-c");
	assert_string_equal(entry_name("b.c", "a"), "a.b.c");
}

static void test_what_is_no_name_becomes_one_by_a_digest(void **state)
{
	char name[254], long_label[80];
	const char *is, *other;

	(void)state;
	/* Longer than a name may be, though the node's own is not. */
	memset(name, 'n', 253);
	for (size_t i = 50; i < 253; i += 50)
		name[i] = '.';
	name[253] = 0;
	is = entry_name(name, "service");
	assert_true(strlen(is) <= 63);
	assert_true(str_starts(is, "service-nnnn"));
	name[252] = 'm';
	other = entry_name(name, "service");
	assert_string_not_equal(is, other);
	/* A label of more than 63 characters, and one that is empty: a node may be called so, an object may not.
	 */
	memset(long_label, 'x', 79);
	long_label[79] = 0;
	assert_true(strlen(entry_name(long_label, "s")) <= 63);
	is = entry_name("a..b", "s");
	assert_true(str_starts(is, "s-a--b-"));
	assert_null(strchr(is, '.'));
}

static void test_the_writer_alone_wants_the_objects_of_the_mesh(void **state)
{
	struct bytes text;
	const struct state *want;

	(void)state;
	assert_int_equal(file_read(AT_FDCWD, golden("mesh.yaml"), 1024 * 1024, &arena, &text), 0);
	want = objects_desire(case_site(text.data, "vm1"), &arena);
	assert_int_equal(want->sets.n, 2);
	assert_string_equal(want->sets.items[0].name, "enmesh-node-vm1");
	assert_string_equal(want->sets.items[1].name, "enmesh-mesh-demo");
	assert_string_equal(want->sets.items[1].namespace, "mesh-system");
	want = objects_desire(case_site(text.data, "vm2.x"), &arena);
	assert_int_equal(want->sets.n, 1);
	assert_string_equal(want->sets.items[0].name, "enmesh-node-vm2.x");
}

static void test_force_comes_from_the_document_alone(void **state)
{
	struct bytes text;
	const struct state *want;

	(void)state;
	assert_int_equal(file_read(AT_FDCWD, golden("mesh.yaml"), 1024 * 1024, &arena, &text), 0);
	want = objects_desire(case_site(text.data, "vm1"), &arena);
	assert_true(find(want, "WorkloadEntry", "ratings.vm1")->force);
	assert_true(find(want, "ServiceEntry", "ratings")->force);
	assert_false(find(want, "WorkloadEntry", "reviews.vm1")->force);
	assert_true(find(want, "ServiceAccount", "shared")->if_missing);
	assert_false(find(want, "ServiceAccount", "details")->if_missing);
}

static void test_without_an_api_server_or_a_site_nothing_is_wanted(void **state)
{
	const struct state *want = objects_desire(
		case_site("apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: m}\nspec: {}\n---\n"
			  "apiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {name: a}\nspec: {addresses: "
			  "[10.0.0.1]}\n",
			"a"),
		&arena);

	(void)state;
	assert_int_equal(want->objects.n + want->sets.n + want->servers.list.n, 0);
	assert_false(want->cleanup);
	want = objects_desire(NULL, &arena);
	assert_int_equal(want->objects.n + want->sets.n, 0);
	assert_true(want->cleanup);
}

static void test_what_only_the_source_shows_is_a_problem(void **state)
{
	const struct state *want = desire(
		"apiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {name: a}\nspec: {addresses: "
		"[10.0.0.1]}\n---\n"
		"apiVersion: enmesh.io/v1alpha1\nkind: MeshService\nmetadata: {name: s}\nspec: {nodes: all}\n---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {name: x, labels: {" LABEL_PART_OF ": y}}\n---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {name: y, labels: [a]}\n---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {name: z, labels: null}\n",
		"a");

	(void)state;
	assert_non_null(strstr(find(want, "Service", "x")->problem, "enmesh's own"));
	assert_non_null(strstr(find(want, "Service", "y")->problem, "expected a map, found a list"));
	assert_null(find(want, "Service", "z")->problem);
	assert_string_equal(shape_label(find(want, "Service", "z")->body, LABEL_PART_OF), want->sets.items[1].id);
}

static const char *recorded(const char *service, const char *address)
{
	struct applied applied = { .arena = &arena };

	target_objects.record(desire(node_and_service("a", service), "a"), &applied);
	return applied_digest(&applied, address);
}

static void test_a_record_has_a_digest_for_each_address_that_follows_the_content(void **state)
{
	const char *entry = "objects/networking.istio.io/WorkloadEntry/default/s.a";
	const char *account = "objects/core/ServiceAccount/default/s";

	(void)state;
	assert_string_equal(recorded("s", entry), recorded("s", entry));
	assert_string_not_equal(recorded("s", entry), recorded("s, labels: {a: b}", entry));
	assert_string_equal(recorded("s", account), recorded("s, labels: {a: b}", account));
	assert_null(recorded("t", entry));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_each_node_wants_what_the_golden_files_say, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_two_pairs_of_service_and_node_never_share_a_name, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_what_is_no_name_becomes_one_by_a_digest, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_the_writer_alone_wants_the_objects_of_the_mesh, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_force_comes_from_the_document_alone, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_without_an_api_server_or_a_site_nothing_is_wanted, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_what_only_the_source_shows_is_a_problem, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_a_record_has_a_digest_for_each_address_that_follows_the_content, case_start,
			case_finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
