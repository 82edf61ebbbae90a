/*
 * An HTTP client over libcurl, which is opened (dlopen) by the first http_new: a pass that needs no HTTP does not
 * pay for it. One client keeps its connections alive. Its sockets carry SO_MARK HTTP_MARK where the process may
 * set it, by which the capture rules let enmesh's own connections go. Proxies of the environment are not used.
 * Redirects are not followed.
 */
#ifndef BASE_HTTP_H
#define BASE_HTTP_H

#include <stdbool.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/vec.h"

enum { HTTP_MARK = 0x656d };

struct http_config {
	struct bytes ca;     /* certificates that servers are verified against, in PEM; empty: ca_file */
	const char *ca_file; /* NULL: those of the system */
	const char *cert_file, *key_file; /* client certificate; NULL: none */
	const struct secret *token; /* sent as `Authorization: Bearer`; NULL: none; must outlive the client */
	bool insecure;              /* servers are not verified (Kubernetes' HTTPS probes) */
	int connect_timeout_ms, timeout_ms;
};

struct http;

/*
 * 0 or -errno; `*problem` then says why, for people (-ENOSYS: libcurl is not installed; -EINVAL: a certificate or
 * key can't be used). Free with http_free.
 */
int http_new(const struct http_config *config, struct arena *a, struct http **out, const char **problem);
void http_free(struct http **http); /* NULL is fine */

struct http_request {
	const char *method, *url;
	const char *const *headers; /* "Name: value", NULL ends them; NULL: none */
	struct bytes body;
	size_t limit; /* bytes of the answer's body; more is -EFBIG */
};

struct http_response {
	int status;
	struct bytes body;
	int retry_after_s; /* of a Retry-After in seconds; 0: none */
};

/*
 * One exchange. 0: an answer came, whatever its status. -errno: none came, in whole (-ECONNREFUSED, -ETIMEDOUT,
 * -EPROTO: TLS or HTTP went wrong, -EFBIG …), and `*problem` is libcurl's own text with the server's name, never a
 * header's value.
 */
int http_do(struct http *http, const struct http_request *request, struct arena *a, struct http_response *out,
	const char **problem);

#endif
