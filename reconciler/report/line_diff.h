/* The lines by which two texts differ, as a unified diff has them. Pure. */
#ifndef REPORT_LINE_DIFF_H
#define REPORT_LINE_DIFF_H

#include "base/vec.h"

enum { LINE_DIFF_CONTEXT = 2 };

struct diff_line {
	char mark;        /* ' ', '-', '+', or '@': the head of a hunk, "@@ -3,5 +3,6 @@" */
	const char *text; /* without newline */
};

struct diff_lines {
	vec_of(struct diff_line) list;
};

/*
 * Adds the hunks, with LINE_DIFF_CONTEXT lines around each change; nothing if the texts are equal. NULL is a text
 * without lines, and a diff against it has no heads. The fewest lines possible, unless so many differ that finding
 * them would take long: then those that differ are shown as replaced in whole.
 */
void line_diff(const char *before, const char *after, struct arena *a, struct diff_lines *out);

#endif
