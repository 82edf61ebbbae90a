/*
 * Policy routes of mode tproxy, through rtnetlink: a rule that sends marked packets to a routing table of its own,
 * and in it a local default route, so that they stay on this machine. Both carry our protocol number, by which
 * they are known to be ours. All functions return 0 or -errno. Message formats: linux/fib_rules.h,
 * linux/rtnetlink.h.
 */
#ifndef TARGETS_CAPTURE_ROUTE_H
#define TARGETS_CAPTURE_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/vec.h"
#include "model/connection.h"
#include "targets/capture/netlink.h"

/* Not among those of rt_protos(5); 'e'. */
enum { ROUTE_PROTOCOL = 101 };

/* Before the main table's 32766, behind what people set by hand. */
enum { ROUTE_RULE_PRIORITY = 32100 };

struct route {
	enum route_kind {
		ROUTE_TABLE, /* local default dev lo table TABLE */
		ROUTE_RULE,  /* fwmark MARK lookup TABLE */
	} kind;
	int family; /* AF_INET, AF_INET6 */
	uint32_t table, mark;
	uint32_t priority; /* of a rule; one more at another priority is not ours to keep */
};

struct routes {
	vec_of(struct route) list; /* normalized: sorted, each once */
};

void routes_normalize(struct routes *r);
int route_compare(const struct route *a, const struct route *b);
/* As the words of `ip rule` and `ip route`. */
const char *route_text(const struct route *r, struct arena *a);

/* A socket for what follows; as netlink_new. */
int route_new(const char *netns, struct netlink **out);

/* Reads ours, normalized. Routes are looked for only if there is a rule of ours, or `all` says so. */
int route_read(struct netlink *rtnl, bool all, struct arena *a, struct routes *out);

/* How a packet gets to a place. */
struct way {
	struct endpoint to;
	const uint32_t *user; /* whose it is; NULL: nobody's */
	uint32_t mark;
	unsigned interface;     /* index; 0: none */
	struct endpoint source; /* no family: none is preferred */
};

/* What `ip route get` says. -ENETUNREACH: there is no route. */
int route_find(struct netlink *rtnl, struct way *way);

/* Adding what is there, or removing what is not, is no error. */
int route_add(struct netlink *rtnl, const struct route *r);
int route_remove(struct netlink *rtnl, const struct route *r);

#endif
