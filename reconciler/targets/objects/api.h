/*
 * The API server's HTTP interface: one client for a pass, several servers of one control plane, tried in order.
 * All have effects.
 */
#ifndef OBJECTS_API_H
#define OBJECTS_API_H

#include "targets/objects/state.h"

struct api;

/* False: an error was added (a credential that can't be used). Close with api_close. */
bool api_open(const struct host *h, const struct texts *servers, const struct bytes *ca, struct arena *a,
	struct api **out, struct diags *d);
void api_close(struct api **api); /* NULL is fine */

struct api_answer {
	int status;
	const struct node *body; /* NULL: none, or no JSON */
	const char *message;     /* of a failure: the server's own words; never NULL */
};

/*
 * One request; `path` with its query. `body` NULL: none. What can be repeated is repeated, and every request of
 * this target can: reads, applies, and deletes that name the uid. False: no server answered; api_failure() says
 * why.
 */
bool api_get(struct api *api, const char *path, struct arena *a, struct api_answer *out);
bool api_apply(
	struct api *api, const char *path, const struct node *body, struct arena *a, struct api_answer *out);
bool api_delete(
	struct api *api, const char *path, const struct node *body, struct arena *a, struct api_answer *out);

/* Whether the last request got no answer, and why, for people. */
bool api_is_down(const struct api *api);
const char *api_failure(const struct api *api, struct arena *a);
/* Waits, at most until the host's deadline. False: that is over, or somebody asked for the end. */
bool api_wait(struct api *api, long long ms);

/* ---- paths; pure ---- */

/* Percent-encodes everything but RFC 3986's unreserved characters. */
const char *api_encode(const char *text, struct arena *a);
/* Whether a name can be a part of a path: not "", ".", "..", and without '/' and '%', as Kubernetes has it. */
bool api_is_segment(const char *name);
/* "/api/v1", "/apis/networking.istio.io/v1". */
const char *api_version_path(const char *group, const char *version, struct arena *a);
/* Of an object; `name` NULL: of all; `namespace` "": of no namespace, or (lists) of all. */
const char *api_path(const struct resource *r, const char *namespace, const char *name, struct arena *a);

#endif
