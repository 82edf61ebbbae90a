/*
 * The documents of a revision, kept for the next pass of a process that makes many: what did not change is not
 * read again (config_read_like).
 */
#ifndef CONFIG_KEEP_H
#define CONFIG_KEEP_H

#include "config/config.h"

struct config_kept {
	struct arena arena;
	struct config *config; /* NULL: nothing is kept */
	const struct config
		*latest; /* what the last pass has read, in that pass's memory; NULL: it is not valid */
};

/*
 * Keeps a copy of `latest` in memory of its own; if all of it was shared with what is kept already, that stays.
 * Otherwise what was kept before is released: nothing that shares with it may be used after this, messages
 * included.
 */
void config_keep(struct config_kept *kept);
void config_kept_finish(struct config_kept *kept);

#endif
