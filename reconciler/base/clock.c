#include "base/clock.h"

#include <stddef.h>

struct timespec clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now;
}

long long clock_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

long long clock_monotonic_ms(void)
{
	return clock_monotonic_us() / 1000;
}

const char *clock_text(struct timespec t, struct arena *a)
{
	char text[64];
	struct tm tm;

	if (!gmtime_r(&t.tv_sec, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return "?";
	return arena_strdup(a, text);
}

bool clock_read(const char *text, struct timespec *out)
{
	struct tm tm = { 0 };
	const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;

	if (!end || *end)
		return false;
	*out = (struct timespec){ .tv_sec = timegm(&tm) };
	return true;
}
