/* A pass as a command makes it: signals, lock, progress, reports, status, exit code. */
#ifndef CLI_CONVERGE_H
#define CLI_CONVERGE_H

#include "cli/settings.h"
#include "config/keep.h"

struct converging {
	bool cleanup, dry_run;
	bool good_first; /* the last good revision will do, if there is one: nobody is asked for a newer one */
	struct config_kept *kept; /* between passes; NULL: nothing is kept */
	bool (*stopped)(void);    /* NULL: signals_stopped */
	bool holds;               /* more passes follow: what is in place is not told, and kept (host.holds) */
};

/* Effect: all that a pass does, and prints. */
enum code converge(struct session *s, const struct converging *how);

#endif
