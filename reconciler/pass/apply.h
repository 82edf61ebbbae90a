/* The effectful half of a pass. */
#ifndef PASS_APPLY_H
#define PASS_APPLY_H

#include "pass/pass.h"

/*
 * Carries out the plan, waits, looks once more at what could not be read before, and records what was applied.
 * Fills in the results of the changes.
 */
enum outcome pass_apply(struct pass *p);

#endif
