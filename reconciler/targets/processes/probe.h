/* One look at whether something answers. */
#ifndef TARGETS_PROCESSES_PROBE_H
#define TARGETS_PROCESSES_PROBE_H

#include "base/http.h"
#include "model/mesh.h"

/* Keeps connections between attempts. All zeros at first. */
struct prober {
	struct http *plain, *tls;
};

void prober_finish(struct prober *prober);

/* Where to ask: NULL in `netns` is the node's own network namespace. Elsewhere, no connection is kept. */
struct probed {
	struct prober *prober;
	const char *netns;
	int timeout_ms;
};

/* False: not now, and `*problem` says why, in the arena. */
bool probe_try(const struct probed *where, const struct probe *probe, struct arena *a, const char **problem);

/* A POST without body; true if it was answered with 2xx. */
bool probe_post(const struct probed *where, const char *host, uint16_t port, const char *path, struct arena *a,
	const char **problem);

#endif
