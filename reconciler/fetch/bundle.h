/*
 * Bundles: one revision of a source in one signed file, for fleets that no git server can carry. A tar archive of
 * two files:
 *
 *   bundle.tar        the files (source/tar.h), and .enmesh-bundle.json, which names revision and sequence
 *   bundle.tar.sig    its SSH signature in the namespace "enmesh-bundle"
 *
 * Whoever serves it needs nothing but a web server with entity tags.
 */
#ifndef FETCH_BUNDLE_H
#define FETCH_BUNDLE_H

#include "fetch/request.h"
#include "fetch/signature.h"

struct bundle {
	struct bytes content; /* bundle.tar */
	const char *revision, *verified;
	int64_t sequence;
};

/* Whether `file` is a bundle that somebody has signed who may at that time. False: `*problem` says why not. */
bool bundle_read(const struct bytes *file, const struct signature_policy *policy, long long when, struct arena *a,
	struct bundle *out, const char **problem);

/* The actions; each answers the request and ends the program. */
_Noreturn void bundle_fetch(struct request *r);
_Noreturn void bundle_hand_over(struct request *r);

#endif
