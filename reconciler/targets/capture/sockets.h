/* The TCP and UDP sockets of a network namespace, through sock_diag(7). */
#ifndef TARGETS_CAPTURE_SOCKETS_H
#define TARGETS_CAPTURE_SOCKETS_H

#include "model/connection.h"

struct socket_found {
	struct endpoint local, remote; /* an IPv4 address in an IPv6 socket is shown as IPv4 */
	bool both;                     /* an IPv6 socket that takes IPv4, too */
	bool transparent;              /* IP_TRANSPARENT */
	bool waits;                    /* for connections, or datagrams of anybody */
};

struct sockets {
	vec_of(struct socket_found) list;
};

enum sockets_wanted { SOCKETS_WAITING, SOCKETS_CONNECTED };

/*
 * Of the calling thread's namespace. 0 or -errno; -ENOENT: this kernel does not tell. Source: linux/inet_diag.h,
 * net/ipv4/inet_diag.c.
 */
int sockets_read(uint8_t protocol, enum sockets_wanted wanted, struct arena *a, struct sockets *out);

#endif
