#include "targets/capture/sockets.h"

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdalign.h>
#include <string.h>

#include "targets/capture/netlink.h"

struct reading {
	struct arena *arena;
	struct sockets *out;
};

static struct endpoint endpoint_of(int family, const uint32_t *address, uint16_t port)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct endpoint e = { .family = family, .port = ntohs(port) };

	memcpy(e.address, address, sizeof(e.address));
	if (family == AF_INET) {
		memset(e.address + 4, 0, 12);
	} else if (!memcmp(e.address, mapped, sizeof(mapped))) {
		e.family = AF_INET;
		memcpy(e.address, e.address + 12, 4);
		memset(e.address + 4, 0, 12);
	}
	return e;
}

static int on_socket(const struct nlmsghdr *message, void *context)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(message);
	struct inet_diag_sockopt options = { 0 };
	struct nlattr *attribute;
	struct reading *r = context;
	bool only6 = false;
	struct socket_found *s;

	mnl_attr_for_each (attribute, message, sizeof(*m)) {
		uint16_t type = mnl_attr_get_type(attribute);

		if (type == INET_DIAG_SKV6ONLY)
			only6 = mnl_attr_get_u8(attribute);
		else if (type == INET_DIAG_SOCKOPT && mnl_attr_get_payload_len(attribute) >= sizeof(options))
			memcpy(&options, mnl_attr_get_payload(attribute), sizeof(options));
	}
	s = vec_push(r->arena, &r->out->list);
	*s = (struct socket_found){ .local = endpoint_of(m->idiag_family, m->id.idiag_src, m->id.idiag_sport),
		.remote = endpoint_of(m->idiag_family, m->id.idiag_dst, m->id.idiag_dport),
		.both = m->idiag_family == AF_INET6 && !only6,
		.transparent = options.transparent };
	s->waits = !s->remote.port;
	return MNL_CB_OK;
}

static int read_family(struct netlink *link, uint8_t family, uint8_t protocol, uint32_t states, struct reading *r)
{
	alignas(struct nlmsghdr) char buffer[256] = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *body;

	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	body->sdiag_family = family;
	body->sdiag_protocol = protocol;
	body->idiag_states = states;
	return netlink_ask(link, request, on_socket, r);
}

int sockets_read(uint8_t protocol, enum sockets_wanted wanted, struct arena *a, struct sockets *out)
{
	scoped(netlink_free) struct netlink *link = NULL;
	/* UDP has no listening: a socket without a peer is as one that is closed. */
	uint32_t waiting = protocol == IPPROTO_TCP ? 1U << TCP_LISTEN : 1U << TCP_CLOSE;
	uint32_t connected = 1U << TCP_ESTABLISHED | 1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 |
			     1U << TCP_TIME_WAIT | 1U << TCP_CLOSE_WAIT | 1U << TCP_LAST_ACK | 1U << TCP_CLOSING;
	uint32_t states = wanted == SOCKETS_WAITING ? waiting : connected;
	struct reading r = { a, out };
	int error = netlink_new(NULL, NETLINK_SOCK_DIAG, 0, &link);

	if (!error)
		error = read_family(link, AF_INET, protocol, states, &r);
	return error ? error : read_family(link, AF_INET6, protocol, states, &r);
}
