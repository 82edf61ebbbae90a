#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/output.h"

static const struct opt opts_main[] = {
	OPT_FLAG(0, "version", struct arguments, version, "show the version"),
	{ 0 },
};

static const struct arguments defaults = { .wait = true,
	.prune = true,
	.diff_exit_code = CODE_DIFFERENT,
	.timeout_ms = -1,
	.interval_ms = -1,
	.git.timeout_ms = -1 };

static const struct command *unknown_command(struct session *s, const char *name)
{
	vec_of(const char *) names = { 0 };
	const char *nearest;

	for (const struct command *const *c = commands_all; *c; c++)
		*vec_push(s->arena, &names) = (*c)->name;
	nearest = str_nearest(name, names.items, names.n);
	if (nearest)
		diag_failure(s->diags, "unknown command '%s', did you mean '%s'?", name, nearest);
	else
		diag_failure(s->diags, "unknown command '%s'; 'enmesh help' lists the commands", name);
	return NULL;
}

static bool check_operands(struct session *s)
{
	const struct command *c = s->command;
	size_t n = s->args.operands.list.n;

	if (n < c->min_operands)
		return diag_failure(s->diags, "%s needs an operand: %s", c->name, help_usage(c, s->arena));
	if (n > c->max_operands)
		return diag_failure(s->diags, "'%s' is one operand too many: %s",
			s->args.operands.list.items[c->max_operands], help_usage(c, s->arena));
	return true;
}

static enum code run_command(struct session *s, char **argv, int n)
{
	if (options_parse(s->command->tables, argv, n, false, &s->args, &s->args.operands, s->arena, s->diags) < 0)
		return CODE_USAGE;
	if (s->args.help)
		return output_text(s, help_command(s->command, s->arena)) ? CODE_OK : CODE_ERROR;
	return check_operands(s) ? s->command->run(s) : CODE_USAGE;
}

static enum code run(struct session *s, int argc, char **argv)
{
	static const struct opt *const tables[] = { opts_main, opts_general, NULL };
	int at = options_parse(tables, argv + 1, argc - 1, true, &s->args, NULL, s->arena, s->diags) + 1;

	if (!at)
		return CODE_USAGE;
	if (s->args.version)
		return output_text(s, arena_printf(s->arena, "enmesh %s\n", version_text)) ? CODE_OK : CODE_ERROR;
	if (at >= argc) {
		if (!s->args.help)
			diag_failure(s->diags, "no command was given; 'enmesh help' lists the commands");
		else
			output_text(s, help_overview(s->arena));
		return s->args.help ? CODE_OK : CODE_USAGE;
	}
	s->command = command_find(argv[at]);
	if (!s->command)
		s->command = unknown_command(s, argv[at]);
	return s->command ? run_command(s, argv + at + 1, argc - at - 1) : CODE_USAGE;
}

int main(int argc, char **argv)
{
	struct arena arena = { 0 };
	struct diags diags = { .arena = &arena };
	struct session s = { .arena = &arena, .diags = &diags, .args = defaults };
	enum code code = run(&s, argc, argv);

	diag_sort(&diags);
	output_diags(&diags, &arena);
	arena_finish(&arena);
	return (int)(code == CODE_OK && diags.errors ? CODE_ERROR : code);
}
