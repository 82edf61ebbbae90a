/* Reports for people, on a terminal. Pure. */
#ifndef REPORT_TEXT_H
#define REPORT_TEXT_H

#include "pass/pass.h"

struct text_style {
	bool color;
};

/* The changes from number `first` on, and, if that is 0, the closing line of the plan. */
const char *text_plan(const struct pass *p, size_t first, struct text_style style, struct arena *a);
/* The changes alone. */
const char *text_changes(const struct pass *p, size_t first, struct text_style style, struct arena *a);
/* What became of them; "" if there were none. */
const char *text_applied(const struct pass *p, struct arena *a);
/* One change, for progress: "  + capture/…: done" */
const char *text_progress(const struct change *c, struct text_style style, struct arena *a);

#endif
