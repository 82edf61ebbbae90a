/*
 * The kernel's nf_tables through netlink (libmnl, libnftnl): reading the table `inet enmesh` and changing it in
 * one transaction. All functions return 0 or -errno and print nothing. Message format:
 * linux/netfilter/nf_tables.h.
 */
#ifndef TARGETS_CAPTURE_NFT_H
#define TARGETS_CAPTURE_NFT_H

#include "targets/capture/edit.h"
#include "targets/capture/ruleset.h"

struct nft;

/* In the network namespace of that path; NULL: that of the calling thread. Free with nft_free. */
int nft_new(const char *netns, struct nft **out);
void nft_free(struct nft **nft); /* NULL is fine */

/* The generation counter of the namespace: it grows with every change of any table. */
int nft_generation(struct nft *nft, uint32_t *out);

/*
 * Reads our table, normalized. -EINTR: it changed meanwhile; read again. -EPERM: CAP_NET_ADMIN is missing. A
 * missing table is a ruleset that is not present.
 */
int nft_read(struct nft *nft, struct arena *a, struct ruleset *out);

/*
 * Carries out the edits as one transaction, if the generation is still the given one: all or none. -ERESTART: it
 * is not. On an error of the kernel, `*failed` is the edit that it refused (NULL: the batch as a whole) and
 * `*reason` the kernel's own text, or NULL.
 */
int nft_commit(struct nft *nft, const struct edits *edits, uint32_t generation, struct arena *a,
	const struct edit **failed, const char **reason);

#endif
