/* `enmesh diff SOURCE --from REV [--to REV]`. */
#ifndef CLI_COMPARE_H
#define CLI_COMPARE_H

#include "cli/command.h"

enum code compare(struct session *s);

#endif
