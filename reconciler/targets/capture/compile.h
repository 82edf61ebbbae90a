/*
 * The services of a node as rules. Pure. See DESIGN section 4 for the order of decisions and docs/capture.md for
 * the layout of the table.
 */
#ifndef TARGETS_CAPTURE_COMPILE_H
#define TARGETS_CAPTURE_COMPILE_H

#include "model/site.h"
#include "targets/capture/ruleset.h"

/* Normalized; not present if nothing of the site is captured. */
void compile_site(const struct site *site, struct arena *a, struct ruleset *out);

#endif
