#include "model/site.h"

#include "given.h"

#include "model/read.h"

/* mesh.yaml and the files conf/a.json and conf/a.tmpl, as source_load leaves them. */
static struct tree *tree_of(const char *documents, const char *template)
{
	struct tree *tree = arena_new(&arena, struct tree);
	struct source_file *files = arena_alloc(&arena, 3 * sizeof(*files));

	files[0] = (struct source_file){ "conf/a.json", "conf/a.json", false, given_bytes("{}\n"), true };
	files[1] = (struct source_file){ "conf/a.tmpl", "conf/a.tmpl", false, given_bytes(template), true };
	files[2] = (struct source_file){ "mesh.yaml", "mesh.yaml", true, given_bytes(documents), true };
	*tree = (struct tree){ "given", "sha256:0", files, 3 };
	return tree;
}

static const struct model *load(const char *documents, const char *template)
{
	struct config config = { 0 };
	const struct model *m;

	config_read(tree_of(documents, template), &arena, &config, &diags);
	m = model_load(&config, &arena, &diags);
	if (!m)
		fail_msg("%s", given_diags());
	return m;
}

static const struct site *site_of(const char *documents, const char *node)
{
	const struct model *m = load(documents, "name=${node.name} port=${sidecar.ports.admin}\n");

	return site_make(m, node, m->tree, &arena, &diags);
}

#define SIDECAR                                                                                                   \
	"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshSidecar\nmetadata: {name: own}\nspec:\n"                  \
	"  command: [/bin/proxy, '--id=${service.namespace}/${service.name}']\n"                                  \
	"  args: ['${node.address}']\n"                                                                           \
	"  env: {ZONE: '${label:app}', LITERAL: '$${x}'}\n"                                                       \
	"  user: proxy\n  group: 7\n  groups: [ssl, 8]\n  stopSeconds: 3\n  workingDirectory: "                   \
	"/var/${service.name}\n"                                                                                  \
	"  files:\n"                                                                                              \
	"  - {path: '/etc/${service.name}/a.json', source: conf/a.json, mode: '0600', user: root, onChange: "     \
	"none}\n"                                                                                                 \
	"  - {path: /etc/b, source: conf/a.tmpl, template: true}\n"                                               \
	"  - {path: /etc/c, text: '${left.alone}'}\n"                                                             \
	"  readiness: {tcpSocket: {port: admin}, periodSeconds: 2}\n"                                             \
	"  drain: {httpPost: {path: /drain, port: inbound}, command: [x, '${node.name}'], seconds: 4}\n"
#define SERVICE GIVEN_DOCUMENT("MeshService", "web") "spec: {nodes: all, sidecar: own, runAs: {user: web}}\n"

static void test_variables_are_put_into_a_process(void **state)
{
	const struct site *site = site_of(GIVEN_MESH GIVEN_NODE SIDECAR SERVICE, "n1");
	const struct process *p;

	(void)state;
	if (!site)
		fail_msg("%s", given_diags());
	assert_int_equal(site->processes.n, 1);
	p = site->processes.items[0];
	assert_string_equal(p->name, "sidecar-default.web");
	assert_string_equal(p->title, "sidecar of default/web");
	assert_int_equal(p->argv.list.n, 3);
	assert_string_equal(p->argv.list.items[1], "--id=default/web");
	assert_string_equal(p->argv.list.items[2], "10.0.0.1");
	assert_string_equal(labels_get(&p->env, "ZONE"), "web");
	assert_string_equal(labels_get(&p->env, "LITERAL"), "${x}");
	assert_string_equal(p->user.name, "proxy");
	assert_int_equal(p->group.number, 7);
	assert_int_equal(p->groups.n, 2);
	assert_string_equal(p->directory, "/var/web");
	assert_int_equal(p->stop_ms, 3000);
	assert_int_equal(p->readiness.kind, PROBE_TCP);
	assert_int_equal(p->readiness.port, 15000);
	assert_int_equal(p->readiness.period_ms, 2000);
	assert_true(p->drain.post);
	assert_int_equal(p->drain.port, 15006);
	assert_string_equal(p->drain.command.list.items[1], "n1");
	assert_int_equal(p->drain.wait_ms, 4000);
}

static void test_files_have_content_mode_and_owner(void **state)
{
	const struct site *site = site_of(GIVEN_MESH GIVEN_NODE SIDECAR SERVICE, "n1");
	const struct site_file *files;

	(void)state;
	if (!site)
		fail_msg("%s", given_diags());
	files = site->processes.items[0]->files.items;
	assert_int_equal(site->processes.items[0]->files.n, 3);
	assert_string_equal(files[0].path, "/etc/web/a.json");
	assert_string_equal(files[0].content.data, "{}\n");
	assert_int_equal(files[0].mode, 0600);
	assert_string_equal(files[0].user.name, "root");
	assert_int_equal(files[0].group.number, 7); /* that of the process */
	assert_false(files[0].restart_on_change);
	assert_string_equal(files[1].content.data, "name=n1 port=15000\n");
	assert_int_equal(files[1].content.size, strlen(files[1].content.data));
	assert_int_equal(files[1].mode, 0644);
	assert_string_equal(files[1].user.name, "proxy");
	assert_true(files[1].restart_on_change);
	assert_string_equal(files[2].content.data, "${left.alone}"); /* no template */
}

static void test_a_sidecar_without_command_is_run_by_somebody_else(void **state)
{
	const struct site *site =
		site_of(GIVEN_MESH GIVEN_NODE GIVEN_DOCUMENT("MeshSidecar", "own") "spec: {}\n" SERVICE, "n1");

	(void)state;
	assert_int_equal(site->workloads.n, 1);
	assert_null(site->workloads.items[0].process);
	assert_non_null(site->workloads.items[0].sidecar);
	assert_int_equal(site->processes.n, 0);
}

static void test_a_node_has_only_its_own(void **state)
{
	static const char documents[] = GIVEN_MESH GIVEN_NODE GIVEN_DOCUMENT(
		"MeshNode", "n2") "spec: {addresses: [10.0.0.2]}\n" GIVEN_DOCUMENT("MeshService",
		"a") "spec: {nodes: {names: [n1]}}\n" GIVEN_DOCUMENT("MeshComponent",
		"c") "spec: {nodes: {names: [n2]}, command: [x], after: [d]}\n" GIVEN_DOCUMENT("MeshComponent",
		"d") "spec: {nodes: all, command: ['${component.name}']}\n";
	const struct site *one = site_of(documents, "n1"), *two = site_of(documents, "n2");

	(void)state;
	assert_int_equal(one->workloads.n, 1);
	assert_int_equal(one->processes.n, 1);
	assert_string_equal(one->processes.items[0]->argv.list.items[0], "d");
	assert_int_equal(two->workloads.n, 0);
	assert_int_equal(two->processes.n, 2);
	assert_string_equal(two->processes.items[0]->name, "component-d");
	assert_string_equal(two->processes.items[1]->name, "component-c");
	assert_true(two->processes.items[1]->rank > two->processes.items[0]->rank);
}

static void test_a_node_that_is_not_named_gets_nothing(void **state)
{
	const struct model *m = load(GIVEN_MESH GIVEN_NODE, "x");
	static const char *const names[] = { "n2", "N1.example.com", "machine" };

	(void)state;
	for (size_t i = 0; i < array_len(names); i++)
		assert_null(site_make(m, names[i], m->tree, &arena, &diags));
	assert_string_equal(given_diags(),
		"enmesh: error: nothing is done for this node: the source has no MeshNode 'n2', did you mean "
		"'n1'?\n"
		"enmesh: error: nothing is done for this node: the source has no MeshNode 'N1.example.com', did "
		"you mean 'n1'?\n"
		"enmesh: error: nothing is done for this node: the source has no MeshNode 'machine'\n");
}

static void test_the_sources_of_a_node_are_known_before(void **state)
{
	const struct model *m = load(GIVEN_MESH GIVEN_NODE SIDECAR SERVICE, "x");
	struct texts sources = { 0 };

	(void)state;
	assert_true(site_sources(m, "n1", m->tree, &arena, &sources, &diags));
	assert_int_equal(sources.list.n, 2);
	assert_string_equal(sources.list.items[0], "conf/a.json");
	assert_false(site_sources(m, "n9", m->tree, &arena, &sources, &diags));
}

static void test_a_bad_template_is_an_error_where_it_is_named(void **state)
{
	const struct model *m = load(GIVEN_MESH GIVEN_NODE SIDECAR SERVICE, "${node.nam} ${label:zone}");

	(void)state;
	assert_null(site_make(m, "n1", m->tree, &arena, &diags));
	assert_string_equal(given_diags(),
		"mesh.yaml:25:28: error: unknown variable ${node.nam}, did you mean 'node.name'? "
		"(/spec/files/1/source)\n"
		"mesh.yaml:25:28: error: the node 'n1' has no label 'zone' (/spec/files/1/source)\n");
	diags = (struct diags){ .arena = &arena };
	m->tree->files[1].content = (struct bytes){ "a\0b", 3 };
	assert_null(site_make(m, "n1", m->tree, &arena, &diags));
	assert_non_null(
		strstr(given_diags(), "a template must not contain NUL characters (/spec/files/1/source)"));
}

static void test_a_path_that_its_values_make_none_is_an_error(void **state)
{
	static const char documents[] = GIVEN_MESH GIVEN_NODE GIVEN_DOCUMENT("MeshComponent",
		"c") "spec: {nodes: all, command: [x], files: [{path: '/etc/${node.network}', text: x}]}\n";

	(void)state;
	assert_null(site_of(documents, "n1"));
	assert_non_null(strstr(given_diags(), "the path '/etc/' does not name a file (/spec/files/0/path)"));
}

/* ---- accounts ---- */

static struct site *site_with_accounts(void)
{
	const struct model *m =
		load(GIVEN_MESH GIVEN_NODE SIDECAR GIVEN_CAPTURE GIVEN_DOCUMENT("MeshService",
			     "web") "spec: {nodes: all, sidecar: own, runAs: {user: web}, capture: default}\n",
			"x");
	struct site *site = site_make(m, "n1", m->tree, &arena, &diags);

	if (!site)
		fail_msg("%s", given_diags());
	site_facts(site, &arena, &site->facts);
	return site;
}

static struct fact_account *account(struct site *site, const char *name, bool group)
{
	vec_each (a, &site->facts.accounts)
		if (a->group == group && !strcmp(a->name, name))
			return a;
	fail_msg("nobody asks for %s", name);
	return NULL;
}

static void test_every_account_that_is_named_is_looked_up(void **state)
{
	struct site *site = site_with_accounts();

	(void)state;
	account(site, "web", false);
	account(site, "proxy", false);
	account(site, "root", false);
	account(site, "ssl", true);
	assert_int_equal(site->facts.accounts.n, 4); /* each once, and no numbers */
}

static void test_an_account_that_the_machine_lacks(void **state)
{
	struct site *site = site_with_accounts();
	uint32_t number = 0;

	(void)state;
	account(site, "proxy", false)->found = true;
	account(site, "proxy", false)->number = 13;
	assert_true(site_number(site, &site->processes.items[0]->user, false, &number));
	assert_int_equal(number, 13);
	assert_true(site_number(site, &site->processes.items[0]->group, true, &number));
	assert_int_equal(number, 7);
	assert_false(site_number(site, &site->workloads.items[0].service->user, false, &number));
	assert_true(site_check(site, false, &diags)); /* on a laptop names stay names */
	assert_false(site_check(site, true, &diags));
	assert_non_null(strstr(given_diags(), "this machine has no user 'web', which the source names"));
	assert_non_null(strstr(given_diags(), "this machine has no group 'ssl', which the source names"));
}

static void test_two_names_of_one_user_are_a_conflict(void **state)
{
	struct site *site = site_with_accounts();

	(void)state;
	vec_each (a, &site->facts.accounts) {
		a->found = true;
		a->number = 13;
	}
	assert_false(site_check(site, true, &diags));
	assert_string_equal(given_diags(), "mesh.yaml:18:9: error: the sidecar of service default/web and service "
					   "default/web (at mesh.yaml:38:48) run as "
					   "one user, 13, on this machine (/spec/user)\n");
}

/* ---- what the values of variables cannot do ---- */

/* Every value that a variable may have comes from a field that refuses what could end a string, a line or an
 * argument. */
static void test_no_value_can_inject_anything(void **state)
{
	static const char *const evil[] = { "1.1.1.1; add table inet evil", "%n", "$(id)", "a b",
		"a\\n[Service]\\nExecStart=x", "a\\\"b", "a'b", "a\\\\b", "a\\0b", "a/../b", "../..",
		"${node.name}", "a\\tb", "é", "-" };
	static const struct {
		const char *what, *document;
	} fields[] = {
		{ "node.name", "kind: MeshNode\nmetadata: {name: \"%s\"}\nspec: {addresses: [10.0.0.1]}\n" },
		{ "node.address", "kind: MeshNode\nmetadata: {name: x}\nspec: {addresses: [\"%s\"]}\n" },
		{ "node.network",
			"kind: MeshNode\nmetadata: {name: x}\nspec: {addresses: [10.0.0.1], network: \"%s\"}\n" },
		{ "node.locality",
			"kind: MeshNode\nmetadata: {name: x}\nspec: {addresses: [10.0.0.1], locality: \"%s\"}\n" },
		{ "label", "kind: MeshNode\nmetadata: {name: x, labels: {a: \"%s\"}}\nspec: {addresses: "
			   "[10.0.0.1]}\n" },
		{ "mesh.name", "kind: Mesh\nmetadata: {name: \"%s\"}\nspec: {}\n" },
		{ "mesh.id", "kind: Mesh\nmetadata: {name: x}\nspec: {meshId: \"%s\"}\n" },
		{ "mesh.trustDomain", "kind: Mesh\nmetadata: {name: x}\nspec: {trustDomain: \"%s\"}\n" },
		{ "mesh.apiServer", "kind: Mesh\nmetadata: {name: x}\nspec: {controlPlane: {apiServer: {urls: "
				    "[\"https://%s\"]}}}\n" },
		{ "mesh.discovery", "kind: Mesh\nmetadata: {name: x}\nspec: {controlPlane: {discovery: "
				    "{addresses: [\"%s:1\"]}}}\n" },
		{ "mesh.ca",
			"kind: Mesh\nmetadata: {name: x}\nspec: {controlPlane: {ca: {addresses: [\"%s:1\"]}}}\n" },
		{ "mesh.mixer", "kind: Mesh\nmetadata: {name: x}\nspec: {controlPlane: {mixer: {addresses: "
				"[\"%s:1\"]}}}\n" },
		{ "service.name", "kind: MeshService\nmetadata: {name: \"%s\"}\nspec: {nodes: all}\n" },
		{ "service.namespace",
			"kind: MeshService\nmetadata: {name: x, namespace: \"%s\"}\nspec: {nodes: all}\n" },
		{ "service.serviceAccount",
			"kind: MeshService\nmetadata: {name: x}\nspec: {nodes: all, serviceAccount: \"%s\"}\n" },
		{ "sidecar.name", "kind: MeshSidecar\nmetadata: {name: \"%s\"}\nspec: {}\n" },
		{ "component.name",
			"kind: MeshComponent\nmetadata: {name: \"%s\"}\nspec: {nodes: all, command: [x]}\n" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(fields); i++) {
		for (size_t k = 0; k < array_len(evil); k++) {
			const char *percent = strstr(fields[i].document, "%s");
			const char *text = arena_printf(&arena, "apiVersion: enmesh.io/v1alpha1\n%.*s%s%s",
				(int)(percent - fields[i].document), fields[i].document, evil[k], percent + 2);
			struct config config = { 0 };

			if (config_read(tree_of(text, "x"), &arena, &config, &diags))
				fail_msg("%s may be \"%s\"", fields[i].what, evil[k]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_variables_are_put_into_a_process),
		given_test(test_files_have_content_mode_and_owner),
		given_test(test_a_sidecar_without_command_is_run_by_somebody_else),
		given_test(test_a_node_has_only_its_own),
		given_test(test_a_node_that_is_not_named_gets_nothing),
		given_test(test_the_sources_of_a_node_are_known_before),
		given_test(test_a_bad_template_is_an_error_where_it_is_named),
		given_test(test_a_path_that_its_values_make_none_is_an_error),
		given_test(test_every_account_that_is_named_is_looked_up),
		given_test(test_an_account_that_the_machine_lacks),
		given_test(test_two_names_of_one_user_are_a_conflict),
		given_test(test_no_value_can_inject_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
