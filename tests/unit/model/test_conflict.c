#include "given.h"

/* What the documents of one mesh, with the nodes n1 (app: web) and n2, say. */
static const char *errors(const char *documents)
{
	diags = (struct diags){ .arena = &arena };
	given_model(arena_printf(&arena,
		"%s" GIVEN_DOCUMENT("MeshNode", "n2") "spec: {addresses: [10.0.0.2]}\n"
						      "%s",
		GIVEN_MESH GIVEN_NODE GIVEN_SIDECAR GIVEN_CAPTURE
		"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshSidecar\nmetadata: {name: other}\n"
		"spec: {user: other, ports: {outbound: 1, inbound: 2, tunnel: 3, admin: 4}}\n",
		documents));
	return given_diags();
}

#define SERVICE(name, spec) GIVEN_DOCUMENT("MeshService", name) "spec: {" spec "}\n"

static void test_services_of_different_nodes_do_not_meet(void **state)
{
	(void)state;
	assert_string_equal(
		errors(SERVICE("a", "nodes: {names: [n1]}, ports: [{name: h, port: 80}], sidecar: envoy, capture: "
				    "default") SERVICE("b", "nodes: {names: [n2]}, ports: [{name: h, port: 80}], "
							    "sidecar: envoy, capture: default")),
		"");
}

static void test_services_that_differ_in_everything_are_fine(void **state)
{
	(void)state;
	assert_string_equal(
		errors(SERVICE("a",
			"nodes: all, ports: [{name: h, port: 80, targetPort: 8080}], runAs: {user: a}, "
			"sidecar: envoy, capture: default") SERVICE("b",
			"nodes: all, ports: [{name: h, port: 80, targetPort: 8081}], runAs: {user: b}, "
			"sidecar: other, capture: default")),
		"");
}

static void test_two_ports_of_one_service_may_lead_to_one_target(void **state)
{
	(void)state;
	assert_string_equal(
		errors(SERVICE("a",
			"nodes: all, ports: [{name: h, port: 80, targetPort: 8080}, {name: i, port: 81, "
			"targetPort: 8080}]")),
		"");
}

static void test_a_port_of_a_service_and_of_a_proxy(void **state)
{
	(void)state;
	assert_non_null(strstr(errors(SERVICE("a", "nodes: all, ports: [{name: h, port: 15006}], sidecar: envoy")),
		"on node 'n1', the sidecar of service default/a and service default/a"));
	assert_non_null(strstr(given_diags(), "both claim port 15006"));
}

static void test_users_matter_only_where_traffic_is_captured(void **state)
{
	(void)state;
	assert_string_equal(
		errors(SERVICE("a", "nodes: all, runAs: {user: x}") SERVICE("b", "nodes: all, runAs: {user: x}")),
		"");
	assert_string_equal(errors(GIVEN_DOCUMENT("MeshCapture", "none") "spec: {mode: none}\n" SERVICE("a",
				    "nodes: all, runAs: {user: x}, sidecar: envoy, capture: none") SERVICE("b",
				    "nodes: all, runAs: {user: x}, sidecar: other, capture: none")),
		"");
	assert_non_null(strstr(
		errors(SERVICE("a", "nodes: all, runAs: {user: 7}, sidecar: envoy, capture: default")
				SERVICE("b", "nodes: all, runAs: {user: 7.0}, sidecar: other, capture: default")),
		"both claim user 7; captured traffic"));
	assert_non_null(strstr(
		errors(SERVICE("a", "nodes: all, runAs: {group: g}, sidecar: envoy, capture: default")
				SERVICE("b", "nodes: all, runAs: {group: g}, sidecar: other, capture: default")),
		"both claim group 'g'"));
	/* A user and a group of one name are two things. */
	assert_string_equal(
		errors(SERVICE("a", "nodes: all, runAs: {group: g}, sidecar: envoy, capture: default")
				SERVICE("b", "nodes: all, runAs: {user: g}, sidecar: other, capture: default")),
		"");
}

static void test_three_services_with_one_port_are_told_in_a_chain(void **state)
{
	(void)state;
	assert_string_equal(errors(SERVICE("a", "nodes: all, ports: [{name: h, port: 80}]")
					    SERVICE("b", "nodes: all, ports: [{name: h, port: 80}]")
						    SERVICE("c", "nodes: all, ports: [{name: h, port: 80}]")),
		"mesh.yaml:39:28: error: on node 'n1', service default/b and service default/a (at "
		"mesh.yaml:31:1) both claim "
		"port 80 (/spec/ports/0)\n"
		"mesh.yaml:44:28: error: on node 'n1', service default/c and service default/b (at "
		"mesh.yaml:36:1) both claim "
		"port 80 (/spec/ports/0)\n");
}

static void test_files_with_variables_meet_where_their_paths_do(void **state)
{
	(void)state;
	assert_string_equal(errors(GIVEN_DOCUMENT("MeshSidecar",
				    "x") "spec: {command: [x], user: x, ports: {outbound: 11, inbound: "
					 "12, tunnel: 13, admin: 14}, files: [{path: "
					 "'/etc/${service.name}', text: x}]}\n" GIVEN_DOCUMENT("MeshComponent",
						 "c") "spec: {nodes: all, command: [x], files: [{path: "
						      "'/etc/${node.name}', text: x}]}\n" SERVICE(
							      "n2", "nodes: {names: [n1]}, sidecar: x")),
		"");
	assert_non_null(strstr(errors(GIVEN_DOCUMENT("MeshSidecar",
				       "x") "spec: {command: [x], user: x, ports: {outbound: 11, "
					    "inbound: 12, tunnel: 13, admin: 14}, files: [{path: "
					    "'/etc/${service.name}', text: x}]}\n" GIVEN_DOCUMENT("MeshComponent",
						    "c") "spec: {nodes: all, command: [x], files: [{path: "
							 "'/etc/${node.name}', text: x}]}\n" SERVICE(
								 "n2", "nodes: all, sidecar: x")),
		"on node 'n2', the sidecar of service default/n2 and component c (at mesh.yaml:36:1) both claim "
		"the file /etc/n2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_services_of_different_nodes_do_not_meet),
		given_test(test_services_that_differ_in_everything_are_fine),
		given_test(test_two_ports_of_one_service_may_lead_to_one_target),
		given_test(test_a_port_of_a_service_and_of_a_proxy),
		given_test(test_users_matter_only_where_traffic_is_captured),
		given_test(test_three_services_with_one_port_are_told_in_a_chain),
		given_test(test_files_with_variables_meet_where_their_paths_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
