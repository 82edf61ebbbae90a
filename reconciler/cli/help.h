/* Help texts, made from the tables of commands and options. Pure. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/command.h"

enum { HELP_WIDTH = 80 };

/* `enmesh help`: the commands. */
const char *help_overview(struct arena *a);
/* `enmesh help COMMAND`. */
const char *help_command(const struct command *c, struct arena *a);
/* "enmesh diff [OPTIONS] [SOURCE]" */
const char *help_usage(const struct command *c, struct arena *a);
/* "-o, --output=FORMAT", as --help shows an option. */
const char *help_option(const struct opt *o, struct arena *a);

#endif
