/* What must hold of every command's tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/str.h"
#include "cli/generate.h"
#include "cli/help.h"
#include "config/embedded.h"

#define each_command(c) for (const struct command *const *c = commands_all; *c; c++)

static struct arena arena;

static int finish(void **state)
{
	(void)state;
	arena_finish(&arena);
	return 0;
}

static void test_tables_end(void **state)
{
	(void)state;
	each_command(c)
	{
		assert_null((*c)->tables[array_len((*c)->tables) - 1]);
		assert_null((*c)->codes[array_len((*c)->codes) - 1].meaning);
	}
}

static void test_no_option_is_in_a_command_twice(void **state)
{
	(void)state;
	each_command(c)
	{
		vec_of(const struct opt *) seen = { 0 };

		for (const struct opt *const *table = (*c)->tables; *table; table++) {
			for (const struct opt *o = *table; o->name; o++) {
				vec_each (other, &seen) {
					assert_string_not_equal((*other)->name, o->name);
					assert_true(!o->letter || (*other)->letter != o->letter);
				}
				*vec_push(&arena, &seen) = o;
			}
		}
	}
}

static void test_every_command_has_help_and_a_manual_page(void **state)
{
	(void)state;
	each_command(c)
	{
		const char *help = help_command(*c, &arena), *page;

		page = manual_page(arena_printf(&arena, "enmesh-%s", (*c)->name), &arena);
		assert_non_null(page);
		assert_true(str_starts(help, arena_printf(&arena, "Usage: enmesh %s", (*c)->name)));
		for (const struct opt *const *table = (*c)->tables; *table; table++) {
			for (const struct opt *o = *table; o->name; o++) {
				assert_non_null(strstr(help, help_option(o, &arena)));
				assert_non_null(strstr(page, arena_printf(&arena, "Fl -%s", o->name)));
			}
		}
		assert_non_null(strstr(help_overview(&arena), arena_printf(&arena, "\n  %s ", (*c)->name)));
	}
	assert_null(manual_page("enmesh-nonsense", &arena));
}

static void test_help_is_no_wider_than_a_terminal(void **state)
{
	(void)state;
	each_command(c)
	{
		for (char *line = strtok(arena_strdup(&arena, help_command(*c, &arena)), "\n"); line;
			line = strtok(NULL, "\n"))
			assert_true(strlen(line) <= HELP_WIDTH);
	}
}

static void test_exit_codes_are_listed_once_and_usage_is_among_them(void **state)
{
	(void)state;
	each_command(c)
	{
		enum code last = CODE_OK;

		assert_int_equal((*c)->codes[0].code, CODE_OK);
		for (const struct code_meaning *m = (*c)->codes + 1; m->meaning; m++) {
			assert_true(m->code > last);
			last = m->code;
		}
		assert_int_equal(last, CODE_USAGE);
	}
}

static void test_completions_name_every_command(void **state)
{
	static const char *const shells[] = { "bash", "zsh", "fish" };

	(void)state;
	for (size_t i = 0; i < array_len(shells); i++) {
		const char *text = completion(shells[i], &arena);

		assert_non_null(text);
		each_command(c) assert_non_null(strstr(text, (*c)->name));
	}
	assert_null(completion("tcsh", &arena));
}

static void test_every_setting_has_a_flag(void **state)
{
	static const char *const flags[] = { "node", "state-dir", "run-dir", "cgroup", "timeout", "interval",
		"api-token-file", "api-cert-file", "api-key-file", "api-ca-file" };
	const struct node *settings = node_path(
		node_get(&embedded_schemas, "AgentConfig.schema.json"), "properties", "spec", "properties", NULL);
	const char *help = help_command(command_find("run"), &arena);

	(void)state;
	for (size_t i = 0; i < array_len(flags); i++)
		assert_non_null(strstr(help, arena_printf(&arena, "--%s=", flags[i])));
	/* A further field of AgentConfig needs a further flag: source is the operand, apiServer holds four. */
	assert_int_equal(settings->n, array_len(flags) - 4 + 2);
	assert_int_equal(node_path(settings, "apiServer", "properties", NULL)->n, 4);
}

static void test_manual_escapes_what_roff_would_take(void **state)
{
	struct str out = { .arena = &arena };

	(void)state;
	mdoc_text(&out, ".start with a \\ and \"quotes\". 'Second' sentence");
	assert_string_equal(str_text(&out), "\\&.start with a \\e and \\(dqquotes\\(dq.\n\\&'Second' sentence\n");
	assert_string_equal(mdoc_word("Nm", &arena), "\\&Nm");
}

#define TEST(f) cmocka_unit_test_teardown(f, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tables_end),
		TEST(test_no_option_is_in_a_command_twice),
		TEST(test_every_command_has_help_and_a_manual_page),
		TEST(test_help_is_no_wider_than_a_terminal),
		TEST(test_exit_codes_are_listed_once_and_usage_is_among_them),
		TEST(test_completions_name_every_command),
		TEST(test_every_setting_has_a_flag),
		TEST(test_manual_escapes_what_roff_would_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
