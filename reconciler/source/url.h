/*
 * Addresses of repositories and bundles. What is allowed is listed, not what is forbidden: programs have been
 * started by what looked like an address (CVE-2017-1000117). Pure.
 */
#ifndef SOURCE_URL_H
#define SOURCE_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

enum scheme { SCHEME_HTTPS, SCHEME_HTTP, SCHEME_SSH, SCHEME_GIT, SCHEME_FILE };

struct url {
	enum scheme scheme;
	const char *user; /* of ssh; NULL: none */
	const char *host; /* without the brackets of an IPv6 address; NULL with file */
	uint16_t port;    /* 0: the scheme's own */
	const char *path; /* begins with a slash */
};

/* Whether it looks like one: "x://…". */
bool url_is(const char *text);
/* For messages: without what may be a secret in it, a password before the host. */
const char *url_shown(const char *text, struct arena *a);
/* False: `*problem` says what would be right. */
bool url_read(const char *text, struct arena *a, struct url *out, const char **problem);

#endif
