/* The source that arguments and settings name, with all that is needed to get at it. */
#ifndef CLI_SETTINGS_SOURCE_H
#define CLI_SETTINGS_SOURCE_H

#include "cli/settings.h"

/* `spec`: of the settings file, or NULL. Sets `source`, `git` and `remote`. Not CODE_OK: an error was added. */
enum code settings_find_source(struct session *s, const struct node *spec, struct settings *out);

#endif
