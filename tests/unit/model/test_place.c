#include "model/place.h"

#include "given.h"

#define NODE(name, labels, address)                                                                               \
	"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {name: " name ", labels: {" labels        \
	"}}\nspec: {addresses: [" address "]}\n"
#define NODES                                                                                                     \
	GIVEN_MESH NODE("a", "app: web, zone: z1", "10.0.0.1") NODE("b", "app: web, zone: z2", "10.0.0.2")        \
		NODE("c", "app: db", "10.0.0.3") NODE("d", "", "10.0.0.4")

/* "a b": the nodes of the service s. */
static const char *nodes_of(const char *selector)
{
	const struct model *m = given_model(arena_printf(
		&arena, "%s" GIVEN_DOCUMENT("MeshService", "s") "spec: {nodes: %s}\n", NODES, selector));
	const char *names = "";

	if (!m)
		fail_msg("%s", given_diags());
	vec_each (node, &m->nodes) {
		struct placed placed = place_of(m, node);

		assert_int_equal(placed.n_services, selector_matches(&m->services.items[0].nodes, node));
		if (placed.n_services)
			names = arena_printf(&arena, "%s%s%s", names, *names ? " " : "", node->name);
	}
	return names;
}

static void test_selectors(void **state)
{
	static const struct {
		const char *selector, *nodes;
	} rows[] = {
		{ "all", "a b c d" },
		{ "{names: [c, a]}", "a c" },
		{ "{matchLabels: {app: web}}", "a b" },
		{ "{matchLabels: {app: web, zone: z2}}", "b" },
		{ "{matchLabels: {app: web}, names: [b, c]}", "b" },
		{ "{matchExpressions: [{key: app, operator: In, values: [db, web]}]}", "a b c" },
		{ "{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}",
			"c d" }, /* as with Kubernetes */
		{ "{matchExpressions: [{key: zone, operator: Exists}]}", "a b" },
		{ "{matchExpressions: [{key: zone, operator: DoesNotExist}]}", "c d" },
		{ "{matchExpressions: [{key: zone, operator: Exists}, {key: zone, operator: NotIn, values: "
		  "[z1]}]}",
			"b" },
		{ "{matchLabels: {app: web}, matchExpressions: [{key: zone, operator: In, values: [z1, z3]}]}",
			"a" },
		{ "{matchLabels: {app: nothing}}", "" },
		{ "{matchLabels: {app: web, zone: z3}}", "" },
		{ "{names: [d], matchLabels: {app: web}}", "" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++)
		assert_string_equal(nodes_of(rows[i].selector), rows[i].nodes);
}

static void test_services_and_components_come_in_their_order(void **state)
{
	const struct model *m =
		given_model(NODES GIVEN_DOCUMENT("MeshService", "z") "spec: {nodes: all}\n" GIVEN_DOCUMENT(
			"MeshService", "a") "spec: {nodes: all}\n" GIVEN_DOCUMENT("MeshComponent",
			"a") "spec: {nodes: all, command: [x], after: [m]}\n" GIVEN_DOCUMENT("MeshComponent",
			"m") "spec: {nodes: all, command: [x], after: [z]}\n" GIVEN_DOCUMENT("MeshComponent",
			"z") "spec: {nodes: all, command: [x]}\n" GIVEN_DOCUMENT("MeshComponent",
			"b") "spec: {nodes: {names: [a]}, command: [x]}\n");
	struct placed placed;

	(void)state;
	if (!m)
		fail_msg("%s", given_diags());
	placed = place_of(m, model_find_node(m, "a"));
	assert_int_equal(placed.n_services, 2);
	assert_string_equal(placed.services[0]->name, "a");
	assert_string_equal(placed.services[1]->name, "z");
	assert_int_equal(placed.n_components, 4);
	assert_string_equal(placed.components[0]->name, "b");
	assert_string_equal(placed.components[1]->name, "z");
	assert_string_equal(placed.components[2]->name, "m");
	assert_string_equal(placed.components[3]->name, "a");
	assert_true(placed.components[3]->rank > placed.components[2]->rank);
	assert_int_equal(place_of(m, model_find_node(m, "d")).n_components, 3);
}

/* Against the plain way of asking each selector about each node. */
static void test_random_selectors_place_as_they_match(void **state)
{
	struct str text = { .arena = &arena };
	const struct model *m;

	(void)state;
	str_add(&text, GIVEN_MESH);
	for (int i = 0; i < 60; i++) {
		str_printf(&text,
			"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {name: n%d, labels: {", i);
		for (unsigned k = 0; k < 3; k++)
			if (given_any(2))
				str_printf(&text, "l%u: v%u, ", k, given_any(3));
		str_printf(&text, "}}\nspec: {addresses: [10.0.0.%d]}\n", i);
	}
	for (int i = 0; i < 60; i++) {
		str_printf(&text, GIVEN_DOCUMENT("MeshService", "s%d") "spec: {nodes: ", i);
		switch (given_any(4)) {
		case 0:
			str_printf(&text, "{matchLabels: {l%u: v%u, l%u: v%u}}", 0U, given_any(3),
				1 + given_any(2), given_any(3));
			break;
		case 1:
			str_printf(&text, "{matchExpressions: [{key: l%u, operator: %s, values: [v0, v%u]}]}",
				given_any(3), given_any(2) ? "In" : "NotIn", given_any(3));
			break;
		case 2:
			str_printf(&text, "{names: [n%u, n%u], matchLabels: {l%u: v%u}}", given_any(30),
				30 + given_any(30), given_any(3), given_any(3));
			break;
		default:
			str_printf(&text,
				"{matchLabels: {l%u: v%u}, matchExpressions: [{key: l%u, operator: Exists}]}",
				given_any(3), given_any(3), given_any(3));
		}
		str_add(&text, "}\n");
	}
	m = given_model(str_text(&text));
	if (!m)
		fail_msg("%s", given_diags());
	vec_each (node, &m->nodes) {
		struct placed placed = place_of(m, node);
		size_t next = 0;

		vec_each (s, &m->services) {
			bool is_placed = next < placed.n_services && placed.services[next] == s;

			assert_int_equal(is_placed, selector_matches(&s->nodes, node));
			next += is_placed;
		}
		assert_int_equal(next, placed.n_services);
	}
}

static void test_the_number_of_matches_is_limited(void **state)
{
	struct str text = { .arena = &arena };

	(void)state;
	str_add(&text, GIVEN_MESH);
	for (int i = 0; i < 2001; i++)
		str_printf(&text, GIVEN_DOCUMENT("MeshNode", "n%d") "spec: {addresses: [10.0.0.1]}\n", i);
	for (int i = 0; i < 1000; i++)
		str_printf(&text, GIVEN_DOCUMENT("MeshService", "s%d") "spec: {nodes: all}\n", i);
	assert_null(given_model(str_text(&text)));
	assert_non_null(strstr(
		given_diags(), "the services and components of this source are on more than 2000000 nodes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_selectors),
		given_test(test_services_and_components_come_in_their_order),
		given_test(test_random_selectors_place_as_they_match),
		given_test(test_the_number_of_matches_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
