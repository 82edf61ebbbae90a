#include <arpa/inet.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_CONNMARK.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_MARK.h>
#include <linux/netfilter/xt_TPROXY.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <string.h>

#include "targets/capture/leftover/old.h"

/* ---- values ---- */

void old_add_part(struct old_rule *r, enum part_field field, bool negated, const char *module, const char *value,
	struct arena *a)
{
	*vec_push(a, &r->parts) = (struct old_part){ field, negated, module, value };
}

const char *old_protocol(uint8_t number, struct arena *a)
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = { { IPPROTO_ICMP, "icmp" }, { IPPROTO_TCP, "tcp" }, { IPPROTO_UDP, "udp" },
		{ IPPROTO_ICMPV6, "ipv6-icmp" }, { IPPROTO_SCTP, "sctp" } };

	for (size_t i = 0; i < array_len(names); i++)
		if (names[i].number == number)
			return names[i].name;
	return arena_printf(a, "%u", number);
}

/* The length of a prefix, or -1 if the mask is none. */
static int prefix_length(const unsigned char *mask, int size)
{
	int n = 0;

	while (n < size * 8 && mask[n / 8] & 0x80 >> n % 8)
		n++;
	for (int i = n; i < size * 8; i++)
		if (mask[i / 8] & 0x80 >> i % 8)
			return -1;
	return n;
}

const char *old_address(int family, const void *address, const void *mask, struct arena *a)
{
	char text[INET6_ADDRSTRLEN], mask_text[INET6_ADDRSTRLEN];
	int n = prefix_length(mask, family == AF_INET ? 4 : 16);

	inet_ntop(family, address, text, sizeof(text));
	if (n >= 0)
		return arena_printf(a, "%s/%d", text, n);
	inet_ntop(family, mask, mask_text, sizeof(mask_text));
	return arena_printf(a, "%s/%s", text, mask_text);
}

const char *old_masked(uint32_t value, uint32_t mask, struct arena *a)
{
	return mask == UINT32_MAX ? arena_printf(a, "0x%x", value) : arena_printf(a, "0x%x/0x%x", value, mask);
}

static const char *range(uint32_t first, uint32_t last, char between, struct arena *a)
{
	return first == last ? arena_printf(a, "%u", first) : arena_printf(a, "%u%c%u", first, between, last);
}

/* ---- matches ---- */

struct reading {
	struct old_rule *rule;
	const struct old_extension *extension;
	int family; /* AF_INET or AF_INET6; of a target */
	struct arena *arena;
};

static void add_ports(struct reading *r, enum part_field field, const uint16_t ports[2], bool negated)
{
	if (ports[0] || ports[1] != UINT16_MAX || negated)
		old_add_part(r->rule, field, negated, r->extension->name, range(ports[0], ports[1], ':', r->arena),
			r->arena);
}

static bool read_tcp(struct reading *r)
{
	const struct xt_tcp *tcp = r->extension->data;

	if (tcp->option || tcp->flg_mask || tcp->flg_cmp)
		return false;
	add_ports(r, PART_SPORT, tcp->spts, tcp->invflags & XT_TCP_INV_SRCPT);
	add_ports(r, PART_DPORT, tcp->dpts, tcp->invflags & XT_TCP_INV_DSTPT);
	return true;
}

static bool read_udp(struct reading *r)
{
	const struct xt_udp *udp = r->extension->data;

	add_ports(r, PART_SPORT, udp->spts, udp->invflags & XT_UDP_INV_SRCPT);
	add_ports(r, PART_DPORT, udp->dpts, udp->invflags & XT_UDP_INV_DSTPT);
	return true;
}

static bool read_multiport(struct reading *r)
{
	const struct xt_multiport_v1 *multi = r->extension->data;
	struct str list = { .arena = r->arena };

	if (multi->flags == XT_MULTIPORT_EITHER || multi->count > XT_MULTI_PORTS)
		return false;
	for (unsigned i = 0; i < multi->count; i++) {
		bool spans = multi->pflags[i] && i + 1 < multi->count;

		str_printf(&list, "%s%s", list.n ? "," : "",
			range(multi->ports[i], multi->ports[i + spans], ':', r->arena));
		i += spans;
	}
	old_add_part(r->rule, multi->flags == XT_MULTIPORT_SOURCE ? PART_SPORT : PART_DPORT, multi->invert,
		"multiport", str_text(&list), r->arena);
	return true;
}

static bool read_owner(struct reading *r)
{
	const struct xt_owner_match_info *owner = r->extension->data;

	if (owner->match & ~(XT_OWNER_UID | XT_OWNER_GID))
		return false;
	if (owner->match & XT_OWNER_UID)
		old_add_part(r->rule, PART_USER, owner->invert & XT_OWNER_UID, "owner",
			range(owner->uid_min, owner->uid_max, '-', r->arena), r->arena);
	if (owner->match & XT_OWNER_GID)
		old_add_part(r->rule, PART_GROUP, owner->invert & XT_OWNER_GID, "owner",
			range(owner->gid_min, owner->gid_max, '-', r->arena), r->arena);
	return true;
}

static bool read_mark(struct reading *r)
{
	const struct xt_mark_mtinfo1 *mark = r->extension->data;

	old_add_part(
		r->rule, PART_MARK, mark->invert, "mark", old_masked(mark->mark, mark->mask, r->arena), r->arena);
	return true;
}

static bool read_connmark(struct reading *r)
{
	const struct xt_connmark_mtinfo1 *mark = r->extension->data;

	old_add_part(r->rule, PART_CT_MARK, mark->invert, "connmark", old_masked(mark->mark, mark->mask, r->arena),
		r->arena);
	return true;
}

/* In the order of iptables-save. */
static const char *states(unsigned mask, struct arena *a)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = { { XT_CONNTRACK_STATE_INVALID, "INVALID" }, { XT_CONNTRACK_STATE_BIT(IP_CT_NEW), "NEW" },
		{ XT_CONNTRACK_STATE_BIT(IP_CT_RELATED), "RELATED" },
		{ XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED), "ESTABLISHED" },
		{ XT_CONNTRACK_STATE_UNTRACKED, "UNTRACKED" }, { XT_CONNTRACK_STATE_SNAT, "SNAT" },
		{ XT_CONNTRACK_STATE_DNAT, "DNAT" } };
	struct str list = { .arena = a };

	for (size_t i = 0; i < array_len(names); i++)
		if (mask & names[i].bit)
			str_printf(&list, "%s%s", list.n ? "," : "", names[i].name);
	return str_text(&list);
}

/* Revisions 2 and 3 have a wider state_mask at the place where revision 1 has a byte. */
static bool read_conntrack(struct reading *r)
{
	const struct xt_conntrack_mtinfo1 *narrow = r->extension->data;
	const struct xt_conntrack_mtinfo2 *wide = r->extension->data;
	unsigned mask = r->extension->revision == 1 ? narrow->state_mask : wide->state_mask;

	if ((narrow->match_flags & ~XT_CONNTRACK_STATE_ALIAS) != XT_CONNTRACK_STATE)
		return false;
	/* `-m state` is an alias nowadays. */
	old_add_part(r->rule, PART_CT_STATE, narrow->invert_flags & XT_CONNTRACK_STATE,
		narrow->match_flags & XT_CONNTRACK_STATE_ALIAS ? "state" : "conntrack", states(mask, r->arena),
		r->arena);
	return true;
}

static bool read_state(struct reading *r)
{
	const struct xt_state_info *state = r->extension->data;

	old_add_part(r->rule, PART_CT_STATE, false, "state", states(state->statemask, r->arena), r->arena);
	return true;
}

static bool read_comment(struct reading *r)
{
	const struct xt_comment_info *comment = r->extension->data;

	old_add_part(r->rule, PART_COMMENT, false, "comment",
		arena_strndup(r->arena, comment->comment, strnlen(comment->comment, sizeof(comment->comment))),
		r->arena);
	return true;
}

static const struct {
	const char *name;
	uint8_t first, last; /* revisions */
	size_t size;
	bool (*read)(struct reading *r);
} matches[] = {
	{ "tcp", 0, 0, sizeof(struct xt_tcp), read_tcp },
	{ "udp", 0, 0, sizeof(struct xt_udp), read_udp },
	{ "multiport", 1, 1, sizeof(struct xt_multiport_v1), read_multiport },
	{ "owner", 1, 1, sizeof(struct xt_owner_match_info), read_owner },
	{ "mark", 1, 1, sizeof(struct xt_mark_mtinfo1), read_mark },
	{ "connmark", 1, 1, sizeof(struct xt_connmark_mtinfo1), read_connmark },
	{ "conntrack", 1, 1, sizeof(struct xt_conntrack_mtinfo1), read_conntrack },
	{ "conntrack", 2, 3, sizeof(struct xt_conntrack_mtinfo2), read_conntrack },
	{ "state", 0, 0, sizeof(struct xt_state_info), read_state },
	{ "comment", 0, 0, sizeof(struct xt_comment_info), read_comment },
};

/* The data may be longer than the structure: it is padded. It need not be aligned like it. */
static const void *aligned(const struct old_extension *e, struct arena *a)
{
	return arena_dup(a, e->data, e->size);
}

void old_read_match(struct old_rule *r, const struct old_extension *e, struct arena *a)
{
	struct old_extension copy = { e->name, e->revision, aligned(e, a), e->size };
	struct reading reading = { r, &copy, AF_UNSPEC, a };

	for (size_t i = 0; i < array_len(matches); i++)
		if (!strcmp(matches[i].name, e->name) && e->revision >= matches[i].first &&
			e->revision <= matches[i].last && e->size >= matches[i].size && matches[i].read(&reading))
			return;
	r->partly = true;
	old_add_part(r, PART_OTHER, false, NULL, arena_printf(a, "-m %s", e->name), a);
}

/* ---- targets ---- */

static bool target_mark(struct reading *r)
{
	const struct xt_mark_tginfo2 *mark = r->extension->data;

	r->rule->action = OLD_SET_MARK;
	/* `--set-xmark V/M`: the bits of M are cleared, then those of V flipped. */
	r->rule->mark = old_masked(mark->mark, mark->mask, r->arena);
	r->rule->options = arena_printf(r->arena, "--set-xmark 0x%x/0x%x", mark->mark, mark->mask);
	return true;
}

/* The mode is at another place in revision 2, which can shift. */
static bool target_connmark(struct reading *r)
{
	const struct xt_connmark_tginfo1 *mark = r->extension->data;
	const struct xt_connmark_tginfo2 *shifting = r->extension->data;
	bool shifts = r->extension->revision >= 2;
	uint8_t mode = shifts ? shifting->mode : mark->mode;

	if ((shifts && shifting->shift_bits) || (mode != XT_CONNMARK_SAVE && mode != XT_CONNMARK_RESTORE))
		return false;
	r->rule->action = mode == XT_CONNMARK_SAVE ? OLD_SAVE_MARK : OLD_RESTORE_MARK;
	r->rule->options = arena_printf(r->arena, "--%s-mark --nfmask 0x%x --ctmask 0x%x",
		mode == XT_CONNMARK_SAVE ? "save" : "restore", mark->nfmask, mark->ctmask);
	return true;
}

static bool target_tproxy(struct reading *r)
{
	const struct xt_tproxy_target_info_v1 *to = r->extension->data;
	char address[INET6_ADDRSTRLEN];

	inet_ntop(r->family, &to->laddr, address, sizeof(address));
	r->rule->action = OLD_TPROXY;
	r->rule->to = arena_printf(r->arena, "%u", ntohs(to->lport));
	r->rule->mark = old_masked(to->mark_value, to->mark_mask, r->arena);
	r->rule->options = arena_printf(r->arena, "--on-port %s --on-ip %s --tproxy-mark 0x%x/0x%x", r->rule->to,
		address, to->mark_value, to->mark_mask);
	return true;
}

static bool target_ct(struct reading *r)
{
	const struct xt_ct_target_info *ct = r->extension->data;

	if (ct->flags || ct->ct_events || ct->exp_events || ct->helper[0])
		return false;
	r->rule->action = OLD_ZONE;
	r->rule->to = arena_printf(r->arena, "%u", ct->zone);
	r->rule->options = arena_printf(r->arena, "--zone %u", ct->zone);
	return true;
}

/* The ports and addresses of a target that rewrites destinations. */
struct rewrite {
	bool has_address, has_ports, plain;
	union nf_inet_addr first, last;
	uint16_t ports[2];
};

static struct rewrite rewrite_ipv4(const struct nf_nat_ipv4_multi_range_compat *multi)
{
	const struct nf_nat_ipv4_range *from = &multi->range[0];
	struct rewrite to = { .plain = multi->rangesize == 1 };

	to.has_address = from->flags & NF_NAT_RANGE_MAP_IPS;
	to.has_ports = from->flags & NF_NAT_RANGE_PROTO_SPECIFIED;
	to.plain &= !(from->flags & ~(uint32_t)(NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED));
	to.first.ip = from->min_ip;
	to.last.ip = from->max_ip;
	to.ports[0] = ntohs(from->min.all);
	to.ports[1] = ntohs(from->max.all);
	return to;
}

static struct rewrite rewrite_any(const struct nf_nat_range *from)
{
	struct rewrite to = { .first = from->min_addr, .last = from->max_addr };

	to.has_address = from->flags & NF_NAT_RANGE_MAP_IPS;
	to.has_ports = from->flags & NF_NAT_RANGE_PROTO_SPECIFIED;
	to.plain = !(from->flags & ~(uint32_t)(NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED));
	to.ports[0] = ntohs(from->min_proto.all);
	to.ports[1] = ntohs(from->max_proto.all);
	return to;
}

/* IPv4's first revisions have a structure of their own; nf_nat_range2 begins like nf_nat_range. */
static bool read_rewrite(struct reading *r, struct rewrite *out)
{
	bool narrow = r->family == AF_INET && r->extension->revision == 0;

	if (r->extension->size <
		(narrow ? sizeof(struct nf_nat_ipv4_multi_range_compat) : sizeof(struct nf_nat_range)))
		return false;
	*out = narrow ? rewrite_ipv4(r->extension->data) : rewrite_any(r->extension->data);
	return out->plain;
}

static bool target_redirect(struct reading *r)
{
	struct rewrite to;

	if (!read_rewrite(r, &to) || to.has_address || !to.has_ports)
		return false;
	r->rule->action = OLD_REDIRECT;
	r->rule->to = range(to.ports[0], to.ports[1], '-', r->arena);
	r->rule->options = arena_printf(r->arena, "--to-ports %s", r->rule->to);
	return true;
}

static bool target_dnat(struct reading *r)
{
	char address[INET6_ADDRSTRLEN];
	struct rewrite to;

	if (!read_rewrite(r, &to) || !to.has_address || memcmp(&to.first, &to.last, sizeof(to.first)))
		return false;
	inet_ntop(r->family, &to.first, address, sizeof(address));
	r->rule->action = OLD_DNAT;
	r->rule->to = to.has_ports ? arena_printf(r->arena, r->family == AF_INET6 ? "[%s]:%s" : "%s:%s", address,
					     range(to.ports[0], to.ports[1], '-', r->arena))
				   : arena_strdup(r->arena, address);
	r->rule->options = arena_printf(r->arena, "--to-destination %s", r->rule->to);
	return true;
}

static const struct {
	const char *name;
	uint8_t first, last;
	size_t size;
	bool (*read)(struct reading *r);
} targets[] = {
	{ "REDIRECT", 0, 0, 0, target_redirect },
	{ "DNAT", 0, 2, 0, target_dnat },
	{ "MARK", 2, 2, sizeof(struct xt_mark_tginfo2), target_mark },
	{ "CONNMARK", 1, 1, sizeof(struct xt_connmark_tginfo1), target_connmark },
	{ "CONNMARK", 2, 2, sizeof(struct xt_connmark_tginfo2), target_connmark },
	{ "TPROXY", 1, 1, sizeof(struct xt_tproxy_target_info_v1), target_tproxy },
	{ "CT", 0, 0, sizeof(struct xt_ct_target_info), target_ct },
	{ "CT", 1, 2, sizeof(struct xt_ct_target_info_v1), target_ct },
};

void old_read_target(struct old_rule *r, const struct old_extension *e, uint8_t family, struct arena *a)
{
	struct old_extension copy = { e->name, e->revision, aligned(e, a), e->size };
	struct reading reading = { r, &copy, family == NFPROTO_IPV6 ? AF_INET6 : AF_INET, a };

	for (size_t i = 0; i < array_len(targets); i++)
		if (!strcmp(targets[i].name, e->name) && e->revision >= targets[i].first &&
			e->revision <= targets[i].last && e->size >= targets[i].size && targets[i].read(&reading))
			return;
	r->action = OLD_OTHER;
	r->partly = true;
	r->to = arena_strdup(a, e->name);
}
