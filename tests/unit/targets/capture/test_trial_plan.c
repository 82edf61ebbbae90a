#include "given.h"

#include <arpa/inet.h>

#include "source/source.h"
#include "targets/capture/trial.h"

#define MESH                                                                                                      \
	"apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: m}\nspec: {}\n---\n"                        \
	"apiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {name: vm1}\nspec: {addresses: [10.0.0.1]}\n"  \
	"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshSidecar\nmetadata: {name: p}\n"                           \
	"spec: {proxyUsers: [1337], proxyGroups: [1338]}\n---\n"

#define SERVICE(more)                                                                                             \
	"apiVersion: enmesh.io/v1alpha1\nkind: MeshService\nmetadata: {name: s}\n"                                \
	"spec: {nodes: all, ports: [{name: http, port: 80, targetPort: 8080}], sidecar: p, capture: c" more "}\n" \
	"---\n"

#define CAPTURE(spec) "apiVersion: enmesh.io/v1alpha1\nkind: MeshCapture\nmetadata: {name: c}\nspec: {" spec "}\n"

static struct trials trials;
static const char *addresses[] = { "10.0.0.1", "fd00::1" };

static void plan(const char *text, const char *netns)
{
	static struct source_file file;
	struct tree tree = { .origin = "test", .revision = "", .files = &file, .n_files = 1 };
	struct config config = { 0 };
	struct network network = { 0 };
	const struct model *model;
	struct site *site;

	file = (struct source_file){ .path = "mesh.yaml",
		.shown = "mesh.yaml",
		.document = true,
		.content = given_bytes(text),
		.loaded = true };
	config_read(&tree, &arena, &config, &diags);
	model = model_load(&config, &arena, &diags);
	for (size_t i = 0; i < diags.list.n; i++)
		print_error("%s\n", diag_line(&diags.list.items[i], &arena));
	assert_non_null(model);
	site = site_make(model, "vm1", &tree, &arena, &diags);
	assert_non_null(site);
	trials = (struct trials){ 0 };
	for (size_t i = 0; i < array_len(addresses); i++)
		assert_true(endpoint_read(addresses[i], vec_push(&arena, &network.addresses)));
	trials_plan(site, netns, &network, &arena, &trials);
}

/* The one trial of that title and destination, or NULL. */
static const struct trial *find(const char *title, const char *dest)
{
	vec_each (t, &trials.list)
		if (!strcmp(t->title, title) && !strcmp(endpoint_text(&t->connection.dest, &arena), dest))
			return t;
	return NULL;
}

static void test_each_direction_and_family_is_tried(void **state)
{
	const struct trial *t;

	(void)state;
	plan(MESH SERVICE(", runAs: {user: 1001}") CAPTURE(""), NULL);
	t = find("outbound", "192.0.2.1:80");
	assert_non_null(t);
	assert_int_equal(t->connection.user.number, 1001);
	assert_non_null(find("outbound", "[2001:db8::1]:80"));
	t = find("outbound, by the proxy", "192.0.2.1:80");
	assert_int_equal(t->connection.user.number, 1337);
	assert_int_equal(t->connection.group.number, 1338);
	assert_int_equal(find("outbound, by somebody else", "192.0.2.1:80")->connection.user.number, 65534);
	t = find("inbound, to a port of the service", "0.0.0.0:8080");
	assert_true(t && t->connection.inbound);
	assert_non_null(find("inbound, to a port of the service", "[::]:8080"));
	assert_non_null(find("inbound, to SSH", "0.0.0.0:22"));
}

static void test_what_is_listed_and_excluded_is_tried(void **state)
{
	(void)state;
	plan(MESH SERVICE("") CAPTURE("outbound: {cidrs: [10.1.0.0/16], excludeCidrs: [10.1.2.0/24, 10.9.9.9/32], "
				      "ports: [5000], excludePorts: [443-450]}, inbound: {excludePorts: [25]}"),
		NULL);
	assert_non_null(find("outbound, to a listed range", "10.1.0.1:80"));
	assert_non_null(find("outbound, to an excluded range", "10.1.2.1:80"));
	assert_non_null(find("outbound, to an excluded range", "10.9.9.9:80"));
	assert_non_null(find("outbound, to a listed port", "192.0.2.1:5000"));
	assert_non_null(find("outbound, to an excluded port", "192.0.2.1:443"));
	assert_non_null(find("inbound, to an excluded port", "0.0.0.0:25"));
	assert_null(find("outbound, by somebody else", "192.0.2.1:80"));
}

static void test_cgroup_comes_with_all_above_it(void **state)
{
	const struct trial *t;

	(void)state;
	plan(MESH SERVICE(", runAs: {cgroup: /a.slice/b}") CAPTURE(""), NULL);
	t = find("outbound", "192.0.2.1:80");
	assert_string_equal(t->cgroup, "/a.slice/b");
	assert_int_equal(t->connection.cgroup->cgroups.n, 2);
	assert_string_equal(t->connection.cgroup->cgroups.items[0].path, "/a.slice");
	assert_string_equal(t->connection.cgroup->cgroups.items[1].path, "/a.slice/b");
}

static void test_only_services_of_the_namespace_that_are_captured_are_tried(void **state)
{
	(void)state;
	plan(MESH SERVICE(", networkNamespace: {path: /run/netns/x}") CAPTURE(""), NULL);
	assert_int_equal(trials.list.n, 0);
	plan(MESH SERVICE(", networkNamespace: {path: /run/netns/x}") CAPTURE(""), "/run/netns/x");
	assert_int_not_equal(trials.list.n, 0);
	plan(MESH SERVICE("") CAPTURE("mode: none"), NULL);
	assert_int_equal(trials.list.n, 0);
}

static void test_family_without_a_reachable_address_is_not_tried(void **state)
{
	(void)state;
	addresses[1] = "fe80::1";
	plan(MESH SERVICE("") CAPTURE(""), NULL);
	addresses[1] = "fd00::1";
	assert_non_null(find("outbound", "192.0.2.1:80"));
	assert_null(find("outbound", "[2001:db8::1]:80"));
	assert_null(find("inbound, to SSH", "[::]:22"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_each_direction_and_family_is_tried),
		given_test(test_what_is_listed_and_excluded_is_tried),
		given_test(test_cgroup_comes_with_all_above_it),
		given_test(test_family_without_a_reachable_address_is_not_tried),
		given_test(test_only_services_of_the_namespace_that_are_captured_are_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
