/*
 * Patterns of .enmeshignore, with the meaning of gitignore(5): comments, `!`, `/` at the beginning, in the middle
 * and at the end, `*`, `?`, `[…]`, `**`. Pure. The one known difference: Git takes a `**` for one between slashes
 * if all that precedes it in the pattern is literal ("a**" + "/b"); here it is then two `*`.
 */
#ifndef SOURCE_IGNORE_H
#define SOURCE_IGNORE_H

#include "base/file.h"
#include "base/vec.h"

enum { IGNORE_PATTERNS_MAX = 1000 };

struct ignore_pattern {
	const char *glob;
	bool negated, anchored, directories_only;
};

struct ignore {
	vec_of(struct ignore_pattern) patterns;
};

/* False: there are more than IGNORE_PATTERNS_MAX patterns. */
bool ignore_parse(const struct bytes *text, struct arena *a, struct ignore *out);
/* The last pattern that matches decides. A path in an ignored directory must not be asked for: it is ignored. */
bool ignore_matches(const struct ignore *ignore, const char *path, bool directory);

#endif
