#include "cli/help.h"
#include "cli/output.h"

static enum code run_help(struct session *s)
{
	const char *name = s->args.operands.list.n ? s->args.operands.list.items[0] : NULL;
	const struct command *c = name ? command_find(name) : NULL;

	if (name && !c) {
		diag_failure(s->diags, "unknown command '%s'; 'enmesh help' lists the commands", name);
		return CODE_USAGE;
	}
	return output_text(s, c ? help_command(c, s->arena) : help_overview(s->arena)) ? CODE_OK : CODE_ERROR;
}

const struct command command_help = {
	.name = "help",
	.operands = "[COMMAND]",
	.max_operands = 1,
	.summary = "show the commands, or what one of them does",
	.description = "The same texts are in the manual pages: enmesh(1), enmesh-COMMAND(1).",
	.tables = { opts_general },
	.codes = { { CODE_OK, "shown" }, { CODE_USAGE, "there is no such command" } },
	.run = run_help,
};
