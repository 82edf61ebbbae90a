/* The netlink socket that nft.c, nft_read.c and nft_write.c share. */
#ifndef TARGETS_CAPTURE_NFT_SOCKET_H
#define TARGETS_CAPTURE_NFT_SOCKET_H

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/gen.h>

#include "targets/capture/nft.h"

enum { READ_SIZE = 64 * 1024 };

struct nft {
	struct mnl_socket *socket;
	uint32_t port, sequence;
};

/* Builds the header of a request of family inet in the buffer. */
struct nlmsghdr *nft_request(struct nft *nft, void *buffer, uint16_t type, uint16_t flags);

/* Sends a request and hands each message of the answer to `on_message`, which sets errno when it returns
 * MNL_CB_ERROR. */
int nft_ask(struct nft *nft, struct nlmsghdr *request, mnl_cb_t on_message, void *context);

#endif
