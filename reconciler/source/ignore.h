/*
 * Patterns of .enmeshignore, with the meaning of gitignore(5): comments, `!`, `/` at the beginning, in the middle
 * and at the end, `*`, `?`, `[…]`, `**`. Pure.
 */
#ifndef SOURCE_IGNORE_H
#define SOURCE_IGNORE_H

#include "base/file.h"
#include "base/vec.h"

struct ignore_pattern {
	const char *glob;
	bool negated, anchored, directories_only;
};

struct ignore {
	vec_of(struct ignore_pattern) patterns;
};

void ignore_parse(const struct bytes *text, struct arena *a, struct ignore *out);
/* The last pattern that matches decides. A path in an ignored directory must not be asked for: it is ignored. */
bool ignore_matches(const struct ignore *ignore, const char *path, bool directory);

#endif
