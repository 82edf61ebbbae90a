#include <arpa/inet.h>
#include <string.h>

#include "base/netns.h"
#include "model/management.h"
#include "targets/capture/build.h"
#include "targets/capture/compile.h"
#include "targets/capture/trial.h"

/*
 * Addresses that no machine has (RFC 5737, RFC 3849), to which connections are opened that should be captured, or
 * should not because of who opens them.
 */
#define NOWHERE4 "192.0.2.1"
#define NOWHERE6 "2001:db8::1"

enum {
	NOBODY = 65534,
	PORT_ANYWHERE = 80,
	PORT_DNS = 53,
	OF_A_KIND_MAX = 5, /* excluded ranges, ports of a service … */
};

struct planning {
	const struct site *site;
	struct arena *arena;
	struct trials *out;
	const struct workload *workload;
	bool families[2]; /* IPv4, IPv6 */
};

/* ---- who ---- */

static struct identity identity(const struct planning *p, const struct account *account, bool group)
{
	struct identity id = { .name = account->name };

	id.known = site_number(p->site, account, group, &id.number);
	return id;
}

static struct identity number(uint32_t n)
{
	return (struct identity){ .known = true, .number = n };
}

static struct connection from_nobody(void)
{
	return (struct connection){ .protocol = IPPROTO_TCP, .user = number(NOBODY), .group = number(NOBODY) };
}

/* The group and all above it; ids of those that the source names. */
static const struct facts *levels(const struct planning *p, const char *path)
{
	struct facts *levels = arena_new(p->arena, struct facts);

	for (size_t i = 1; path[i - 1]; i++) {
		struct fact_cgroup level = { .path = arena_strndup(p->arena, path, i) };
		const struct fact_cgroup *known = facts_cgroup(&p->site->facts, level.path);

		if ((path[i] && path[i] != '/') || path[i - 1] == '/')
			continue;
		*vec_push(p->arena, &levels->cgroups) = known ? *known : level;
	}
	return levels;
}

/* A process of the service; of one that everyone's connections belong to, nobody. */
static struct connection from_service(const struct planning *p, const char **cgroup)
{
	const struct mesh_service *s = p->workload->service;
	struct connection c = from_nobody();
	uint32_t group;

	*cgroup = s->cgroup;
	if (s->cgroup)
		c.cgroup = levels(p, s->cgroup);
	if (s->user.node)
		c.user = identity(p, &s->user, false);
	if (s->group.node)
		c.group = identity(p, &s->group, true);
	else if (s->user.node && site_group(p->site, &s->user, &s->group, &group))
		c.group = number(group);
	return c;
}

/* One of the proxy's own. */
static struct connection from_proxy(const struct planning *p)
{
	const struct mesh_sidecar *s = p->workload->sidecar;
	struct connection c = from_nobody();

	if (s->proxy_users.list.n)
		c.user = identity(p, &s->proxy_users.list.items[0], false);
	if (s->proxy_groups.list.n)
		c.group = identity(p, &s->proxy_groups.list.items[0], true);
	return c;
}

/* ---- where to ---- */

static struct endpoint nowhere(int family, uint16_t port)
{
	struct endpoint e = { 0 };

	endpoint_read(family == AF_INET ? NOWHERE4 : NOWHERE6, &e);
	e.port = port;
	return e;
}

/* An address of a range: the first that a machine may have. */
static struct endpoint within(const struct cidr *range)
{
	struct endpoint e = { .family = range->family, .port = PORT_ANYWHERE };
	size_t size = range->family == AF_INET ? 4 : 16;

	memcpy(e.address, range->address, size);
	if (range->prefix < 8 * size)
		e.address[size - 1] |= 1;
	return e;
}

static void add(
	const struct planning *p, const char *title, struct connection c, const char *cgroup, struct endpoint dest)
{
	struct trial *trial;

	if (!p->families[dest.family == AF_INET6])
		return;
	trial = vec_push(p->arena, &p->out->list);
	*trial = (struct trial){ .workload = p->workload, .title = title, .connection = c, .cgroup = cgroup };
	trial->connection.dest = dest;
}

static void add_ranges(const struct planning *p, const char *title, const struct cidrs *ranges)
{
	const char *cgroup;
	struct connection c = from_service(p, &cgroup);

	for (size_t i = 0; i < ranges->list.n && i < OF_A_KIND_MAX; i++)
		add(p, title, c, cgroup, within(&ranges->list.items[i]));
}

static void add_ports(const struct planning *p, const char *title, const struct ports *ports)
{
	const char *cgroup;
	struct connection c = from_service(p, &cgroup);

	for (size_t i = 0; i < ports->list.n && i < OF_A_KIND_MAX; i++)
		if (!ports->list.items[i].name)
			add(p, title, c, cgroup, nowhere(AF_INET, ports->list.items[i].first));
}

/* Over TCP, where it can be seen who takes it. */
static void add_resolvers(const struct planning *p, struct connection c, const char *cgroup)
{
	for (size_t i = 0; i < p->site->facts.resolvers.n && i < OF_A_KIND_MAX; i++) {
		struct endpoint e;

		if (!endpoint_read(p->site->facts.resolvers.items[i], &e))
			continue;
		e.port = PORT_DNS;
		add(p, "outbound, DNS over TCP", c, cgroup, e);
	}
}

static void plan_outbound(const struct planning *p)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const struct mesh_capture *capture = p->workload->capture;
	const char *cgroup;
	struct connection c = from_service(p, &cgroup);

	for (size_t i = 0; i < array_len(families); i++) {
		add(p, "outbound", c, cgroup, nowhere(families[i], PORT_ANYWHERE));
		add(p, "outbound, by the proxy", from_proxy(p), NULL, nowhere(families[i], PORT_ANYWHERE));
	}
	if (cgroup || p->workload->service->user.node || p->workload->service->group.node)
		add(p, "outbound, by somebody else", from_nobody(), NULL, nowhere(AF_INET, PORT_ANYWHERE));
	if (capture->dns != DNS_NONE)
		add_resolvers(p, c, cgroup);
	add_ranges(p, "outbound, to a listed range", &capture->outbound_cidrs);
	add_ranges(p, "outbound, to an excluded range", &capture->outbound_exclude);
	add_ports(p, "outbound, to a listed port", &capture->outbound_ports);
	add_ports(p, "outbound, to an excluded port", &capture->outbound_exclude_ports);
}

/* Addresses come later: the neighbour's. */
static void add_inbound(const struct planning *p, const char *title, uint16_t port)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < array_len(families); i++)
		add(p, title, (struct connection){ .protocol = IPPROTO_TCP, .inbound = true }, NULL,
			(struct endpoint){ .family = families[i], .port = port });
}

static void plan_inbound(const struct planning *p)
{
	const struct ports *excluded = &p->workload->capture->inbound_exclude;

	for (size_t i = 0; i < p->workload->service->ports.n && i < OF_A_KIND_MAX; i++)
		add_inbound(p, "inbound, to a port of the service", p->workload->service->ports.items[i].target);
	for (size_t i = 0; i < excluded->list.n && i < OF_A_KIND_MAX; i++)
		if (!excluded->list.items[i].name)
			add_inbound(p, "inbound, to an excluded port", excluded->list.items[i].first);
	add_inbound(p, "inbound, to SSH", SSH_PORT);
}

/* Neither loopback nor link-local: 127.0.0.0/8, 169.254.0.0/16, ::1, fe80::/10. */
static bool is_reachable(const struct endpoint *e)
{
	const unsigned char *b = e->address;

	if (e->family == AF_INET)
		return b[0] != 127 && !(b[0] == 169 && b[1] == 254);
	return memcmp(b, build_loopback6, 16) != 0 && !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

void trials_plan(
	const struct site *site, const char *netns, const struct network *n, struct arena *a, struct trials *out)
{
	struct planning p = { .site = site, .arena = a, .out = out };

	vec_each (address, &n->addresses)
		p.families[address->family == AF_INET6] |= is_reachable(address);
	vec_each (w, &site->workloads) {
		if (!compile_captures(site, w) || !netns_same(w->service->netns, netns))
			continue;
		p.workload = w;
		plan_outbound(&p);
		plan_inbound(&p);
	}
}
