/*
 * The services of a node as rules. Pure. See DESIGN section 4 for the order of decisions and docs/capture.md for
 * the layout of the table.
 */
#ifndef TARGETS_CAPTURE_COMPILE_H
#define TARGETS_CAPTURE_COMPILE_H

#include "model/site.h"
#include "targets/capture/ruleset.h"

/*
 * The rules of one network namespace (NULL: the node's own). Normalized; not present if nothing is captured there.
 * A service whose proxy is down and which asks to be let past it then, or whose cgroup does not exist, has no part
 * in it.
 */
void compile_site(const struct site *site, const char *netns, struct arena *a, struct ruleset *out);

/* Whether the service's connections are captured there. */
bool compile_captures(const struct site *site, const struct workload *w);

#endif
