#include "given.h"

#include "model/place.h"
#include "model/site.h"

static void test_an_endpoint_and_its_defaults_are_typed(void **state)
{
	const struct model *m = given_model(GIVEN_MESH GIVEN_NODE GIVEN_SIDECAR GIVEN_CAPTURE GIVEN_DOCUMENT(
		"MeshService", "web") "spec: {nodes: all, ports: [{name: http, port: 80, targetPort: 8080.0, "
				      "protocol: HTTP}, {name: tcp, port: "
				      "90}], runAs: {user: 1001}, sidecar: envoy, capture: default}\n");
	const struct mesh_service *s;

	(void)state;
	if (!m)
		fail_msg("%s", given_diags());
	s = &m->services.items[0];
	assert_string_equal(m->mesh->name, "demo");
	assert_string_equal(m->mesh->id, "cluster.local");
	assert_true(m->mesh->prune);
	assert_string_equal(m->mesh->objects_namespace, "istio-system");
	assert_int_equal(m->mesh->allow.n, 5);
	assert_string_equal(s->namespace, "default");
	assert_string_equal(s->service_account, "web");
	assert_string_equal(s->hosts.list.items[0], "web.default.svc.cluster.local");
	assert_int_equal(s->ports.items[0].target, 8080); /* 8080.0 is an integer */
	assert_int_equal(s->ports.items[1].target, 90);
	assert_string_equal(s->ports.items[1].protocol, "TCP");
	assert_null(s->user.name);
	assert_int_equal(s->user.number, 1001);
	assert_int_equal(s->sidecar->outbound, 15001);
	assert_int_equal(s->sidecar->admin, 15000);
	assert_int_equal(s->sidecar->process.readiness.port, 15000);
	assert_int_equal(s->sidecar->process.user.number, 1337);
	assert_int_equal(s->capture->mode, CAPTURE_REDIRECT);
	assert_true(s->capture->outbound_all);
	assert_int_equal(s->capture->inbound, INBOUND_SERVICE);
}

static void test_everything_comes_in_the_order_of_names(void **state)
{
	const struct model *m = given_model(GIVEN_MESH GIVEN_NODE GIVEN_DOCUMENT(
		"MeshNode", "a") "spec: {addresses: [10.0.0.9]}\n---\napiVersion: enmesh.io/v1alpha1\nkind: "
				 "MeshService\nmetadata: {name: a, "
				 "namespace: z}\nspec: {nodes: all}\n---\napiVersion: enmesh.io/v1alpha1\nkind: "
				 "MeshService\nmetadata: {name: "
				 "b, namespace: m}\nspec: {nodes: all}\n" GIVEN_DOCUMENT(
					 "MeshService", "c") "spec: {nodes: all}\n");

	(void)state;
	if (!m)
		fail_msg("%s", given_diags());
	assert_string_equal(m->nodes.items[0].name, "a");
	assert_string_equal(m->services.items[0].name, "c"); /* of namespace default */
	assert_string_equal(m->services.items[1].name, "b");
	assert_string_equal(m->services.items[2].name, "a");
	assert_ptr_equal(model_find_node(m, "n1"), &m->nodes.items[1]);
	assert_null(model_find_node(m, "n"));
}

static void test_capture_fields_are_typed(void **state)
{
	const struct model *m = given_model(GIVEN_MESH GIVEN_DOCUMENT(
		"MeshCapture", "c") "spec:\n  mode: none\n  inbound: {ports: [80, 81], excludePorts: [22]}\n  "
				    "outbound: {cidrs: [10.0.0.0/8, "
				    "fd00::/8, 1.2.3.4], excludeCidrs: ['::1'], ports: [443], excludePorts: "
				    "[123]}\n  excludeInterfaces: "
				    "[docker0]\n  allowManagementPorts: true\n");
	const struct mesh_capture *c;

	(void)state;
	if (!m)
		fail_msg("%s", given_diags());
	c = &m->captures.items[0];
	assert_int_equal(c->mode, CAPTURE_NONE);
	assert_int_equal(c->inbound, INBOUND_LIST);
	assert_int_equal(c->inbound_ports.list.n, 2);
	assert_int_equal(c->inbound_exclude.list.items[0].first, 22);
	assert_false(c->outbound_all);
	assert_int_equal(c->outbound_cidrs.list.n, 3);
	assert_int_equal(c->outbound_cidrs.list.items[1].prefix, 8);
	assert_int_equal(c->outbound_cidrs.list.items[2].prefix, 32);
	assert_int_equal(c->outbound_exclude.list.items[0].prefix, 128);
	assert_int_equal(c->outbound_ports.list.items[0].first, 443);
	assert_int_equal(c->outbound_exclude_ports.list.items[0].first, 123);
	assert_string_equal(c->exclude_interfaces.list.items[0], "docker0");
	assert_true(c->allow_management_ports);
}

static void test_allowed_objects_are_those_of_the_mesh(void **state)
{
	static const char objects[] =
		"---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"
		"---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: x}\n";

	(void)state;
	assert_null(given_model(arena_printf(&arena,
		"apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: m}\nspec:\n  controlPlane: "
		"{apiServer: {urls: "
		"['https://a']}}\n  objects: {allow: [{group: apps, kinds: [Deployment]}]}\n%s",
		objects)));
	assert_int_equal(diags.errors, 1);
	assert_non_null(strstr(given_diags(), "networking.istio.io/v1/Gateway is not among"));
	diags = (struct diags){ .arena = &arena };
	assert_non_null(given_model(arena_printf(&arena,
		"apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: m}\nspec:\n  controlPlane: "
		"{apiServer: {urls: "
		"['https://a']}}\n  objects: {allow: [{group: apps}, {group: networking.istio.io}]}\n%s",
		objects)));
}

static void test_objects_are_found_in_any_version_of_their_group(void **state)
{
	static const char *const versions[] = { "v1", "apps/v1", "networking.istio.io/v1",
		"networking.istio.io/v1beta1", "security.istio.io/v1" };
	struct str text = { .arena = &arena };
	const struct model *m;

	(void)state;
	str_add(&text, "apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: m}\nspec:\n  controlPlane: "
		       "{apiServer: "
		       "{urls: ['https://a']}}\n  objects: {allow: [{group: ''}, {group: apps}, {group: "
		       "networking.istio.io}, "
		       "{group: security.istio.io}]}\n");
	for (size_t i = 0; i < array_len(versions); i++)
		str_printf(&text,
			"---\napiVersion: %s\nkind: K%zu\nmetadata: {name: x}\n---\napiVersion: %s\nkind: "
			"A\nmetadata: "
			"{name: x%zu, namespace: z}\n",
			versions[i], i, versions[i], i);
	m = given_model(str_text(&text));
	if (!m)
		fail_msg("%s", given_diags());
	vec_each (o, &m->objects)
		assert_ptr_equal(
			model_find_object(m, o->group, o->kind, o->namespace ? o->namespace : "default", o->name),
			o);
	assert_null(model_find_object(m, "apps", "A", "default", "x1"));
	assert_null(model_find_object(m, "app", "A", "z", "x1"));
}

/* ---- hostile and large ones ---- */

static double load(const char *text, bool valid)
{
	clock_t start = clock();

	diags = (struct diags){ .arena = &arena };
	if ((given_model(text) != NULL) != valid)
		fail_msg("%.500s", given_diags());
	return given_seconds(start);
}

static void test_a_long_chain_of_components_is_ranked_in_linear_time(void **state)
{
	enum { N = 5000 };
	struct str text = { .arena = &arena }, circle = { .arena = &arena };

	(void)state;
	str_add(&text, GIVEN_MESH GIVEN_NODE);
	for (int i = 0; i < N; i++)
		str_printf(&text,
			GIVEN_DOCUMENT(
				"MeshComponent", "c%05d") "spec: {nodes: all, command: [x], after: [c%05d]}\n",
			i, i + 1);
	circle = (struct str){ .arena = &arena };
	str_add(&circle, str_text(&text));
	str_printf(&text, GIVEN_DOCUMENT("MeshComponent", "c%05d") "spec: {nodes: all, command: [x]}\n", N);
	assert_true(load(str_text(&text), true) < 5);
	str_printf(&circle,
		GIVEN_DOCUMENT("MeshComponent", "c%05d") "spec: {nodes: all, command: [x], after: [c00000]}\n", N);
	assert_true(load(str_text(&circle), false) < 5);
	assert_int_equal(diags.errors, 1);
	assert_non_null(strstr(given_diags(), "c00009 → … (5001 in all) → c00000 "));
}

static void test_many_missing_references_take_bounded_time(void **state)
{
	struct str text = { .arena = &arena };

	(void)state;
	str_add(&text, GIVEN_MESH GIVEN_NODE);
	for (int i = 0; i < 10000; i++)
		str_printf(&text,
			GIVEN_DOCUMENT("MeshSidecar", "sidecar-%d") "spec: {}\n" GIVEN_DOCUMENT(
				"MeshService", "s%d") "spec: {nodes: {names: [m%d]}, sidecar: sidecart-%d}\n",
			i, i, i, i);
	assert_true(load(str_text(&text), false) < 20);
	assert_int_equal(diags.errors, 20000);
}

static void test_many_conflicts_take_bounded_time(void **state)
{
	struct str text = { .arena = &arena };

	(void)state;
	str_add(&text, GIVEN_MESH GIVEN_NODE GIVEN_SIDECAR GIVEN_CAPTURE);
	for (int i = 0; i < 5000; i++)
		str_printf(&text,
			GIVEN_DOCUMENT(
				"MeshService", "s%d") "spec: {nodes: all, sidecar: envoy, capture: default}\n",
			i);
	assert_true(load(str_text(&text), false) < 10);
	assert_int_equal(diags.errors, 2 * 4999); /* each with the next: the services, and their sidecars */
}

static void test_a_selector_of_many_names_takes_linear_time(void **state)
{
	struct str text = { .arena = &arena }, names = { .arena = &arena };

	(void)state;
	str_add(&text, GIVEN_MESH);
	for (int i = 0; i < 10000; i++) {
		str_printf(&text, GIVEN_DOCUMENT("MeshNode", "n%d") "spec: {addresses: [10.0.0.1]}\n", i);
		str_printf(&names, "n%d, ", i);
	}
	for (int i = 0; i < 5; i++)
		str_printf(&text, GIVEN_DOCUMENT("MeshService", "s%d") "spec: {nodes: {names: [%s]}}\n", i,
			str_text(&names));
	assert_true(load(str_text(&text), true) < 10);
}

/* One service on each of five nodes, as many services as five times the nodes. */
static const char *fleet(int nodes)
{
	struct str text = { .arena = &arena };

	str_add(&text, GIVEN_MESH GIVEN_SIDECAR GIVEN_CAPTURE);
	for (int i = 0; i < nodes; i++)
		str_printf(&text,
			"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {name: n%d, labels: "
			"{rack: r%d, app: web}}\n"
			"spec: {addresses: [10.%d.%d.%d]}\n",
			i, i / 5, i >> 16, i >> 8 & 255, i & 255);
	for (int i = 0; i < nodes * 5; i++)
		str_printf(&text,
			GIVEN_DOCUMENT(
				"MeshService", "s%d") "spec: {nodes: {matchLabels: {app: web, rack: r%d}}, ports: "
						      "[{name: http, port: %d}]}\n",
			i, i / 25, 1000 + i % 25);
	return str_text(&text);
}

static double site_time(const struct model *m)
{
	clock_t start = clock();
	struct arena scratch = { 0 };

	for (int i = 0; i < 1000; i++) {
		const struct site *site = site_make(m, "n7", m->tree, &scratch, &diags);

		assert_int_equal(site->workloads.n, 25);
		arena_finish(&scratch);
	}
	return given_seconds(start);
}

static void test_the_time_is_linear_and_a_node_costs_its_own_services(void **state)
{
	const struct model *small, *large;
	double small_time, large_time, small_site, large_site;
	clock_t start = clock();

	(void)state;
	small = given_model(fleet(500));
	small_time = given_seconds(start);
	start = clock();
	large = given_model(fleet(4000));
	large_time = given_seconds(start);
	if (!small || !large)
		fail_msg("%s", given_diags());
	small_site = site_time(small);
	large_site = site_time(large);
	print_message("500 nodes and 2500 services: %.0f ms, 4000 and 20000: %.0f ms; one node's part: %.1f and "
		      "%.1f us\n",
		small_time * 1e3, large_time * 1e3, small_site * 1e3, large_site * 1e3);
	assert_true(large_time < small_time * 8 * 4); /* eight times as many; the rest is for the noise */
	assert_true(large_site < small_site * 3 + 0.005);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_an_endpoint_and_its_defaults_are_typed),
		given_test(test_everything_comes_in_the_order_of_names),
		given_test(test_capture_fields_are_typed),
		given_test(test_allowed_objects_are_those_of_the_mesh),
		given_test(test_objects_are_found_in_any_version_of_their_group),
		given_test(test_a_long_chain_of_components_is_ranked_in_linear_time),
		given_test(test_many_missing_references_take_bounded_time),
		given_test(test_many_conflicts_take_bounded_time),
		given_test(test_a_selector_of_many_names_takes_linear_time),
		given_test(test_the_time_is_linear_and_a_node_costs_its_own_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
