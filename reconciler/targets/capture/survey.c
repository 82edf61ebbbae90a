#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "base/netns.h"
#include "targets/capture/sockets.h"
#include "targets/capture/state.h"

/* ---- addresses ---- */

static bool endpoint_of(const struct sockaddr *from, struct endpoint *out)
{
	*out = (struct endpoint){ 0 };
	if (!from)
		return false;
	if (from->sa_family == AF_INET)
		memcpy(out->address, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
	else if (from->sa_family == AF_INET6)
		memcpy(out->address, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
	else
		return false;
	out->family = from->sa_family;
	return true;
}

static void free_addresses(struct ifaddrs **list)
{
	freeifaddrs(*list);
}

static int read_addresses(struct arena *a, struct network *out)
{
	scoped(free_addresses) struct ifaddrs *list = NULL;
	struct endpoint e;

	if (getifaddrs(&list) < 0)
		return -errno;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		if (endpoint_of(i->ifa_addr, &e))
			*vec_push(a, &out->addresses) = e;
	return 0;
}

/* ---- sockets that wait ---- */

static int read_waiting(uint8_t protocol, struct arena *a, struct network *out)
{
	static const struct endpoint any;
	struct sockets sockets = { 0 };
	int error = sockets_read(protocol, SOCKETS_WAITING, a, &sockets);

	vec_each (s, &sockets.list) {
		struct listener *l;

		if (!s->waits)
			continue;
		l = vec_push(a, &out->listeners);
		*l = (struct listener){ protocol, s->local, s->transparent };
		if (s->both && !memcmp(s->local.address, any.address, sizeof(any.address)))
			l->at.family = 0;
	}
	return error;
}

/* Where the kernel does not tell, everywhere somebody is taken to wait. */
static int read_listeners(struct arena *a, struct network *out)
{
	int error = read_waiting(IPPROTO_TCP, a, out);

	if (!error)
		error = read_waiting(IPPROTO_UDP, a, out);
	out->surveyed = !error;
	return error == -ENOENT ? 0 : error;
}

/* ---- routes ---- */

/* What routing says of a connection; without a route it stays as it is. */
static int find_way(struct netlink *rtnl, struct connection *c, const struct network *n, struct arena *a)
{
	struct way way = { .to = c->inbound ? c->source : c->dest,
		.user = c->user.known && !c->inbound ? &c->user.number : NULL,
		.mark = c->inbound ? 0 : c->mark };
	char name[IF_NAMESIZE];
	int error;

	if (c->interface || (!c->inbound && network_is_local(n, &c->dest)))
		return 0;
	error = route_find(rtnl, &way);
	if (error)
		return error == -ENETUNREACH || error == -EHOSTUNREACH ? 0 : error;
	if (way.interface && if_indextoname(way.interface, name))
		c->interface = arena_strdup(a, name);
	if (!c->inbound && !c->source.family)
		c->source = way.source;
	return 0;
}

int survey_ways(struct connection *const *c, size_t n, const struct network *network, struct arena *a)
{
	scoped(netlink_free) struct netlink *rtnl = NULL;
	int error = route_new(NULL, &rtnl);

	for (size_t i = 0; i < n && !error; i++)
		error = find_way(rtnl, c[i], network, a);
	return error;
}

static int look(struct connection *c, size_t n, struct arena *a, struct network *out)
{
	vec_of(struct connection *) list = { 0 };
	int error = read_addresses(a, out);

	for (size_t i = 0; i < n; i++)
		*vec_push(a, &list) = &c[i];
	if (!error)
		error = read_listeners(a, out);
	return error ? error : survey_ways(list.items, list.n, out, a);
}

bool capture_survey(
	const char *netns, struct connection *c, size_t n, struct arena *a, struct network *out, struct diags *d)
{
	scoped(netns_leave) int back = -1;
	int error = netns_enter(netns, &back);

	if (!error)
		error = look(c, n, a, out);
	return !error || diag_failure(d, "this machine's addresses, sockets and routes cannot be read: %s",
				 strerror(-error));
}
