#include "targets/capture/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "targets/capture/route_message.h"

struct reading {
	struct arena *arena;
	struct routes *out;
};

/* ---- data ---- */

int route_compare(const struct route *a, const struct route *b)
{
	if (a->kind != b->kind)
		return (a->kind > b->kind) - (a->kind < b->kind);
	if (a->family != b->family)
		return (a->family > b->family) - (a->family < b->family);
	if (a->table != b->table)
		return (a->table > b->table) - (a->table < b->table);
	if (a->mark != b->mark)
		return (a->mark > b->mark) - (a->mark < b->mark);
	return (a->priority > b->priority) - (a->priority < b->priority);
}

static int by_value(const void *left, const void *right)
{
	return route_compare(left, right);
}

void routes_normalize(struct routes *r)
{
	size_t n = 0;

	if (r->list.n)
		qsort(r->list.items, r->list.n, sizeof(*r->list.items), by_value);
	for (size_t i = 0; i < r->list.n; i++)
		if (!n || route_compare(&r->list.items[n - 1], &r->list.items[i]))
			r->list.items[n++] = r->list.items[i];
	r->list.n = n;
}

const char *route_text(const struct route *r, struct arena *a)
{
	const char *family = r->family == AF_INET6 ? "-6 " : "";

	if (r->kind == ROUTE_RULE && r->priority != ROUTE_RULE_PRIORITY)
		return arena_printf(a, "ip %srule pref %" PRIu32 " fwmark 0x%" PRIx32 " lookup %" PRIu32, family,
			r->priority, r->mark, r->table);
	if (r->kind == ROUTE_RULE)
		return arena_printf(
			a, "ip %srule fwmark 0x%" PRIx32 " lookup %" PRIu32, family, r->mark, r->table);
	return arena_printf(a, "ip %sroute local default dev lo table %" PRIu32, family, r->table);
}

/* ---- talking ---- */

int route_new(const char *netns, struct netlink **out)
{
	const int on = 1;
	int error = netlink_new(netns, NETLINK_ROUTE, 0, out);

	/* The kernel then filters dumps itself: a machine may have a million routes. */
	if (!error)
		setsockopt(
			mnl_socket_get_fd((*out)->socket), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return error;
}

/* ---- reading ---- */

static const struct nlattr *attribute_of(const struct nlmsghdr *message, size_t header, uint16_t type)
{
	struct nlattr *attribute; /* the macro takes no pointer to const */

	mnl_attr_for_each (attribute, message, (unsigned)header)
		if (mnl_attr_get_type(attribute) == type)
			return attribute;
	return NULL;
}

static uint32_t attribute_u32(const struct nlmsghdr *message, size_t header, uint16_t type)
{
	const struct nlattr *attribute = attribute_of(message, header, type);

	return attribute && mnl_attr_get_payload_len(attribute) == sizeof(uint32_t) ? mnl_attr_get_u32(attribute)
										    : 0;
}

static uint8_t attribute_u8(const struct nlmsghdr *message, size_t header, uint16_t type)
{
	const struct nlattr *attribute = attribute_of(message, header, type);

	return attribute && mnl_attr_get_payload_len(attribute) == sizeof(uint8_t) ? mnl_attr_get_u8(attribute)
										   : 0;
}

static int on_rule(const struct nlmsghdr *message, void *context)
{
	const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(message);
	struct reading *r = context;
	struct route rule = { .kind = ROUTE_RULE, .family = header->family };

	if (attribute_u8(message, sizeof(*header), FRA_PROTOCOL) != ROUTE_PROTOCOL)
		return MNL_CB_OK;
	rule.mark = attribute_u32(message, sizeof(*header), FRA_FWMARK);
	rule.table = attribute_u32(message, sizeof(*header), FRA_TABLE);
	rule.priority = attribute_u32(message, sizeof(*header), FRA_PRIORITY);
	*vec_push(r->arena, &r->out->list) = rule;
	return MNL_CB_OK;
}

static int on_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct reading *r = context;

	if (header->rtm_protocol == ROUTE_PROTOCOL)
		*vec_push(r->arena, &r->out->list) = (struct route){
			.kind = ROUTE_TABLE,
			.family = header->rtm_family,
			.table = attribute_u32(message, sizeof(*header), RTA_TABLE),
		};
	return MNL_CB_OK;
}

static int read_rules(struct netlink *rtnl, int family, struct reading *r)
{
	alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct fib_rule_hdr *header;

	request->nlmsg_type = RTM_GETRULE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->family = (uint8_t)family;
	return netlink_ask(rtnl, request, on_rule, r);
}

static int read_routes(struct netlink *rtnl, int family, struct reading *r)
{
	alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *header;

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->rtm_family = (uint8_t)family;
	header->rtm_protocol = ROUTE_PROTOCOL;
	return netlink_ask(rtnl, request, on_route, r);
}

int route_read(struct netlink *rtnl, bool all, struct arena *a, struct routes *out)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct reading r = { a, out };

	for (size_t i = 0; i < array_len(families); i++) {
		int error = read_rules(rtnl, families[i], &r);

		/* A kernel without IPv6 has nothing of ours there. */
		if (error && error != -EAFNOSUPPORT && error != -EOPNOTSUPP)
			return error;
	}
	for (size_t i = 0; (all || out->list.n) && i < array_len(families); i++) {
		int error = read_routes(rtnl, families[i], &r);

		if (error && error != -EAFNOSUPPORT && error != -EOPNOTSUPP)
			return error;
	}
	routes_normalize(out);
	return 0;
}

static int on_way(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *source = attribute_of(message, sizeof(*header), RTA_PREFSRC);
	struct way *way = context;

	way->interface = attribute_u32(message, sizeof(*header), RTA_OIF);
	if (source && mnl_attr_get_payload_len(source) <= sizeof(way->source.address)) {
		way->source.family = header->rtm_family;
		memcpy(way->source.address, mnl_attr_get_payload(source), mnl_attr_get_payload_len(source));
	}
	return MNL_CB_OK;
}

int route_find(struct netlink *rtnl, struct way *way)
{
	alignas(struct nlmsghdr) char buffer[256] = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	bool v6 = way->to.family == AF_INET6;
	struct rtmsg *header;

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->rtm_family = (uint8_t)way->to.family;
	header->rtm_dst_len = v6 ? 128 : 32;
	mnl_attr_put(request, RTA_DST, v6 ? 16 : 4, way->to.address);
	if (way->mark)
		mnl_attr_put_u32(request, RTA_MARK, way->mark);
	if (way->user)
		mnl_attr_put_u32(request, RTA_UID, *way->user);
	return netlink_ask(rtnl, request, on_way, way);
}

/* ---- writing ---- */

static void put_rule(struct nlmsghdr *m, const struct route *r, bool add)
{
	struct fib_rule_hdr *header = mnl_nlmsg_put_extra_header(m, sizeof(*header));

	m->nlmsg_type = add ? RTM_NEWRULE : RTM_DELRULE;
	header->family = (uint8_t)r->family;
	header->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(m, FRA_FWMARK, r->mark);
	mnl_attr_put_u32(m, FRA_FWMASK, UINT32_MAX);
	mnl_attr_put_u32(m, FRA_TABLE, r->table);
	mnl_attr_put_u32(m, FRA_PRIORITY, r->priority);
	mnl_attr_put_u8(m, FRA_PROTOCOL, ROUTE_PROTOCOL);
}

static void put_route(struct nlmsghdr *m, const struct route *r, bool add)
{
	struct rtmsg *header = mnl_nlmsg_put_extra_header(m, sizeof(*header));

	m->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
	header->rtm_family = (uint8_t)r->family;
	header->rtm_table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC;
	header->rtm_protocol = ROUTE_PROTOCOL;
	header->rtm_scope = r->family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	header->rtm_type = RTN_LOCAL;
	mnl_attr_put_u32(m, RTA_TABLE, r->table);
	mnl_attr_put_u32(m, RTA_OIF, LOOPBACK);
	/* Another mesh's route in the same table is another route, by its metric: both can come and go. */
	mnl_attr_put_u32(m, RTA_PRIORITY, ROUTE_PROTOCOL);
}

static int change(struct netlink *rtnl, const struct route *r, bool add)
{
	alignas(struct nlmsghdr) char buffer[512];
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	int error;

	m->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	if (r->kind == ROUTE_RULE)
		put_rule(m, r, add);
	else
		put_route(m, r, add);
	error = netlink_ask(rtnl, m, NULL, NULL);
	if (add)
		return error == -EEXIST ? 0 : error;
	return error == -ENOENT || error == -ESRCH ? 0 : error;
}

int route_add(struct netlink *rtnl, const struct route *r)
{
	return change(rtnl, r, true);
}

int route_remove(struct netlink *rtnl, const struct route *r)
{
	return change(rtnl, r, false);
}
