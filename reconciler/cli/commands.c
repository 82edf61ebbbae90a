#include <string.h>

#include "cli/command.h"

extern const struct command command_init, command_validate, command_render, command_diff, command_apply,
	command_run, command_trace, command_verify, command_status, command_bundle, command_import,
	command_cleanup, command_help;

/* In the order in which people meet them. */
const struct command *const commands_all[] = {
	&command_init,
	&command_validate,
	&command_render,
	&command_diff,
	&command_apply,
	&command_run,
	&command_trace,
	&command_verify,
	&command_status,
	&command_bundle,
	&command_import,
	&command_cleanup,
	&command_help,
	NULL,
};

const struct command *command_find(const char *name)
{
	for (const struct command *const *c = commands_all; *c; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}
