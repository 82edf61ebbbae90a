/*
 * Semantic versions (https://semver.org, 2.0.0) and ranges of them, as Flux and Helm write them: comparisons with
 * =, !=, >,
 * <, >=, <=, ~ (same minor), ^ (same first number that is not 0), "1.x", joined by spaces or commas (and) and ||
 * (or). A version with a pre-release is in a range only if one of its comparisons has one, too. A "v" may stand in
 * front. Pure.
 */
#ifndef FETCH_SEMVER_H
#define FETCH_SEMVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct semver {
	uint64_t numbers[3];
	int n;                   /* how many were given; of a version, 3 */
	const char *pre_release; /* NULL: none */
};

/* False: it is no version with three numbers. */
bool semver_read(const char *text, struct arena *a, struct semver *out);
/* Less than, equal to or greater than 0. */
int semver_order(const struct semver *left, const struct semver *right);
/* Whether the range holds it. False in `*valid`: it is no range. */
bool semver_in(const struct semver *version, const char *range, struct arena *a, bool *valid);

#endif
