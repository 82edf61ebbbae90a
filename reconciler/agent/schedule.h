/*
 * When an agent makes its next pass. Pure.
 *
 * Passes are at times that are the node's own: its name decides at which moment of the interval. So the questions
 * of a fleet come evenly at the server, whenever its machines were started. A pass that failed is tried again
 * sooner, and then less and less often.
 */
#ifndef AGENT_SCHEDULE_H
#define AGENT_SCHEDULE_H

#include "base/arena.h"

enum { SCHEDULE_RETRY_MS = 5000 };

struct schedule {
	long long interval_ms; /* at least 1 */
	long long offset_ms;   /* from 0 to the interval */
	unsigned spread; /* of the node, from 0 to 1023: by how much it tries again sooner or later than others */
};

struct schedule schedule_of(const char *node, long long interval_ms, struct arena *a);

/*
 * How long to wait. `now_ms`: CLOCK_REALTIME, since 1970. `failures`: of the last passes, one after the other. At
 * most one interval, and more than 0.
 */
long long schedule_wait(const struct schedule *s, long long now_ms, unsigned failures);

#endif
