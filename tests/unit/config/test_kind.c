#include "config/config.h"

#include "given.h"

#include "base/version.h"

static struct config config;

static bool read_config(const char *text)
{
	config = (struct config){ 0 };
	diags = (struct diags){ .arena = &arena };
	return config_read(given_tree(text), &arena, &config, &diags);
}

static const struct document *document(size_t i)
{
	assert_true(i < config.documents.n);
	return &config.documents.items[i];
}

static void test_documents_are_complete(void **state)
{
	const struct document *doc;

	(void)state;
	assert_true(read_config(
		GIVEN_MESH GIVEN_DOCUMENT("MeshService", "web") "spec: {nodes: all, ports: [{name: http, port: "
								"80}]}\n"));
	assert_int_equal(config.documents.n, 2);
	assert_int_equal(document(0)->kind, KIND_MESH);
	assert_string_equal(node_get_text(document(0)->spec, "trustDomain"), "cluster.local");
	assert_null(document(0)->namespace);
	doc = document(1);
	assert_string_equal(doc->name, "web");
	assert_string_equal(doc->namespace, "default");
	assert_string_equal(node_get_text(&node_get(doc->spec, "ports")->items[0], "protocol"), "TCP");
	assert_false(doc->broken);
}

static void test_a_broken_document_keeps_its_name(void **state)
{
	(void)state;
	assert_false(read_config(GIVEN_DOCUMENT("MeshSidecar", "envoy") "spec: {profil: envoy}\n"));
	assert_string_equal(document(0)->name, "envoy");
	assert_true(document(0)->broken);
	assert_int_equal(config.unread.n, 0);
}

static void test_documents_of_other_groups_are_objects(void **state)
{
	(void)state;
	assert_true(read_config(
		"apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: x, namespace: y}\n"
		"spec: {anything: [goes]}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n"));
	assert_int_equal(document(0)->kind, KIND_OBJECT);
	assert_string_equal(document(0)->namespace, "y");
	assert_null(document(0)->spec);
	assert_null(document(1)->namespace);
}

static void test_what_could_not_be_named_is_remembered(void **state)
{
	(void)state;
	assert_false(read_config("kind: MeshSidecr\napiVersion: enmesh.io/v1alpha1\nmetadata: {name: envoy}\n"));
	assert_true(config_may_hold(&config, "envoy"));
	assert_false(config_may_hold(&config, "other"));
	assert_true(read_config(GIVEN_MESH));
	assert_false(config_may_hold(&config, "demo"));
}

#define REQUIRES(condition)                                                                                       \
	"apiVersion: enmesh.io/v1beta7\nkind: Mesh\nmetadata: {name: x}\nspec: {requires: '" condition "'}\n"

static void test_another_version_that_is_required_is_all_that_is_said(void **state)
{
	(void)state;
	assert_false(read_config("nonsense: [\n"));
	assert_false(read_config(REQUIRES(
		">=99.1") "new: thing\n---\nkind: MeshRocket\napiVersion: enmesh.io/v1beta7\nx: !new 080\n"));
	assert_string_equal(given_diags(), arena_printf(&arena,
						   "mesh.yaml:4:18: error: this source requires enmesh >=99.1, "
						   "and this is enmesh %s; nothing else of it was "
						   "looked at (/spec/requires)\n",
						   version_text));
	assert_string_equal(config.requires, ">=99.1");
	assert_int_equal(config.documents.n, 0);
}

static void test_a_version_that_is_met_changes_nothing(void **state)
{
	(void)state;
	assert_true(read_config(
		"apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: x}\nspec: {requires: '>=0.1'}\n"));
	assert_null(config.requires);
	/* What is no condition is for the schema. */
	assert_false(read_config(
		"apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: x}\nspec: {requires: '>=x'}\n"));
	assert_null(config.requires);
	assert_non_null(strstr(given_diags(), "expected a condition such as \">=0.2\""));
	/* Nor is that of another group of any interest. */
	assert_true(read_config(
		"apiVersion: kuma.io/v1\nkind: Mesh\nmetadata: {name: x}\nspec: {requires: '>=99'}\n"));
}

static void test_the_number_of_documents_is_limited(void **state)
{
	struct str text = { .arena = &arena };

	(void)state;
	for (int i = 0; i <= CONFIG_DOCUMENTS_MAX; i++)
		str_add(&text, "a\n---\n");
	assert_false(read_config(str_text(&text)));
	assert_non_null(strstr(diags.list.items[0].message, "more than 200000 documents"));
}

static void test_many_mistakes_end_the_reading(void **state)
{
	struct str text = { .arena = &arena };

	(void)state;
	for (int i = 0; i < 50000; i++)
		str_printf(&text, "a: %d\n---\n", i);
	assert_false(read_config(str_text(&text)));
	assert_int_equal(diags.list.n, DIAGS_MAX);
}

static void test_agent_configuration(void **state)
{
	struct bytes text = given_bytes("apiVersion: enmesh.io/v1alpha1\nkind: AgentConfig\nspec: {node: n1}\n");
	const struct node *n = config_read_agent("agent.yaml", &text, &arena, &diags);

	(void)state;
	assert_string_equal(given_diags(), "");
	assert_string_equal(node_get_text(node_get(n, "spec"), "node"), "n1");
	assert_string_equal(node_get_text(node_get(n, "spec"), "stateDir"), "/var/lib/enmesh");
}

static void test_wrong_agent_configurations(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "", "agent.yaml: error: expected one AgentConfig, found 0 documents\n" },
		{ "a: 1\n---\nb: 1\n", "agent.yaml: error: expected one AgentConfig, found 2 documents\n" },
		{ "apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nspec: {}\n",
			"agent.yaml:2:7: error: expected AgentConfig, found the string \"Mesh\" (/kind)\n" },
		{ "apiVersion: enmesh.io/v1alpha1\nkind: AgentConfig\nspec: {apiServer: {certFile: /c}}\n",
			"agent.yaml:3:19: error: the field 'keyFile' is missing: 'certFile' needs it "
			"(/spec/apiServer)\n" },
		{ "apiVersion: enmesh.io/v1alpha1\nkind: AgentConfig\nspec: {timeout: 30}\n",
			"agent.yaml:3:17: error: expected a duration such as 30s or 5m, found the integer 30 "
			"(/spec/timeout)\n" },
		{ "apiVersion: enmesh.io/v1alpha1\nkind: AgentConfig\nspec: {timeout: '30'}\n",
			"agent.yaml:3:17: error: expected a duration such as 30s or 5m, found the string \"30\" "
			"(/spec/timeout)\n" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++) {
		struct bytes text = given_bytes(rows[i].text);

		diags = (struct diags){ .arena = &arena };
		assert_null(config_read_agent("agent.yaml", &text, &arena, &diags));
		assert_string_equal(given_diags(), rows[i].error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_documents_are_complete),
		given_test(test_a_broken_document_keeps_its_name),
		given_test(test_documents_of_other_groups_are_objects),
		given_test(test_what_could_not_be_named_is_remembered),
		given_test(test_another_version_that_is_required_is_all_that_is_said),
		given_test(test_a_version_that_is_met_changes_nothing),
		given_test(test_the_number_of_documents_is_limited),
		given_test(test_many_mistakes_end_the_reading),
		given_test(test_agent_configuration),
		given_test(test_wrong_agent_configurations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
