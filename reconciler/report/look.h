/*
 * The changes of a pass as lines, from which text and markdown are made: what somebody else changed first, then
 * the others; grouped by target; each with its address, its reason and its content. Pure.
 */
#ifndef REPORT_LOOK_H
#define REPORT_LOOK_H

#include "pass/pass.h"

enum look {
	LOOK_GROUP,  /* the name of a target */
	LOOK_CHANGE, /* the head of a change; mark '+', '~' or '-' */
	LOOK_BODY,   /* its content; mark ' ', '+', '-' or '@' */
};

struct look_line {
	enum look look;
	char mark;
	const char *text; /* escaped, without newline */
};

struct look_lines {
	vec_of(struct look_line) list;
};

/* Adds the changes from number `first` on. */
void look_changes(const struct pass *p, size_t first, struct arena *a, struct look_lines *out);

/* "Plan: 3 to add, 1 to change, 0 to remove." Robots read it; a test freezes it. */
const char *look_plan_line(const struct plan *plan, struct arena *a);
/* "Applied: 3 added, 1 changed, 0 removed." and, if need be, "; 1 failed, 2 not done" before the full stop. */
const char *look_applied_line(const struct plan *plan, struct arena *a);
/* "Unknown: capture (why is said above)."; NULL: all could be read. */
const char *look_unknown_line(const struct plan *plan, struct arena *a);

/* "Not as wanted: processes (the errors say why)."; NULL: of all that could be read, nothing is in the way. */
const char *look_flawed_line(const struct pass *p, struct arena *a);

#define LOOK_NO_CHANGES "No changes. The node is in sync."

#endif
