#include "agent/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"

enum { SPREADS = 1024, DOUBLINGS_MAX = 20 };

struct schedule schedule_of(const char *node, long long interval_ms, struct arena *a)
{
	const char *digest = digest_of(node, strlen(node), a);
	unsigned long long where = strtoull(arena_strndup(a, digest, 12), NULL, 16);
	unsigned long spread = strtoul(arena_strndup(a, digest + 12, 8), NULL, 16);

	return (struct schedule){ interval_ms, (long long)(where % (unsigned long long)interval_ms),
		spread % SPREADS };
}

/* Between half of it and one and a half. */
static long long spread_out(const struct schedule *s, long long ms)
{
	return ms / 2 + ms * s->spread / SPREADS;
}

long long schedule_wait(const struct schedule *s, long long now_ms, unsigned failures)
{
	unsigned doublings = failures > DOUBLINGS_MAX ? DOUBLINGS_MAX : failures;
	long long regular =
		s->interval_ms - ((now_ms - s->offset_ms) % s->interval_ms + s->interval_ms) % s->interval_ms;
	long long retry = failures ? spread_out(s, (long long)SCHEDULE_RETRY_MS << (doublings - 1)) : regular;

	return retry < regular ? retry : regular;
}
