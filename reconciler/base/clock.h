/* Times: the clocks are read here and handed on as values. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <time.h>

#include "base/arena.h"

struct timespec clock_now(void);    /* CLOCK_REALTIME */
long long clock_monotonic_us(void); /* CLOCK_MONOTONIC */
long long clock_monotonic_ms(void);

/* "2024-05-01T12:00:00Z" (RFC 3339). */
const char *clock_text(struct timespec t, struct arena *a);
/* Back again; false: it is no such text. */
bool clock_read(const char *text, struct timespec *out);

#endif
