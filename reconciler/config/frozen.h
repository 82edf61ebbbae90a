/*
 * The documents of a valid revision as bytes, and back: so that a program that makes one pass and ends does not
 * read YAML again that did not change (config_read_like). Pure. What is thawed points into the bytes.
 *
 * The form is this program's own: `maker` says which one it was, and nobody else's bytes are taken.
 */
#ifndef CONFIG_FROZEN_H
#define CONFIG_FROZEN_H

#include "config/config.h"

struct bytes config_freeze(const struct config *config, const char *maker, struct arena *a);

/*
 * `tree`: of which the documents were read. False: the bytes are of another maker or tree, or damaged. Documents
 * that somebody has changed are not told from those that were read: the bytes must be where nobody else can write.
 */
bool config_thaw(const struct bytes *frozen, const char *maker, const struct tree *tree, struct arena *a,
	struct config *out);

#endif
