/* For waiting. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* CLOCK_MONOTONIC. */
long long clock_monotonic_ms(void);

#endif
