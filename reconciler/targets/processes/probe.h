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

/* False: not now, and `*problem` says why, in the arena. */
bool probe_try(
	struct prober *prober, const struct probe *probe, int timeout_ms, struct arena *a, const char **problem);

/* A POST without body; true if it was answered with 2xx. */
bool probe_post(struct prober *prober, const char *host, uint16_t port, const char *path, int timeout_ms,
	struct arena *a, const char **problem);

#endif
