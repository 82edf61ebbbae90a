#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#include <stdbool.h>

/* "0.1.0"; from meson.build. */
extern const char version_text[];

/*
 * Whether a version ("0.1.0") meets a condition: >=, > or = and one to three numbers. Only as many numbers as the
 * condition has are compared: 0.2.7 meets "=0.2", and does not meet ">0.2". `*meets` is written on success; false:
 * it is no condition.
 */
bool version_meets(const char *version, const char *condition, bool *meets);

#endif
