#include "case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/json.h"

static struct made plain, other;

static int set_up(void **state)
{
	(void)state;
	made_init(&plain);
	made_init(&other);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_finish(&plain.arena);
	arena_finish(&other.arena);
	return 0;
}

static const char *digest(struct made *m)
{
	return made_desire(m)->units.items[0].digest;
}

static void expect_alike(void)
{
	assert_string_equal(digest(&plain), digest(&other));
}

static void expect_different(void)
{
	assert_string_not_equal(digest(&plain), digest(&other));
}

/* If this fails, every process on every node restarts with the next version of enmesh. */
static void test_the_digest_is_what_it_was_in_earlier_versions(void **state)
{
	(void)state;
	assert_string_equal(digest(&plain), "8bd5b6d955f1cc5cf76590f1744a49d1c5d72854482d52ad87aad634a5f83060");
}

static void test_order_of_variables_and_groups_means_nothing(void **state)
{
	(void)state;
	made_env(&plain, "A", "1");
	other.process.env.list.n = 0;
	made_env(&other, "A", "1");
	made_env(&other, "B", "2");
	made_group(&plain, 7);
	made_group(&plain, 5);
	made_group(&other, 5);
	made_group(&other, 7);
	expect_alike();
}

static void test_arguments_are_kept_apart(void **state)
{
	(void)state;
	made_arg(&plain, "ab");
	made_arg(&plain, "c");
	made_arg(&other, "a");
	made_arg(&other, "bc");
	expect_different();
}

static void test_an_argument_is_no_variable(void **state)
{
	(void)state;
	made_arg(&plain, "env");
	made_env(&other, "env", "");
	expect_different();
}

static void test_user_and_directory_belong_to_the_identity(void **state)
{
	(void)state;
	other.process.user.number = 1338;
	expect_different();
	other.process.user.number = 1337;
	expect_alike();
	other.process.directory = "/tmp";
	expect_different();
}

static void test_a_file_that_restarts_belongs_to_the_identity(void **state)
{
	(void)state;
	other.process.files.items[0].content = (struct bytes){ "two\n", 4 };
	expect_different();
	other.process.files.items[0].content = plain.process.files.items[0].content;
	other.process.files.items[0].mode = 0600;
	expect_different();
}

static void test_a_file_that_does_not_restart_does_not(void **state)
{
	(void)state;
	made_file(&other, "/etc/other", "x")->restart_on_change = false;
	expect_alike();
}

static void test_how_it_ends_and_becomes_ready_does_not_restart_it(void **state)
{
	(void)state;
	other.process.stop_ms = 60000;
	other.process.drain.wait_ms = 5000;
	other.process.readiness.kind = PROBE_TCP;
	expect_alike();
	assert_string_not_equal(
		made_desire(&plain)->units.items[0].record, made_desire(&other)->units.items[0].record);
}

static void test_a_number_without_a_group_has_its_own_or_that_number(void **state)
{
	const struct unit *u = made_desire(&plain)->units.items;

	(void)state;
	assert_true(u->group.known);
	assert_int_equal(u->group.number, 1337);
	*vec_push(&other.arena, &other.site.facts.users) =
		(struct fact_user){ .number = 1337, .found = true, .primary_group = 50 };
	u = made_desire(&other)->units.items;
	assert_int_equal(u->group.number, 50);
}

static void test_names_that_the_machine_lacks_stay_names(void **state)
{
	static const struct node anywhere;
	const struct state *s;

	(void)state;
	other.process.user = (struct account){ .name = "proxy", .node = &anywhere };
	s = made_desire(&other);
	assert_false(s->units.items[0].user.known);
	assert_string_equal(node_get_text(s->units.items[0].spec, "user"), "proxy");
	assert_string_equal(node_get_text(s->units.items[0].spec, "group"), "that of the user");
	*vec_push(&other.arena, &other.site.facts.accounts) =
		(struct fact_account){ .name = "proxy", .found = true, .number = 13, .primary_group = 14 };
	s = made_desire(&other);
	assert_string_equal(node_get_text(s->units.items[0].spec, "user"), "13 (proxy)");
	assert_int_equal(node_get_int(s->units.items[0].spec, "group", -1), 14);
}

static void test_content_is_shown_only_if_all_may_read_it_and_it_is_text(void **state)
{
	const struct state *s;

	(void)state;
	made_file(&plain, "/a", "caf\xc3\xa9\n");
	made_file(&plain, "/b", "secret")->mode = 0640;
	made_file(&plain, "/c", "\x1b[31mred");
	made_file(&plain, "/d", "\xff\xfe");
	s = made_desire(&plain);
	assert_string_equal(
		node_get_text(print_file(state_file(s, "/a"), &plain.arena), "content"), "caf\xc3\xa9\n");
	for (const char *path = "/b"; path; path = !strcmp(path, "/b")   ? "/c"
						   : !strcmp(path, "/c") ? "/d"
									 : NULL) {
		const char *shown = node_get_text(print_file(state_file(s, path), &plain.arena), "content");

		assert_memory_equal(shown, "sha256:", 7);
		assert_non_null(strstr(shown, " bytes)"));
	}
}

static void test_no_site_wants_nothing(void **state)
{
	const struct state *s = processes_desire(NULL, &plain.arena);

	(void)state;
	assert_int_equal(s->units.n, 0);
	assert_int_equal(s->files.n, 0);
}

static void test_render_shows_it_all(void **state)
{
	const struct node *root;

	(void)state;
	plain.process.readiness =
		(struct probe){ .kind = PROBE_HTTP, .host = "127.0.0.1", .port = 2379, .path = "/health" };
	root = processes_describe(made_desire(&plain), &plain.arena);
	assert_string_equal(json_write(root, JSON_ONE_LINE, &plain.arena),
		"{\"files\":{\"/etc/"
		"etcd.conf\":{\"mode\":\"0644\",\"user\":1337,\"group\":1337,\"content\":\"one\\n\"}},\"pr"
		"ocesses\":{\"component-etcd\":{\"command\":[\"etcd\",\"--name=a\"],\"env\":{\"B\":\"2\"},"
		"\"user\":1337,\"gro"
		"up\":1337,\"workingDirectory\":\"/\",\"files\":{\"/etc/"
		"etcd.conf\":\"sha256:2c8b08da5ce60398e1f19af0"
		"e5dccc744df274b826abe585eaba68c525434806\"},\"stopSeconds\":10,\"readiness\":\"http://127.0.0.1:"
		"2379/health\"}}}");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_the_digest_is_what_it_was_in_earlier_versions),
		TEST(test_order_of_variables_and_groups_means_nothing),
		TEST(test_arguments_are_kept_apart),
		TEST(test_an_argument_is_no_variable),
		TEST(test_user_and_directory_belong_to_the_identity),
		TEST(test_a_file_that_restarts_belongs_to_the_identity),
		TEST(test_a_file_that_does_not_restart_does_not),
		TEST(test_how_it_ends_and_becomes_ready_does_not_restart_it),
		TEST(test_a_number_without_a_group_has_its_own_or_that_number),
		TEST(test_names_that_the_machine_lacks_stay_names),
		TEST(test_content_is_shown_only_if_all_may_read_it_and_it_is_text),
		TEST(test_no_site_wants_nothing),
		TEST(test_render_shows_it_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
