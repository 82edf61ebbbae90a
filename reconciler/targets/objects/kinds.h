/* Where kinds are found in the API: its discovery documents, each read once. Effects: reads only. */
#ifndef OBJECTS_KINDS_H
#define OBJECTS_KINDS_H

#include "targets/objects/api.h"

struct kinds {
	struct api *api;
	struct arena *arena;
	vec_of(struct kinds_version) versions;
};

struct kinds_version {
	const char *group, *version;
	vec_of(const struct resource *) resources; /* none: the API server does not know the version */
};

enum kinds_result {
	KINDS_FOUND,
	KINDS_UNKNOWN, /* the API server has no such kind */
	KINDS_FAILED,  /* it did not say; `answer` does, or, if its status is 0, api_failure() */
};

enum kinds_result kinds_find(struct kinds *k, const char *group, const char *version, const char *kind,
	const struct resource **out, struct api_answer *answer);
/* In a version that has been looked at already, or else the one that the API server prefers. */
enum kinds_result kinds_find_any(struct kinds *k, const char *group, const char *kind, const struct resource **out,
	struct api_answer *answer);
/* The next kinds_find asks again. */
void kinds_forget(struct kinds *k, const char *group, const char *version);

#endif
