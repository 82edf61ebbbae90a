#include "targets/capture/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/netns.h"
#include "targets/capture/sockets.h"

enum {
	PATIENCE_MS = 1000, /* what stays on this machine is there in a fraction of a millisecond */
	LOOKS_MAX = 5,
	LOOK_MS = 10,
};

/* ---- sockets of others ---- */

static int set_hops(int fd, int family)
{
	const int one = 1;

	return family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_TTL, &one, sizeof(one))
				 : setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &one, sizeof(one));
}

/* They say what was before, and nothing of success: asked once more, they say what is. */
static int become(uid_t user, gid_t group)
{
	setfsgid(group);
	setfsuid(user);
	return (uid_t)setfsuid((uid_t)-1) == user && (gid_t)setfsgid((gid_t)-1) == group ? 0 : EPERM;
}

/* Rules look at whom the descriptor was made for: the ids that files are opened with (nft_meta_get_eval_skugid).
 */
static int open_as(const struct connection *c)
{
	int fd = -1, error = c->inbound ? 0 : become(c->user.number, c->group.number);

	if (!error)
		fd = socket(c->dest.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!error && fd < 0)
		error = errno;
	if (!c->inbound)
		become(geteuid(), getegid());
	if (fd >= 0 && set_hops(fd, c->dest.family) < 0) {
		error = errno;
		close_fd(&fd);
	}
	return error ? -error : fd;
}

static int move_to(const char *cgroup)
{
	scoped(close_fd) int fd = -1;
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, "0", 1) < 0 ? -errno : 0;
}

/* The path of our own group; NULL: it can't be known. */
static const char *own_cgroup(struct arena *a)
{
	struct bytes text;
	const char *line;

	if (file_read(AT_FDCWD, "/proc/self/cgroup", 64 * 1024, a, &text))
		return NULL;
	line = strstr(arena_strndup(a, text.data, text.size), "0::/");
	return line ? arena_strndup(a, line + 3, strcspn(line + 3, "\n")) : NULL;
}

/*
 * A socket's group is that of whoever makes it. A group of our own below the service's is entered for that, since
 * one that has groups below it may take no processes.
 */
static int open_in_cgroup(const struct trial *p, struct arena *a)
{
	int fd, error = 0;
	const char *mount = cgroup_mount(a, &error), *own = own_cgroup(a), *home, *inside;

	if (!mount || !own)
		return error ? error : -ENOENT;
	home = arena_printf(a, "%s%s", mount, own);
	inside = arena_printf(a, "%s%s/enmesh-verify-%d", mount, p->cgroup, getpid());
	if (mkdir(inside, 0755) < 0)
		return -errno;
	error = move_to(inside);
	fd = error ? error : open_as(&p->connection);
	move_to(home);
	rmdir(inside);
	return fd;
}

static int open_there(const struct connection *c, int netns)
{
	scoped(netns_leave) int back = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (back < 0 || setns(netns, CLONE_NEWNET) < 0)
		return -errno;
	return open_as(c);
}

/* ---- addresses ---- */

static socklen_t to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;

	*out = (struct sockaddr_storage){ .ss_family = (sa_family_t)e->family };
	if (e->family == AF_INET) {
		v4->sin_port = htons(e->port);
		memcpy(&v4->sin_addr, e->address, 4);
		return sizeof(*v4);
	}
	v6->sin6_port = htons(e->port);
	memcpy(&v6->sin6_addr, e->address, 16);
	return sizeof(*v6);
}

static bool read_own(int fd, struct endpoint *out)
{
	struct sockaddr_storage own = { 0 };
	socklen_t size = sizeof(own);
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&own;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&own;

	if (getsockname(fd, (struct sockaddr *)&own, &size) < 0)
		return false;
	*out = (struct endpoint){ .family = own.ss_family };
	if (own.ss_family == AF_INET) {
		out->port = ntohs(v4->sin_port);
		memcpy(out->address, &v4->sin_addr, 4);
	} else {
		out->port = ntohs(v6->sin6_port);
		memcpy(out->address, &v6->sin6_addr, 16);
	}
	return true;
}

/* ---- what became of it ---- */

static bool find_peer(const struct endpoint *own, struct trial *p, struct arena *a)
{
	struct sockets sockets = { 0 };

	p->error = sockets_read(IPPROTO_TCP, SOCKETS_CONNECTED, a, &sockets);
	vec_each (s, &sockets.list) {
		if (s->remote.port != own->port || !endpoint_same_address(&s->remote, own))
			continue;
		p->seen = SEEN_SOCKET;
		p->taker = s->local;
		p->transparent = s->transparent;
	}
	return p->seen == SEEN_SOCKET || p->error;
}

/* The other end, if that is a socket of this machine: it may come a moment after ours. */
static void find_taker(struct trial *p, int fd, struct arena *a)
{
	struct endpoint own;

	p->seen = SEEN_ANSWER;
	if (!read_own(fd, &own))
		p->error = -errno;
	for (int i = 0; !p->error && i < LOOKS_MAX && !find_peer(&own, p, a); i++)
		poll(NULL, 0, LOOK_MS);
	if (p->error)
		p->seen = SEEN_FAILED;
}

static void end(struct trial *p, int fd, int error, struct arena *a)
{
	p->error = -error;
	switch (error) {
	case 0:
		find_taker(p, fd, a);
		break;
	case ECONNREFUSED:
		p->seen = SEEN_REFUSED;
		break;
	case ECONNRESET:
	case EPIPE:
		p->seen = SEEN_RESET;
		break;
	case EHOSTUNREACH:
		p->seen = SEEN_TOO_FAR;
		break;
	default:
		p->seen = SEEN_FAILED;
	}
}

/* A descriptor that waits for the end, or -1. */
static int begin(struct trial *p, const struct neighbour *n, struct arena *a)
{
	const struct connection *c = &p->connection;
	struct sockaddr_storage to;
	socklen_t size = to_sockaddr(&c->dest, &to);
	int fd;

	if (c->inbound && (n->netns < 0 || !c->source.family)) {
		p->seen = SEEN_NO_WAY;
		p->error = -EADDRNOTAVAIL;
		return -1;
	}
	fd = c->inbound ? open_there(c, n->netns) : p->cgroup ? open_in_cgroup(p, a) : open_as(c);
	if (fd < 0) {
		p->seen = fd == -EAFNOSUPPORT ? SEEN_NO_WAY : SEEN_FAILED;
		p->error = fd;
		return -1;
	}
	if (!connect(fd, (const struct sockaddr *)&to, size) || errno == EINPROGRESS)
		return fd;
	if (errno == ENETUNREACH || errno == EHOSTUNREACH || errno == EADDRNOTAVAIL) {
		p->seen = SEEN_NO_WAY;
		p->error = -errno;
	} else {
		end(p, fd, errno, a);
	}
	close_fd(&fd);
	return -1;
}

static int socket_error(int fd)
{
	socklen_t size = sizeof(int);
	int error = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

void trials_run(struct trials *p, const struct neighbour *n, struct arena *a)
{
	struct pollfd *polled = arena_alloc(a, (p->list.n + 1) * sizeof(*polled));
	long long deadline = clock_monotonic_ms() + PATIENCE_MS;
	size_t waiting = 0;

	for (size_t i = 0; i < p->list.n; i++) {
		polled[i] = (struct pollfd){ .fd = begin(&p->list.items[i], n, a), .events = POLLOUT };
		waiting += polled[i].fd >= 0;
	}
	while (waiting) {
		long long left = deadline - clock_monotonic_ms();

		if (left <= 0 || (poll(polled, p->list.n, (int)left) < 0 && errno != EINTR))
			break;
		for (size_t i = 0; i < p->list.n; i++) {
			if (polled[i].fd < 0 || !polled[i].revents)
				continue;
			end(&p->list.items[i], polled[i].fd, socket_error(polled[i].fd), a);
			close_fd(&polled[i].fd);
			polled[i].fd = -1;
			waiting--;
		}
	}
	for (size_t i = 0; i < p->list.n; i++)
		close_fd(&polled[i].fd);
}
