#include "targets/processes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/netns.h"

enum { BODY_MAX = 1024 * 1024 };

void prober_finish(struct prober *prober)
{
	http_free(&prober->plain);
	http_free(&prober->tls);
}

/* ---- tcpSocket ---- */

/* 0 or -errno. */
static int finish_connect(int fd, int timeout_ms)
{
	long long end = clock_monotonic_ms() + timeout_ms;
	int error = 0, n;

	do {
		long long left = end - clock_monotonic_ms();
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		n = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (!n)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof(error) }) < 0)
		return -errno;
	return -error;
}

static int try_connect(const struct addrinfo *address, int timeout_ms)
{
	scoped(close_fd) int fd =
		socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	int mark = HTTP_MARK;

	if (fd < 0)
		return -errno;
	/* Without the right to it (EPERM), enmesh has made no capture rules either. */
	setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return 0;
	return errno == EINPROGRESS ? finish_connect(fd, timeout_ms) : -errno;
}

static bool try_tcp(const struct probe *probe, int timeout_ms, struct arena *a, const char **problem)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int r = getaddrinfo(probe->host, arena_printf(a, "%u", probe->port), &hints, &found);

	if (r) {
		*problem = arena_printf(a, "no address for %s: %s", probe->host, gai_strerror(r));
		return false;
	}
	r = -EADDRNOTAVAIL;
	for (const struct addrinfo *it = found; it && r; it = it->ai_next)
		r = try_connect(it, timeout_ms);
	freeaddrinfo(found);
	if (r)
		*problem =
			arena_printf(a, "no connection to %s port %u: %s", probe->host, probe->port, strerror(-r));
	return !r;
}

/* ---- httpGet ---- */

static int get_client(struct prober *prober, bool tls, struct arena *a, struct http **http, const char **problem)
{
	struct http **kept = tls ? &prober->tls : &prober->plain;
	const struct http_config config = { .insecure = true, .connect_timeout_ms = 10000, .timeout_ms = 10000 };
	int r = *kept ? 0 : http_new(&config, a, kept, problem);

	*http = *kept;
	return r;
}

/* The status, or 0 if no answer came. */
static int exchange(
	struct prober *prober, const struct http_request *request, bool tls, struct arena *a, const char **problem)
{
	struct http_response response = { 0 };
	const char *why = NULL;
	struct http *http;

	if (get_client(prober, tls, a, &http, problem))
		return 0;
	if (http_do(http, request, a, &response, &why)) {
		*problem = arena_printf(a, "%s %s: %s", request->method, request->url, why);
		return 0;
	}
	*problem = arena_printf(
		a, "%s %s is answered with status %d", request->method, request->url, response.status);
	return response.status;
}

static const char *make_url(bool tls, const char *host, uint16_t port, const char *path, struct arena *a)
{
	bool bare = strchr(host, ':') && host[0] != '[';

	return arena_printf(
		a, "%s://%s%s%s:%u%s", tls ? "https" : "http", bare ? "[" : "", host, bare ? "]" : "", port, path);
}

static bool try_http(
	struct prober *prober, const struct probe *probe, int timeout_ms, struct arena *a, const char **problem)
{
	const struct http_request request = {
		.method = "GET",
		.url = make_url(probe->https, probe->host, probe->port, probe->path, a),
		.limit = BODY_MAX,
		.timeout_ms = timeout_ms,
	};
	int status = exchange(prober, &request, probe->https, a, problem);

	return status >= 200 && status < 400;
}

/* ---- where ---- */

/* A kept connection to 127.0.0.1 belongs to the namespace in which it was made. */
static bool enter(const struct probed *where, int *back, struct arena *a, const char **problem)
{
	int r = netns_enter(where->netns, back);

	if (r)
		*problem = arena_printf(
			a, "its network namespace %s cannot be entered: %s", where->netns, strerror(-r));
	return !r;
}

bool probe_try(const struct probed *where, const struct probe *probe, struct arena *a, const char **problem)
{
	scoped(prober_finish) struct prober alone = { 0 };
	scoped(netns_leave) int back = -1;

	if (!enter(where, &back, a, problem))
		return false;
	switch (probe->kind) {
	case PROBE_HTTP:
		return try_http(where->netns ? &alone : where->prober, probe, where->timeout_ms, a, problem);
	case PROBE_TCP:
		return try_tcp(probe, where->timeout_ms, a, problem);
	case PROBE_NONE:
		break;
	}
	return true;
}

bool probe_post(const struct probed *where, const char *host, uint16_t port, const char *path, struct arena *a,
	const char **problem)
{
	const struct http_request request = {
		.method = "POST",
		.url = make_url(false, host, port, path, a),
		.body = { "", 0 },
		.limit = BODY_MAX,
		.timeout_ms = where->timeout_ms,
	};
	scoped(prober_finish) struct prober alone = { 0 };
	scoped(netns_leave) int back = -1;
	int status;

	if (!enter(where, &back, a, problem))
		return false;
	status = exchange(where->netns ? &alone : where->prober, &request, false, a, problem);
	return status >= 200 && status < 300;
}
