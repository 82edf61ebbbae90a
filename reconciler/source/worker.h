/*
 * Starting enmesh-fetch, the executable that alone talks to networks and opens repositories, and hearing what it
 * says.
 *
 * Request, on its standard input: a line of JSON, then the blobs that it names, one after the other; they are what
 * may be secret, so they are in no argument and no environment. Answer, on its standard output: one JSON value.
 * What it hands over besides is written to descriptor WORKER_FILE.
 */
#ifndef SOURCE_WORKER_H
#define SOURCE_WORKER_H

#include "base/diag.h"
#include "base/file.h"
#include "base/secret.h"

enum { WORKER_FILE = 3, WORKER_BLOBS_MAX = 16 };

/* One of `bytes` and `secret`. */
struct blob {
	const char *name;
	struct bytes bytes;
	const struct secret *secret;
};

struct worker_request {
	const char *action;     /* "fetch": with a network; "read": without; "look": the same, in a work tree */
	const char *repository; /* directory that it may change (fetch) or look at (read) */
	const char *origin;     /* another directory that it may look at, of a URL that is a path; NULL: none */
	const char *user;   /* whom it runs as, if this process may choose; NULL: the owner of the repository */
	struct node *words; /* the request's JSON; gets "blobs" */
	struct blob blobs[WORKER_BLOBS_MAX];
	size_t n_blobs;
	size_t file_limit; /* bytes of what it hands over; 0: nothing */
	long long timeout_ms;
	bool (*stopped)(void); /* asked while waiting; may be NULL */
};

struct worker_answer {
	const struct node *json; /* also of one that failed; NULL: it did not get so far */
	struct bytes file;       /* sealed memory, mapped for the life of the process */
};

/*
 * Effect: makes the directory of enmesh-fetch's own repository, for the user that it will run as, who gets a way
 * through the directory above it: its group may pass through, and see nothing. False: an error was added.
 */
bool worker_make_home(const struct worker_request *r, const char *purpose, struct arena *a, struct diags *d);

/*
 * Effect: starts it and waits; whatever happens, it has ended when this returns. False: an error was added, in
 * which what it did is called `purpose` ("https://… cannot be fetched").
 */
bool worker_run(struct worker_request *r, const char *purpose, struct arena *a, struct worker_answer *out,
	struct diags *d);

#endif
