/* What those share who write rtnetlink messages: route.c, neighbour.c, leftover/routing.c. */
#ifndef TARGETS_CAPTURE_ROUTE_MESSAGE_H
#define TARGETS_CAPTURE_ROUTE_MESSAGE_H

#include "targets/capture/netlink.h"
#include "targets/capture/route.h"

enum { LOOPBACK = 1 }; /* the index of lo in every network namespace */

#endif
