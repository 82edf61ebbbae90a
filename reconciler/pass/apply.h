/* The effectful half of a pass. */
#ifndef PASS_APPLY_H
#define PASS_APPLY_H

#include "pass/pass.h"

/*
 * Carries out the plan, waits, looks once more at what could not be read before, and records what was applied.
 * Fills in the results of the changes.
 */
enum outcome pass_apply(struct pass *p);

/* For a part: look and compare. False: its live state could not be read; why is in its `trouble`. */
bool part_plan(struct part *part, struct pass *p, struct plan *plan);

/* The first error from number `from` on, or NULL. */
const char *diags_first(const struct diags *d, size_t from);

/* The errors of parts that stayed unknown, into the pass's diagnostics. */
void part_report_trouble(struct pass *p);

#endif
