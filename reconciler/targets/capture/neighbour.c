#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/netns.h"
#include "targets/capture/route_message.h"
#include "targets/capture/trial.h"

/* Of networks that are nobody's: RFC 5737, RFC 3849. */
static const struct {
	const char *here, *there;
	uint8_t prefix;
} networks[] = { { "198.51.100.1", "198.51.100.2", 30 }, { "2001:db8:656d::1", "2001:db8:656d::2", 64 } };

#define THERE "eth0"

enum {
	READY_MS = 5000,
	OPERATES = 6, /* IF_OPER_UP of linux/if.h, which does not go with net/if.h */
};

/* ---- talking ---- */

static int ask(struct nlmsghdr *request)
{
	scoped(netlink_free) struct netlink *rtnl = NULL;
	int error = route_new(NULL, &rtnl);

	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	return error ? error : netlink_ask(rtnl, request, NULL, NULL);
}

/* ip link add eth0 type veth peer name INTERFACE netns OTHER */
static int add_link(const char *interface, int other)
{
	alignas(struct nlmsghdr) char buffer[1024] = { 0 };
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct nlattr *info, *data, *peer;

	m->nlmsg_type = RTM_NEWLINK;
	m->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	mnl_nlmsg_put_extra_header(m, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(m, IFLA_IFNAME, THERE);
	info = mnl_attr_nest_start(m, IFLA_LINKINFO);
	mnl_attr_put_strz(m, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(m, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(m, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(m, IFLA_IFNAME, interface);
	mnl_attr_put_u32(m, IFLA_NET_NS_FD, (uint32_t)other);
	mnl_attr_nest_end(m, peer);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
	return ask(m);
}

/* ip link set INTERFACE up */
static int set_up(unsigned index)
{
	alignas(struct nlmsghdr) char buffer[256] = { 0 };
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *link;

	m->nlmsg_type = RTM_NEWLINK;
	link = mnl_nlmsg_put_extra_header(m, sizeof(*link));
	link->ifi_index = (int)index;
	link->ifi_flags = link->ifi_change = IFF_UP;
	return ask(m);
}

/* ip address add ADDRESS/PREFIX dev INTERFACE nodad */
static int add_address(unsigned index, const struct endpoint *e, uint8_t prefix)
{
	alignas(struct nlmsghdr) char buffer[256] = { 0 };
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	size_t size = e->family == AF_INET ? 4 : 16;
	struct ifaddrmsg *address;

	m->nlmsg_type = RTM_NEWADDR;
	m->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	address = mnl_nlmsg_put_extra_header(m, sizeof(*address));
	address->ifa_family = (uint8_t)e->family;
	address->ifa_prefixlen = prefix;
	address->ifa_flags = IFA_F_NODAD;
	address->ifa_index = index;
	mnl_attr_put(m, IFA_LOCAL, size, e->address);
	mnl_attr_put(m, IFA_ADDRESS, size, e->address);
	return ask(m);
}

/* ---- both sides ---- */

/*
 * What is sent before both links are up, which may take a second, the kernel drops; and before it has an IPv6
 * address ready, which may take some milliseconds, nobody answers for that. Both are announced.
 */
struct side {
	const char *interface;
	struct endpoint *addresses;
	struct netlink *events;
	unsigned index;
	bool up, addressed;
};

static void side_finish(struct side *s)
{
	netlink_free(&s->events);
}

static int on_event(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);
	struct nlattr *attribute;
	struct side *s = context;

	if (message->nlmsg_type == RTM_NEWADDR && address->ifa_index == s->index &&
		address->ifa_scope == RT_SCOPE_UNIVERSE)
		s->addressed |= !(address->ifa_flags & IFA_F_TENTATIVE);
	if (message->nlmsg_type != RTM_NEWLINK || (unsigned)link->ifi_index != s->index)
		return MNL_CB_OK;
	mnl_attr_for_each (attribute, message, sizeof(*link)) {
		if (mnl_attr_get_type(attribute) == IFLA_OPERSTATE)
			s->up = mnl_attr_get_u8(attribute) == OPERATES;
	}
	return MNL_CB_OK;
}

/* In the namespace of the calling thread. A machine without IPv6 has one family less. */
static int side_begin(struct side *s, bool here)
{
	int error = netlink_new(NULL, NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV6_IFADDR, &s->events);

	if (error)
		return error;
	s->index = if_nametoindex(s->interface);
	error = s->index ? set_up(s->index) : -errno;
	for (size_t i = 0; i < array_len(networks) && !error; i++) {
		endpoint_read(here ? networks[i].here : networks[i].there, &s->addresses[i]);
		error = add_address(s->index, &s->addresses[i], networks[i].prefix);
		if (error && s->addresses[i].family == AF_INET6) {
			s->addresses[i].family = 0;
			s->addressed = true;
			error = 0;
		}
	}
	return error;
}

static int side_await(struct side *s)
{
	long long deadline = clock_monotonic_ms() + READY_MS;
	alignas(struct nlmsghdr) char buffer[16384];

	while (!s->up || !s->addressed) {
		struct pollfd p = { .fd = mnl_socket_get_fd(s->events->socket), .events = POLLIN };
		long long left = deadline - clock_monotonic_ms();
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			return -ETIMEDOUT;
		n = mnl_socket_recvfrom(s->events->socket, buffer, sizeof(buffer));
		if (n < 0 || mnl_cb_run(buffer, (size_t)n, 0, 0, on_event, s) < 0)
			return -errno;
	}
	return 0;
}

static int make(struct neighbour *n, struct side *there, int home)
{
	int error;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	n->netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (n->netns < 0)
		return -errno;
	error = add_link(n->interface, home);
	return error ? error : side_begin(there, false);
}

int neighbour_init(struct neighbour *out, struct arena *a)
{
	scoped(netns_leave) int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	const char *interface = arena_printf(a, "enmesh-%u", (unsigned)getpid() % 100000000);
	scoped(side_finish) struct side here = { .interface = interface, .addresses = out->here };
	scoped(side_finish) struct side there = { .interface = THERE, .addresses = out->there };
	int error;

	*out = (struct neighbour){ .interface = interface, .netns = -1 };
	if (home < 0)
		return -errno;
	error = make(out, &there, home);
	netns_leave(&home);
	if (!error)
		error = side_begin(&here, true);
	if (!error)
		error = side_await(&here);
	return error ? error : side_await(&there);
}

/*
 * The interface goes with the namespace, and that with the last descriptor, but not at once: whoever comes next
 * would meet both.
 */
void neighbour_finish(struct neighbour *n)
{
	alignas(struct nlmsghdr) char buffer[256] = { 0 };
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);

	m->nlmsg_type = RTM_DELLINK;
	mnl_nlmsg_put_extra_header(m, sizeof(struct ifinfomsg));
	if (n->interface) {
		mnl_attr_put_strz(m, IFLA_IFNAME, n->interface);
		ask(m);
	}
	close_fd(&n->netns);
	n->interface = NULL;
}

void trials_place(struct trials *p, const struct neighbour *n, struct arena *a, struct network *network)
{
	for (size_t i = 0; i < array_len(networks); i++)
		if (n->here[i].family)
			*vec_push(a, &network->addresses) = n->here[i];
	vec_each (trial, &p->list) {
		struct connection *c = &trial->connection;
		size_t family = c->dest.family == AF_INET6;
		uint16_t port = c->dest.port;

		if (!c->inbound || !n->here[family].family)
			continue;
		c->interface = n->interface;
		c->source = n->there[family];
		c->dest = n->here[family];
		c->dest.port = port;
	}
}
