/* A pass as a command makes it: signals, lock, progress, reports, status, exit code. */
#ifndef CLI_CONVERGE_H
#define CLI_CONVERGE_H

#include "cli/settings.h"

struct converging {
	bool cleanup, dry_run;
	bool holds; /* more passes follow: what is in place is not told, and kept (host.holds) */
};

/* Effect: all that a pass does, and prints. */
enum code converge(struct session *s, const struct converging *how);

#endif
