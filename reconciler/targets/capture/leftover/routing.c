#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>

#include "targets/capture/leftover/old.h"
#include "targets/capture/route_message.h"

/* What people and scripts add, not a routing daemon and not enmesh, which both put in a number of their own. */
static bool is_handmade(uint8_t protocol)
{
	return protocol == RTPROT_UNSPEC || protocol == RTPROT_BOOT || protocol == RTPROT_STATIC;
}

/* ---- policy rules ---- */

struct reading {
	struct arena *arena;
	struct leftovers *out;
};

/* False: the rule asks for more than a mark. */
static bool read_attribute(const struct nlattr *attribute, struct old_lookup *l, uint32_t *mask)
{
	bool number = mnl_attr_get_payload_len(attribute) >= sizeof(uint32_t);

	switch (mnl_attr_get_type(attribute)) {
	case FRA_FWMARK:
		l->mark = number ? mnl_attr_get_u32(attribute) : 0;
		return number;
	case FRA_FWMASK:
		*mask = number ? mnl_attr_get_u32(attribute) : 0;
		return number;
	case FRA_TABLE:
		l->table = number ? mnl_attr_get_u32(attribute) : 0;
		return number;
	case FRA_PRIORITY:
		l->priority = number ? mnl_attr_get_u32(attribute) : 0;
		return number;
	case FRA_PROTOCOL:
		return is_handmade(mnl_attr_get_u8(attribute));
	case FRA_SUPPRESS_PREFIXLEN:
		return number && mnl_attr_get_u32(attribute) == UINT32_MAX;
	case FRA_UNSPEC:
	case FRA_PAD:
		return true;
	default:
		return false;
	}
}

static int on_rule(const struct nlmsghdr *message, void *context)
{
	const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(message);
	struct old_lookup l = { .family = header->family, .table = header->table };
	struct nlattr *attribute; /* the macro takes no pointer to const */
	struct reading *r = context;
	uint32_t mask = UINT32_MAX;

	l.plain = header->action == FR_ACT_TO_TBL && !header->src_len && !header->dst_len && !header->tos &&
		  !(header->flags & FIB_RULE_INVERT);
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		if (mnl_attr_get_type(attribute) == FRA_PROTOCOL && mnl_attr_get_u8(attribute) == ROUTE_PROTOCOL)
			return MNL_CB_OK;
		l.plain &= read_attribute(attribute, &l, &mask);
	}
	l.plain &= l.mark && mask == UINT32_MAX;
	if (header->family == AF_INET || header->family == AF_INET6)
		*vec_push(r->arena, &r->out->lookups) = l;
	return MNL_CB_OK;
}

/* ---- the route ---- */

struct old_route {
	uint32_t table;
	bool found;
	uint8_t protocol, scope;
	uint32_t priority;
};

static int on_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	uint32_t table = header->rtm_table, interface = 0, priority = 0;
	struct nlattr *attribute; /* the macro takes no pointer to const */
	struct old_route *wanted = context;

	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		if (mnl_attr_validate(attribute, MNL_TYPE_U32) < 0)
			continue;
		if (mnl_attr_get_type(attribute) == RTA_TABLE)
			table = mnl_attr_get_u32(attribute);
		if (mnl_attr_get_type(attribute) == RTA_OIF)
			interface = mnl_attr_get_u32(attribute);
		if (mnl_attr_get_type(attribute) == RTA_PRIORITY)
			priority = mnl_attr_get_u32(attribute);
	}
	if (message->nlmsg_type != RTM_NEWROUTE || table != wanted->table || interface != LOOPBACK ||
		header->rtm_type != RTN_LOCAL || header->rtm_dst_len || header->rtm_src_len ||
		!is_handmade(header->rtm_protocol))
		return MNL_CB_OK;
	wanted->found = true;
	wanted->protocol = header->rtm_protocol;
	wanted->scope = header->rtm_scope;
	wanted->priority = priority;
	return MNL_CB_OK;
}

static struct nlmsghdr *route_request(void *buffer, uint8_t family, uint32_t table, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct rtmsg *header;

	m->nlmsg_type = type;
	m->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	header = mnl_nlmsg_put_extra_header(m, sizeof(*header));
	header->rtm_family = family;
	header->rtm_table = RT_TABLE_UNSPEC;
	mnl_attr_put_u32(m, RTA_TABLE, table);
	return m;
}

/* A table without routes does not exist. */
static int read_route(struct netlink *rtnl, const struct old_lookup *l, struct old_route *out)
{
	alignas(struct nlmsghdr) char buffer[256];
	int error;

	*out = (struct old_route){ .table = l->table };
	error = netlink_ask(
		rtnl, route_request(buffer, l->family, l->table, RTM_GETROUTE, NLM_F_DUMP), on_route, out);
	return error == -ENOENT ? 0 : error;
}

static int remove_route(struct netlink *rtnl, const struct old_lookup *l, const struct old_route *route)
{
	alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *m = route_request(buffer, l->family, l->table, RTM_DELROUTE, NLM_F_ACK);
	struct rtmsg *header = mnl_nlmsg_get_payload(m);
	int error;

	header->rtm_type = RTN_LOCAL;
	header->rtm_scope = route->scope;
	/* Of two routes that are alike, the kernel takes the one of this protocol. */
	header->rtm_protocol = route->protocol;
	mnl_attr_put_u32(m, RTA_OIF, LOOPBACK);
	if (route->priority)
		mnl_attr_put_u32(m, RTA_PRIORITY, route->priority);
	error = netlink_ask(rtnl, m, NULL, NULL);
	return error == -ESRCH || error == -ENOENT ? 0 : error;
}

/* ---- all ---- */

int leftover_read_rules(struct netlink *rtnl, struct arena *a, struct leftovers *out)
{
	alignas(struct nlmsghdr) char buffer[256];
	struct reading r = { a, out };
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);

	m->nlmsg_type = RTM_GETRULE;
	m->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(m, sizeof(struct fib_rule_hdr));
	return netlink_ask(rtnl, m, on_rule, &r);
}

/* Whether a rule of somebody else, or a later one of the same mesh, leads to the same table. */
static bool leads_on(const struct leftovers *l, size_t at)
{
	const struct old_lookup *this = &l->lookups.items[at];

	for (size_t i = 0; i < l->lookups.n; i++) {
		const struct old_lookup *other = &l->lookups.items[i];

		if (other->family == this->family && other->table == this->table &&
			(!other->mesh || (i > at && other->mesh == this->mesh)))
			return true;
	}
	return false;
}

int leftover_read_routes(struct netlink *rtnl, struct leftovers *l)
{
	vec_each (it, &l->lookups) {
		struct old_route route;
		int error = it->mesh ? read_route(rtnl, it, &route) : 0;

		if (error)
			return error;
		if (!it->mesh)
			continue;
		if (!route.found && !it->sure)
			it->mesh = NULL;
		it->last = route.found;
	}
	for (size_t i = 0; i < l->lookups.n; i++)
		if (l->lookups.items[i].last && leads_on(l, i))
			l->lookups.items[i].last = false;
	return 0;
}

/* The route first: a rule that leads to an empty table is recognised again, a route that nothing leads to is not.
 */
int leftover_remove_routing(struct netlink *rtnl, const struct old_lookup *l)
{
	alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct fib_rule_hdr *header;
	struct old_route route = { 0 };
	int error = l->last ? read_route(rtnl, l, &route) : 0;

	if (!error && route.found)
		error = remove_route(rtnl, l, &route);
	if (error)
		return error;
	m->nlmsg_type = RTM_DELRULE;
	m->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header = mnl_nlmsg_put_extra_header(m, sizeof(*header));
	header->family = l->family;
	header->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(m, FRA_PRIORITY, l->priority);
	mnl_attr_put_u32(m, FRA_FWMARK, l->mark);
	mnl_attr_put_u32(m, FRA_FWMASK, UINT32_MAX);
	mnl_attr_put_u32(m, FRA_TABLE, l->table);
	error = netlink_ask(rtnl, m, NULL, NULL);
	return error == -ENOENT ? 0 : error;
}
