/* What the planning and the applying half of a pass do to a part. */
#ifndef PASS_PART_H
#define PASS_PART_H

#include "pass/pass.h"

/* Looks, and adds the changes to `plan`. False: its live state could not be read; why is in its `trouble`. Effect.
 */
bool part_plan(struct part *part, struct pass *p, struct plan *plan);

/* Puts what every part's last look complained of into the pass's diagnostics, and the unknown ones into its plan.
 */
void part_report_trouble(struct pass *p);

/* The message of the first error from number `from` on, or NULL. */
const char *part_first_error(const struct diags *d, size_t from);

#endif
