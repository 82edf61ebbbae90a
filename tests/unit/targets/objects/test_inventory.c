#include "objects_case.h"

#include <string.h>

#include "base/json.h"
#include "targets/objects/inventory.h"
#include "targets/objects/shape.h"

/* The value that KEP-3659's own recipe (sha256 and base64 of the command line) gives. */
static void test_the_id_is_that_of_the_specification(void **state)
{
	(void)state;
	assert_string_equal(inventory_set_id("istio-system", "enmesh-mesh-demo", &arena),
		"applyset-QGY7iEEw12hLIVbR2ZVKsLBR5nbcLfsRwa-itMQJ2g0-v1");
}

static const struct node *parent_of(struct state *live)
{
	return inventory_parent(&live->sets.items[0], &live->sets.items[0].inventory, &arena);
}

static void add(
	struct state *live, const char *group, const char *kind, const char *ns, const char *name, const char *uid)
{
	struct inventory *inventory = &live->sets.items[0].inventory;

	*vec_push(&arena, &inventory->members) = (struct member){ { group, kind, ns, name }, uid };
	inventory_sort(inventory);
}

static struct state *mixed(void)
{
	struct state *live = case_live();

	add(live, "networking.istio.io", "ServiceEntry", "b", "two", "uid-2");
	add(live, "", "Namespace", "", "b", "uid-3");
	add(live, "networking.istio.io", "ServiceEntry", "a", "one", NULL);
	add(live, "networking.istio.io", "ServiceEntry", "ns", "here", "uid-4");
	add(live, "", "ServiceAccount", "b", "two", "uid-5");
	return live;
}

static void test_a_parent_says_what_the_specification_asks_for(void **state)
{
	const char *parent = json_write(parent_of(mixed()), JSON_ONE_LINE, &arena);
	const char *expected = arena_printf(&arena,
		"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"enmesh-mesh-m\","
		"\"namespace\":\"ns\","
		"\"labels\":{\"applyset.kubernetes.io/id\":\"%s\"},"
		"\"annotations\":{\"applyset.kubernetes.io/tooling\":\"enmesh/v1\","
		"\"applyset.kubernetes.io/contains-group-kinds\":\"Namespace,ServiceAccount,"
		"ServiceEntry.networking.istio.io\","
		"\"applyset.kubernetes.io/additional-namespaces\":\"a,b\"}},"
		"\"data\":{\"Namespace\":\"b uid-3\\n\",\"ServiceAccount\":\"b/two uid-5\\n\","
		"\"ServiceEntry.networking.istio.io\":\"a/one -\\nb/two uid-2\\nns/here uid-4\\n\"}}",
		inventory_set_id("ns", "enmesh-mesh-m", &arena));

	(void)state;
	assert_string_equal(parent, expected);
}

static void test_an_inventory_that_is_written_reads_back_equal(void **state)
{
	struct state *live = mixed();
	const struct inventory *was = &live->sets.items[0].inventory;
	struct inventory is = { 0 };

	(void)state;
	inventory_read(parent_of(live), &arena, &is);
	assert_int_equal(is.members.n, was->members.n);
	for (size_t i = 0; i < is.members.n; i++) {
		assert_int_equal(object_compare(&is.members.items[i].id, &was->members.items[i].id), 0);
		if (was->members.items[i].uid)
			assert_string_equal(is.members.items[i].uid, was->members.items[i].uid);
		else
			assert_null(is.members.items[i].uid);
	}
}

static void test_rubbish_in_an_inventory_is_no_member(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"data\":null}",
		"{\"data\":[1]}",
		"{\"data\":{\"A.b\":7}}",
		"{\"data\":{\"A.b\":\"\"}}",
		"{\"data\":{\"A.b\":\"\\n\\n\"}}",
		"{\"data\":{\"A.b\":\"name\"}}",
		"{\"data\":{\"A.b\":\"name \"}}",
		"{\"data\":{\"A.b\":\" uid\"}}",
		"{\"data\":{\"A.b\":\"ns/ uid\"}}",
		"{\"data\":{\"A.b\":\"name u/id x\"}}",
		"{\"data\":{\"A.b\":\"ns/name uid more\\n\"}}",
	};

	(void)state;
	for (size_t i = 0; i < array_len(texts); i++) {
		struct inventory is = { 0 };

		inventory_read(case_json(texts[i]), &arena, &is);
		if (is.members.n)
			fail_msg("%s", texts[i]);
	}
}

static void test_a_parent_agrees_with_its_members_and_nothing_else(void **state)
{
	struct state *live = case_live();
	struct applyset *set = &live->sets.items[0];
	struct inventory other = { 0 };

	(void)state;
	case_member(live, "a", "uid-a");
	case_member(live, "b", "uid-b");
	set->parent = parent_of(live);
	assert_true(inventory_agrees(set, &set->inventory, &arena));
	assert_false(inventory_agrees(set, &other, &arena));
	inventory_read(set->parent, &arena, &other);
	other.members.items[1].uid = "uid-c";
	assert_false(inventory_agrees(set, &other, &arena));
	other.members.items[1].uid = NULL;
	assert_false(inventory_agrees(set, &other, &arena));
	/* The label that makes it a parent, or an annotation that others go by, is gone. */
	set->parent = shape_with_label(set->parent, LABEL_SET_ID, "other", &arena);
	assert_false(inventory_agrees(set, &set->inventory, &arena));
	set->parent =
		case_json("{\"data\":{\"WorkloadEntry.networking.istio.io\":\"ns/a uid-a\\nns/b uid-b\\n\"}}");
	assert_false(inventory_agrees(set, &set->inventory, &arena));
}

static void test_a_parent_of_another_tool_is_known(void **state)
{
	(void)state;
	assert_string_equal(inventory_foreign_tool(
				    case_json("{\"metadata\":{\"annotations\":{\"applyset.kubernetes.io/tooling\":"
					      "\"kubectl/v1.27\"}}}")),
		"kubectl/v1.27");
	assert_null(inventory_foreign_tool(parent_of(case_live())));
	assert_null(inventory_foreign_tool(case_json("{}")));
}

static void test_members_now_and_then(void **state)
{
	struct state *live = case_live();
	struct inventory now = { 0 }, then = { 0 };

	(void)state;
	case_object(live, "kept", FATE_KEEP, "u1");
	case_object(live, "new", FATE_APPLY, NULL);
	case_object(live, "refused", FATE_REFUSED, "u2");
	case_object(live, "refused-new", FATE_REFUSED, NULL);
	case_object(live, "pruned", FATE_PRUNE, "u3");
	case_object(live, "theirs", FATE_KEEP, "u4")->labelled = SET_NONE;
	case_object(live, "adopted", FATE_APPLY, "u5")->labelled = SET_NONE;
	inventory_now(live, 0, &arena, &now);
	inventory_then(live, 0, &arena, &then);
	assert_int_equal(now.members.n, 3);
	assert_string_equal(now.members.items[0].id.name, "kept");
	assert_string_equal(now.members.items[1].id.name, "pruned");
	assert_string_equal(now.members.items[2].id.name, "refused");
	assert_int_equal(then.members.n, 4);
	assert_string_equal(then.members.items[0].id.name, "adopted");
	assert_string_equal(then.members.items[1].id.name, "kept");
	assert_string_equal(then.members.items[2].id.name, "new");
	assert_null(then.members.items[2].uid);
	assert_string_equal(then.members.items[3].id.name, "refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_id_is_that_of_the_specification, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_a_parent_says_what_the_specification_asks_for, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_an_inventory_that_is_written_reads_back_equal, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_rubbish_in_an_inventory_is_no_member, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_a_parent_agrees_with_its_members_and_nothing_else, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_a_parent_of_another_tool_is_known, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_members_now_and_then, case_start, case_finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
