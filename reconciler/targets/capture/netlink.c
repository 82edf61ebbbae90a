#include "targets/capture/netlink.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/netns.h"

int netlink_new(const char *netns, int bus, unsigned groups, struct netlink **out)
{
	scoped(netns_leave) int back = -1;
	int error = netns_enter(netns, &back);
	struct netlink *link;

	if (error)
		return error;
	link = mem_alloc(sizeof(*link));
	link->socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!link->socket || mnl_socket_bind(link->socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		error = errno;
		netlink_free(&link);
		return -error;
	}
	link->port = mnl_socket_get_portid(link->socket);
	*out = link;
	return 0;
}

void netlink_free(struct netlink **link)
{
	if (*link && (*link)->socket)
		mnl_socket_close((*link)->socket);
	free(*link);
	*link = NULL;
}

int netlink_ask(struct netlink *link, struct nlmsghdr *request, mnl_cb_t on_message, void *context)
{
	alignas(struct nlmsghdr) char buffer[READ_SIZE];
	int more;

	request->nlmsg_seq = ++link->sequence;
	if (mnl_socket_sendto(link->socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(link->socket, buffer, sizeof(buffer));

		if (n < 0)
			return -errno;
		more = mnl_cb_run(buffer, (size_t)n, request->nlmsg_seq, link->port, on_message, context);
	} while (more > MNL_CB_STOP);
	return more < 0 ? -errno : 0;
}
