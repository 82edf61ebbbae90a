/* A rule as the kernel tells it, in its typed form: expressions that load and compare registers become statements.
 */
#ifndef TARGETS_CAPTURE_NFT_DECODE_H
#define TARGETS_CAPTURE_NFT_DECODE_H

#include <libnftnl/rule.h>

#include "targets/capture/ruleset.h"

/*
 * Fills a rule of zeros, all in the arena. One with an expression that the form does not know is foreign: its text
 * is libnftnl's, and its statements are those before that expression.
 */
void nft_decode(struct nftnl_rule *from, struct arena *a, struct rule *to);

/* The comment that nft and iptables put into a rule; NULL: it has none. */
const char *nft_comment(struct nftnl_rule *rule, struct arena *a);
/* False: not one of that type. */
bool nft_copy_value(struct value *to, const void *data, uint32_t size, enum type type);
/* False: the form has no word for that verdict. */
bool nft_verdict(uint32_t code, enum verdict *out);

#endif
