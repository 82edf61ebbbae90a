/* What those share who write nf_tables messages: nft*.c, hold.c, leftover/nft.c. */
#ifndef TARGETS_CAPTURE_NFT_MESSAGE_H
#define TARGETS_CAPTURE_NFT_MESSAGE_H

#include <libnftnl/common.h>
#include <libnftnl/gen.h>

#include "targets/capture/netlink.h"
#include "targets/capture/nft.h"

/* Builds the header of a request in the buffer. Whoever sends it gives it its sequence number. */
struct nlmsghdr *nft_request(void *buffer, uint16_t type, uint8_t family, uint16_t flags);

#endif
