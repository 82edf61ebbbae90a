#include "model/vars.h"

#include "given.h"

static struct texts endpoints(const char *endpoint)
{
	struct texts t = { 0 };

	if (endpoint)
		*vec_push(&arena, &t.list) = endpoint;
	return t;
}

static struct scope scope_of(const char *discovery)
{
	struct mesh *mesh = arena_new(&arena, struct mesh);
	struct mesh_node *node = arena_new(&arena, struct mesh_node);
	struct mesh_service *service = arena_new(&arena, struct mesh_service);
	struct mesh_sidecar *sidecar = arena_new(&arena, struct mesh_sidecar);

	mesh->name = "demo";
	mesh->id = mesh->trust_domain = "cluster.local";
	mesh->discovery = endpoints(discovery);
	node->name = "vm1";
	node->addresses = endpoints("10.0.0.1");
	*vec_push(&arena, &node->labels.list) = (struct label){ "app", "${node.name}" };
	*vec_push(&arena, &node->labels.list) = (struct label){ "example.com/tier", "x" };
	service->name = "reviews";
	service->namespace = "bookinfo";
	service->service_account = "sa";
	sidecar->name = "envoy";
	sidecar->admin = 15000;
	return (struct scope){ mesh, node, service, sidecar, NULL };
}

static const char *expand(const char *text)
{
	struct scope scope = scope_of("istiod.istio-system.svc:15012");

	return vars_expand(text, &scope, (struct pos){ .file = "f", .line = 1, .column = 1 }, &arena, &diags);
}

static void test_values_are_put_in(void **state)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{ "", "" }, { "plain $ { } text", "plain $ { } text" }, { "${node.name}", "vm1" },
		{ "a${node.name}b${node.address}c", "avm1b10.0.0.1c" },
		{ "${service.namespace}/${service.name}/${service.serviceAccount}", "bookinfo/reviews/sa" },
		{ "${mesh.discovery} ${mesh.discovery.host} ${mesh.discovery.port}",
			"istiod.istio-system.svc:15012 istiod.istio-system.svc 15012" },
		{ "${mesh.ca}", "istiod.istio-system.svc:15012" }, { "${sidecar.ports.admin}", "15000" },
		{ "${label:example.com/tier}", "x" },
		{ "[${node.network}${node.locality}]", "[]" }, /* optional fields */
	};

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++)
		assert_string_equal(expand(rows[i].text), rows[i].wanted);
	assert_string_equal(given_diags(), "");
}

static void test_two_dollars_are_a_literal(void **state)
{
	(void)state;
	assert_string_equal(expand("$${node.name}"), "${node.name}");
	assert_string_equal(expand("$$${node.name}"), "$${node.name}");
	assert_string_equal(expand("$${"), "${");
	assert_string_equal(expand("$${${node.name}}"), "${vm1}");
	assert_string_equal(expand("$$"), "$$");
}

static void test_a_value_is_not_looked_at_again(void **state)
{
	(void)state;
	assert_string_equal(expand("${label:app}"), "${node.name}");
	assert_string_equal(expand("$${label:app}"), "${label:app}");
}

static void test_an_address_in_brackets_loses_them_as_host(void **state)
{
	struct scope scope = scope_of("[fd00::1]:15012");

	(void)state;
	assert_string_equal(vars_expand("${mesh.discovery.host}|${mesh.discovery.port}|${mesh.discovery}", &scope,
				    (struct pos){ 0 }, &arena, &diags),
		"fd00::1|15012|[fd00::1]:15012");
}

static void test_what_cannot_be_put_in_is_an_error(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "${node.nam}", "f:1:1: error: unknown variable ${node.nam}, did you mean 'node.name'?\n" },
		{ "${component.name}",
			"f:1:1: error: unknown variable ${component.name}; the variables are node.*, mesh.*, "
			"service.*, sidecar.* and label:KEY, and $${ is a literal ${\n" },
		{ "${label:zone}", "f:1:1: error: the node 'vm1' has no label 'zone'\n" },
		{ "${label:}", "f:1:1: error: ${label:} lacks the name of a label\n" },
		{ "${node.name", "f:1:1: error: a ${ without its }; $${ is a literal ${\n" },
		{ "${a${node.name}}",
			"f:1:1: error: a ${ within another; variables do not nest, and $${ is a literal ${\n" },
		{ "${mesh.mixer.host}:${mesh.mixer.port}", "f:1:1: error: ${mesh.mixer.host} has no value: the "
							   "Mesh does not say spec.controlPlane.mixer\n" },
		{ "${mesh.apiServer}", "f:1:1: error: ${mesh.apiServer} has no value: the Mesh does not say "
				       "spec.controlPlane.apiServer\n" },
		{ "${NODE.NAME}", "f:1:1: error: unknown variable ${NODE.NAME}, did you mean 'node.name'?\n" },
		{ "${ node.name }", "f:1:1: error: unknown variable ${ node.name }, did you mean 'node.name'?\n" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++) {
		diags = (struct diags){ .arena = &arena };
		assert_null(expand(rows[i].text));
		assert_string_equal(given_diags(), rows[i].error);
	}
}

static bool check(const char *text, bool sidecar, struct process_spec *spec)
{
	struct node n = { .file = "f", .line = 1, .column = 1, .type = NODE_STRING, .string = text };
	struct vars_place place = { .sidecar = sidecar, .node = &n };

	diags = (struct diags){ .arena = &arena };
	return vars_check(text, &place, spec, &arena, &diags);
}

static void test_names_are_checked_without_a_node(void **state)
{
	struct process_spec spec = { 0 };

	(void)state;
	assert_true(check("${node.name} ${service.name} ${mesh.discovery.host} $${nonsense}", true, &spec));
	assert_false(check("${service.name}", false, &spec));
	assert_true(check("${component.name}", false, &spec));
	assert_false(check("${component.name}", true, &spec));
	assert_int_equal(spec.label_uses.n, 0);
}

static void test_labels_are_noted_once(void **state)
{
	struct process_spec spec = { 0 };
	struct str many = { .arena = &arena };

	(void)state;
	assert_true(check("${label:a} ${label:b} ${label:a}", true, &spec));
	assert_int_equal(spec.label_uses.n, 2);
	for (int i = 0; i < VARS_LABELS_MAX; i++)
		str_printf(&many, "${label:l%d}", i);
	assert_false(check(str_text(&many), true, &spec));
	assert_non_null(strstr(given_diags(), "a process takes at most 64 labels from its node"));
}

static void test_a_long_text_takes_linear_time(void **state)
{
	struct str text = { .arena = &arena };

	(void)state;
	for (int i = 0; i < 60000; i++)
		str_add(&text, "${node.name} $${ ");
	assert_int_equal(strlen(expand(str_text(&text))), 60000 * 7);
	text.n = 0;
	for (int i = 0; i < 250000; i++)
		str_add(&text, "$${ ");
	assert_int_equal(strlen(expand(str_text(&text))), 250000 * 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_values_are_put_in),
		given_test(test_two_dollars_are_a_literal),
		given_test(test_a_value_is_not_looked_at_again),
		given_test(test_an_address_in_brackets_loses_them_as_host),
		given_test(test_what_cannot_be_put_in_is_an_error),
		given_test(test_names_are_checked_without_a_node),
		given_test(test_labels_are_noted_once),
		given_test(test_a_long_text_takes_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
