/* The rtnetlink socket that route.c and leftover/routing.c share. */
#ifndef TARGETS_CAPTURE_ROUTE_SOCKET_H
#define TARGETS_CAPTURE_ROUTE_SOCKET_H

#include <libmnl/libmnl.h>

#include "targets/capture/route.h"

enum { LOOPBACK = 1 }; /* the index of lo in every network namespace */

struct rtnl {
	struct mnl_socket *socket;
	uint32_t port, sequence;
};

/* Sends a request and hands each message of the answer to `on_message` (NULL: there is but an acknowledgement). 0
 * or -errno. */
int route_ask(struct rtnl *rtnl, struct nlmsghdr *request, mnl_cb_t on_message, void *context);

#endif
