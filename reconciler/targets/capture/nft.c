#include "targets/capture/nft.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdalign.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "targets/capture/nft_message.h"

/* A batch of 5,000 services is 1.4 MB, and the kernel takes it in one sendto or refuses with EMSGSIZE. */
enum { SEND_BUFFER = 64 * 1024 * 1024 };

int nft_new(const char *netns, struct netlink **out)
{
	const int on = 1, size = SEND_BUFFER;
	int error = netlink_new(netns, NETLINK_NETFILTER, 0, out), fd;

	if (error)
		return error;
	fd = mnl_socket_get_fd((*out)->socket);
	/* Without CAP_NET_ADMIN the first fails; small batches go through all the same. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

struct nlmsghdr *nft_request(void *buffer, uint16_t type, uint8_t family, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(buffer, type, family, flags, 0);
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

int nft_generation(struct netlink *nft, uint32_t *out)
{
	alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *request = nft_request(buffer, NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0);

	return netlink_ask(nft, request, on_generation, out);
}
