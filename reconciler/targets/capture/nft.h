/*
 * The kernel's nf_tables through netlink (libmnl, libnftnl): reading the table `inet enmesh` and changing it in
 * one transaction. All functions return 0 or -errno and print nothing. Message format:
 * linux/netfilter/nf_tables.h.
 */
#ifndef TARGETS_CAPTURE_NFT_H
#define TARGETS_CAPTURE_NFT_H

#include "targets/capture/edit.h"
#include "targets/capture/netlink.h"
#include "targets/capture/ruleset.h"

/* A socket that takes large batches; as netlink_new. */
int nft_new(const char *netns, struct netlink **out);

/* The generation counter of the namespace: it grows with every change of any table. */
int nft_generation(struct netlink *nft, uint32_t *out);

/*
 * Reads our table, normalized. -EINTR: it changed meanwhile; read again. -EPERM: CAP_NET_ADMIN is missing. A
 * missing table is a ruleset that is not present.
 */
int nft_read(struct netlink *nft, struct arena *a, struct ruleset *out);

/*
 * Carries out the edits as one transaction, if the generation is still the given one: all or none. -ERESTART: it
 * is not. On an error of the kernel, `*failed` is the edit that it refused (NULL: the batch as a whole) and
 * `*reason` the kernel's own text, or NULL.
 */
int nft_commit(struct netlink *nft, const struct edits *edits, uint32_t generation, struct arena *a,
	const struct edit **failed, const char **reason);

#endif
