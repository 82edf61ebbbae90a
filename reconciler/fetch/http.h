/*
 * HTTP for git, through libcurl: one connection that is kept, time limits, client certificates, and no way for
 * credentials to another server: a redirect is followed only where it stays on scheme, host and port.
 */
#ifndef FETCH_HTTP_H
#define FETCH_HTTP_H

#include "fetch/request.h"

/* Bytes of a list of references; 200,000 of them are about 20 MB. */
enum { HTTP_LIST_MAX = 32 * 1024 * 1024 };

struct http;

/* For the URL and the credentials of the request; NULL: `*problem` says why. Never freed: one for the process. */
struct http *http_open(const struct request *r, const char *url, const char **problem);

struct exchange {
	const char *suffix;       /* of the URL: "/info/refs?service=git-upload-pack" */
	const char *content_type; /* of the body; NULL: GET */
	struct bytes body;
	const char *accept;  /* the answer's type; anything else is an error. NULL: any will do */
	const char *header;  /* one more, or NULL */
	size_t limit;        /* bytes of the answer; more is an error */
	int file;            /* where the answer goes; -1: into memory */
	struct bytes answer; /* in memory, until the next exchange */
	int status;          /* of HTTP, 200 or 304 (Not Modified) if all went well; 0: there was no answer */
	const char *etag;    /* of the answer; NULL: none */
};

/* False: `*problem` says why, with the server's name and never a credential. */
bool http_exchange(struct http *h, struct exchange *e, const char **problem);

#endif
