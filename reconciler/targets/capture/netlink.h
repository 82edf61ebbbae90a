/* A netlink socket of a network namespace: opening it, and asking the kernel (libmnl). */
#ifndef TARGETS_CAPTURE_NETLINK_H
#define TARGETS_CAPTURE_NETLINK_H

#include <libmnl/libmnl.h>

enum { READ_SIZE = 64 * 1024 };

struct netlink {
	struct mnl_socket *socket;
	uint32_t port, sequence;
};

/*
 * `bus`: NETLINK_ROUTE …; `groups`: bits of what it listens to besides. In the namespace of that path; NULL: that
 * of the calling thread. 0 or -errno. Free with netlink_free.
 */
int netlink_new(const char *netns, int bus, unsigned groups, struct netlink **out);
void netlink_free(struct netlink **link); /* NULL is fine */

/*
 * Sends a request, with the next sequence number, and hands each message of the answer to `on_message`, which sets
 * errno when it returns MNL_CB_ERROR (NULL: there is but an acknowledgement). 0 or -errno.
 */
int netlink_ask(struct netlink *link, struct nlmsghdr *request, mnl_cb_t on_message, void *context);

#endif
