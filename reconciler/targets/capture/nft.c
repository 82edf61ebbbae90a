#include "targets/capture/nft.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/netns.h"
#include "targets/capture/nft_socket.h"

/* A batch of 5,000 services is 1.4 MB, and the kernel takes it in one sendto or refuses with EMSGSIZE. */
enum { SEND_BUFFER = 64 * 1024 * 1024 };

int nft_new(const char *netns, struct nft **out)
{
	const int on = 1, size = SEND_BUFFER;
	scoped(netns_leave) int back = -1;
	int error = netns_enter(netns, &back), fd;
	struct nft *nft;

	if (error)
		return error;
	nft = mem_alloc(sizeof(*nft));
	nft->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!nft->socket || mnl_socket_bind(nft->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		error = errno;
		nft_free(&nft);
		return -error;
	}
	fd = mnl_socket_get_fd(nft->socket);
	nft->port = mnl_socket_get_portid(nft->socket);
	/* Without CAP_NET_ADMIN the first fails; small batches go through all the same. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	*out = nft;
	return 0;
}

void nft_free(struct nft **nft)
{
	if (*nft && (*nft)->socket)
		mnl_socket_close((*nft)->socket);
	free(*nft);
	*nft = NULL;
}

int nft_ask(struct nft *nft, struct nlmsghdr *request, mnl_cb_t on_message, void *context)
{
	alignas(struct nlmsghdr) char buffer[READ_SIZE];
	int more;

	if (mnl_socket_sendto(nft->socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(nft->socket, buffer, sizeof(buffer));

		if (n < 0)
			return -errno;
		more = mnl_cb_run(buffer, (size_t)n, request->nlmsg_seq, nft->port, on_message, context);
	} while (more > MNL_CB_STOP);
	return more < 0 ? -errno : 0;
}

struct nlmsghdr *nft_request(struct nft *nft, void *buffer, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(buffer, type, NFPROTO_INET, flags, ++nft->sequence);
}

static int on_generation(const struct nlmsghdr *message, void *context)
{
	struct nftnl_gen *gen = nftnl_gen_alloc();
	int ok;

	if (!gen)
		mem_exhausted();
	ok = nftnl_gen_nlmsg_parse(message, gen);
	if (ok == 0)
		*(uint32_t *)context = nftnl_gen_get_u32(gen, NFTNL_GEN_ID);
	nftnl_gen_free(gen);
	return ok < 0 ? MNL_CB_ERROR : MNL_CB_STOP;
}

int nft_generation(struct nft *nft, uint32_t *out)
{
	alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *request =
		nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0, ++nft->sequence);

	return nft_ask(nft, request, on_generation, out);
}
