#include "pass/clock.h"

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

/*
 * The proleptic Gregorian calendar, by eras of 400 years that begin on the 1st of March. gmtime_r(3) would do as
 * well, but glibc's reads the time zone's file first.
 */
const char *clock_text(struct timespec t, struct arena *a)
{
	enum { DAY = 86400, ERA = 146097 };
	long long days = t.tv_sec / DAY, s = t.tv_sec % DAY, era, day, year, month;

	if (s < 0) {
		s += DAY;
		days--;
	}
	days += 719468; /* from 0000-03-01 to 1970-01-01 */
	era = (days >= 0 ? days : days - (ERA - 1)) / ERA;
	day = days - era * ERA;
	year = (day - day / 1460 + day / 36524 - day / (ERA - 1)) / 365;
	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	year += era * 400 + (month >= 10);
	month += month < 10 ? 3 : -9;
	return arena_printf(a, "%04lld-%02lld-%02lldT%02lld:%02lld:%02lldZ", year, month, day + 1, s / 3600,
		s / 60 % 60, s % 60);
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
