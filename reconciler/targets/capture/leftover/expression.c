#include "targets/capture/leftover/expression.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <net/if.h>
#include <string.h>

#include "targets/capture/nft_decode.h"

enum { REGISTERS = NFT_REG32_15 + 1, DATA_SIZE = 16 };

/* What an expression has put into a register. */
struct held {
	enum { HOLDS_NOTHING, HOLDS_META, HOLDS_CT, HOLDS_NETWORK, HOLDS_TRANSPORT, HOLDS_DATA } what;
	uint32_t key; /* of meta and ct; of a header: the offset */
	uint32_t size;
	bool masked;
	unsigned char data[DATA_SIZE]; /* constant, or mask */
};

struct decoding {
	struct arena *arena;
	struct old_rule *rule;
	uint8_t family;
	struct held registers[REGISTERS];
};

static struct held *held(struct decoding *d, const struct nftnl_expr *e, uint16_t attribute)
{
	uint32_t n = nftnl_expr_get_u32(e, attribute);

	return nftnl_expr_is_set(e, attribute) && n < REGISTERS ? &d->registers[n] : NULL;
}

static uint32_t host_number(const unsigned char *data)
{
	uint32_t n;

	memcpy(&n, data, sizeof(n));
	return n;
}

static uint16_t port_number(const unsigned char *data)
{
	uint16_t n;

	memcpy(&n, data, sizeof(n));
	return ntohs(n);
}

static void add(struct decoding *d, enum part_field field, bool negated, const char *module, const char *value)
{
	old_add_part(d->rule, field, negated, module, value, d->arena);
}

/* ---- loading ---- */

static bool load(struct decoding *d, const struct nftnl_expr *e, uint16_t dreg, const struct held *value)
{
	struct held *to = held(d, e, dreg);

	if (!to)
		return false;
	*to = *value;
	return true;
}

static bool on_payload(struct decoding *d, const struct nftnl_expr *e)
{
	uint32_t base = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE);
	struct held value = { .key = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET),
		.size = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_LEN) };

	if (base != NFT_PAYLOAD_NETWORK_HEADER && base != NFT_PAYLOAD_TRANSPORT_HEADER)
		return false;
	value.what = base == NFT_PAYLOAD_NETWORK_HEADER ? HOLDS_NETWORK : HOLDS_TRANSPORT;
	return load(d, e, NFTNL_EXPR_PAYLOAD_DREG, &value);
}

static bool on_bitwise(struct decoding *d, const struct nftnl_expr *e)
{
	static const unsigned char zero[DATA_SIZE];
	const struct held *from = held(d, e, NFTNL_EXPR_BITWISE_SREG);
	uint32_t size = 0, xor_size = 0;
	const void *mask = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_MASK, &size);
	const void * xor = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_XOR, &xor_size);
	struct held value;

	if (!from || !mask || size > DATA_SIZE || from->masked || from->what == HOLDS_DATA || !xor ||
		xor_size > DATA_SIZE || memcmp(xor, zero, xor_size))
		return false;
	value = *from;
	value.masked = true;
	memcpy(value.data, mask, size);
	return load(d, e, NFTNL_EXPR_BITWISE_DREG, &value);
}

static const char *verdict_name(uint32_t code, enum old_action *action)
{
	switch ((int)code) {
	case NF_ACCEPT:
		*action = OLD_ACCEPT;
		return "accept";
	case NF_DROP:
		*action = OLD_DROP;
		return "drop";
	case NFT_RETURN:
		*action = OLD_RETURN;
		return "return";
	case NFT_JUMP:
		*action = OLD_JUMP;
		return "jump";
	case NFT_GOTO:
		*action = OLD_GOTO;
		return "goto";
	default:
		return NULL;
	}
}

static bool on_verdict(struct decoding *d, const struct nftnl_expr *e)
{
	const char *chain = nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN);
	enum old_action action;

	if (!verdict_name(nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT), &action))
		return false;
	/* `tproxy … accept` says one thing. */
	if (d->rule->action == OLD_TPROXY && action == OLD_ACCEPT)
		return true;
	if (d->rule->action != OLD_NONE)
		d->rule->partly = true;
	if (action == OLD_JUMP || action == OLD_GOTO) {
		if (!chain)
			return false;
		d->rule->to = arena_strdup(d->arena, chain);
	}
	d->rule->action = action;
	return true;
}

static bool on_immediate(struct decoding *d, const struct nftnl_expr *e)
{
	struct held value = { .what = HOLDS_DATA };
	const void *data;

	if (nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_DREG) == NFT_REG_VERDICT)
		return on_verdict(d, e);
	data = nftnl_expr_get(e, NFTNL_EXPR_IMM_DATA, &value.size);
	if (!data || value.size > DATA_SIZE)
		return false;
	memcpy(value.data, data, value.size);
	return load(d, e, NFTNL_EXPR_IMM_DREG, &value);
}

/* ---- what is asked ---- */

static bool is_ipv6(const struct decoding *d)
{
	vec_each (p, &d->rule->parts)
		if (p->field == PART_FAMILY)
			return !strcmp(p->value, "ipv6");
	return d->family == NFPROTO_IPV6;
}

static const char *module_of_ports(const struct decoding *d)
{
	vec_each (p, &d->rule->parts)
		if (p->field == PART_PROTOCOL && !p->negated)
			return p->value;
	return NULL;
}

/* A name that is shorter than the field and does not end is one with a wildcard. */
static const char *interface(struct decoding *d, const unsigned char *data, uint32_t size)
{
	size_t n = strnlen((const char *)data, size);

	return arena_printf(d->arena, "%.*s%s", (int)n, (const char *)data, n == size && n < IFNAMSIZ ? "+" : "");
}

static bool ask_meta(
	struct decoding *d, const struct held *from, bool negated, const unsigned char *data, uint32_t size)
{
	bool number = size == sizeof(uint32_t);

	if (from->masked && from->key != NFT_META_MARK)
		return false;
	switch (from->key) {
	case NFT_META_L4PROTO:
		add(d, PART_PROTOCOL, negated, NULL, old_protocol(data[0], d->arena));
		return true;
	case NFT_META_NFPROTO:
		if (data[0] != NFPROTO_IPV4 && data[0] != NFPROTO_IPV6)
			return false;
		add(d, PART_FAMILY, negated, NULL, data[0] == NFPROTO_IPV4 ? "ipv4" : "ipv6");
		return true;
	case NFT_META_IIFNAME:
		add(d, PART_IN, negated, NULL, interface(d, data, size));
		return true;
	case NFT_META_OIFNAME:
		add(d, PART_OUT, negated, NULL, interface(d, data, size));
		return true;
	case NFT_META_MARK:
		if (number)
			add(d, PART_MARK, negated, "mark",
				old_masked(host_number(data), from->masked ? host_number(from->data) : UINT32_MAX,
					d->arena));
		return number;
	case NFT_META_SKUID:
	case NFT_META_SKGID:
		if (number)
			add(d, from->key == NFT_META_SKUID ? PART_USER : PART_GROUP, negated, "owner",
				arena_printf(d->arena, "%u", host_number(data)));
		return number;
	default:
		return false;
	}
}

static const char *ct_states(uint32_t mask, struct arena *a)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = { { NF_CT_STATE_INVALID_BIT, "INVALID" }, { NF_CT_STATE_BIT(IP_CT_NEW), "NEW" },
		{ NF_CT_STATE_BIT(IP_CT_RELATED), "RELATED" },
		{ NF_CT_STATE_BIT(IP_CT_ESTABLISHED), "ESTABLISHED" },
		{ NF_CT_STATE_UNTRACKED_BIT, "UNTRACKED" } };
	struct str list = { .arena = a };

	for (size_t i = 0; i < array_len(names); i++)
		if (mask & names[i].bit)
			str_printf(&list, "%s%s", list.n ? "," : "", names[i].name);
	return str_text(&list);
}

/* `ct state S` is masked with S and compared with zero: unequal says yes. */
static bool ask_ct(
	struct decoding *d, const struct held *from, bool negated, const unsigned char *data, uint32_t size)
{
	if (size != sizeof(uint32_t))
		return false;
	if (from->key == NFT_CT_MARK) {
		add(d, PART_CT_MARK, negated, "connmark",
			old_masked(
				host_number(data), from->masked ? host_number(from->data) : UINT32_MAX, d->arena));
		return true;
	}
	if (from->key != NFT_CT_STATE || !from->masked || host_number(data))
		return false;
	add(d, PART_CT_STATE, !negated, "conntrack", ct_states(host_number(from->data), d->arena));
	return true;
}

/* Of an address that ends at a byte, the rest is not even loaded. */
static bool ask_address(struct decoding *d, const struct held *from, bool negated, const unsigned char *data,
	uint32_t size, bool source)
{
	unsigned char address[16] = { 0 }, mask[16] = { 0 };
	bool six = is_ipv6(d);

	if (size > (six ? 16U : 4U))
		return false;
	memcpy(address, data, size);
	if (from->masked)
		memcpy(mask, from->data, size);
	else
		memset(mask, 0xff, size);
	add(d, source ? PART_SOURCE : PART_DEST, negated, NULL,
		old_address(six ? AF_INET6 : AF_INET, address, mask, d->arena));
	return true;
}

static bool ask_network(
	struct decoding *d, const struct held *from, bool negated, const unsigned char *data, uint32_t size)
{
	static const struct {
		uint32_t protocol, source, dest;
	} offsets[] = { { 9, 12, 16 }, { 6, 8, 24 } };
	const uint32_t protocol = offsets[is_ipv6(d)].protocol;

	if (from->key == offsets[is_ipv6(d)].source)
		return ask_address(d, from, negated, data, size, true);
	if (from->key == offsets[is_ipv6(d)].dest)
		return ask_address(d, from, negated, data, size, false);
	if (from->key != protocol || size != 1 || from->masked)
		return false;
	add(d, PART_PROTOCOL, negated, NULL, old_protocol(data[0], d->arena));
	return true;
}

static enum part_field port_field(const struct held *from)
{
	return from->key == 0 ? PART_SPORT : PART_DPORT;
}

static bool holds_port(const struct held *from)
{
	return from && from->what == HOLDS_TRANSPORT && from->key <= 2 && from->key % 2 == 0 && from->size == 2 &&
	       !from->masked;
}

static bool on_cmp(struct decoding *d, const struct nftnl_expr *e)
{
	const struct held *from = held(d, e, NFTNL_EXPR_CMP_SREG);
	uint32_t op = nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_OP), size = 0;
	const unsigned char *data = nftnl_expr_get(e, NFTNL_EXPR_CMP_DATA, &size);
	bool negated = op == NFT_CMP_NEQ;

	if (!from || !data || !size || size > DATA_SIZE || (op != NFT_CMP_EQ && op != NFT_CMP_NEQ))
		return false;
	switch (from->what) {
	case HOLDS_META:
		return ask_meta(d, from, negated, data, size);
	case HOLDS_CT:
		return ask_ct(d, from, negated, data, size);
	case HOLDS_NETWORK:
		return ask_network(d, from, negated, data, size);
	case HOLDS_TRANSPORT:
		if (!holds_port(from) || size != 2)
			return false;
		add(d, port_field(from), negated, module_of_ports(d),
			arena_printf(d->arena, "%u", port_number(data)));
		return true;
	case HOLDS_NOTHING:
	case HOLDS_DATA:
		break;
	}
	return false;
}

static bool on_range(struct decoding *d, const struct nftnl_expr *e)
{
	const struct held *from = held(d, e, NFTNL_EXPR_RANGE_SREG);
	uint32_t op = nftnl_expr_get_u32(e, NFTNL_EXPR_RANGE_OP), from_size = 0, to_size = 0;
	const unsigned char *first = nftnl_expr_get(e, NFTNL_EXPR_RANGE_FROM_DATA, &from_size);
	const unsigned char *last = nftnl_expr_get(e, NFTNL_EXPR_RANGE_TO_DATA, &to_size);

	if (!holds_port(from) || !first || !last || from_size != 2 || to_size != 2)
		return false;
	add(d, port_field(from), op == NFT_RANGE_NEQ, module_of_ports(d),
		arena_printf(d->arena, "%u:%u", port_number(first), port_number(last)));
	return true;
}

static bool on_lookup(struct decoding *d, const struct nftnl_expr *e)
{
	const struct held *from = held(d, e, NFTNL_EXPR_LOOKUP_SREG);
	const char *set = nftnl_expr_get_str(e, NFTNL_EXPR_LOOKUP_SET);

	if (!holds_port(from) || !set || nftnl_expr_is_set(e, NFTNL_EXPR_LOOKUP_DREG))
		return false;
	add(d, port_field(from), nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV,
		module_of_ports(d), arena_printf(d->arena, "@%s", set));
	return true;
}

/* ---- what is done ---- */

/* The first action counts; TPROXY comes with a mark. */
static bool act(struct decoding *d, enum old_action action)
{
	if (d->rule->action != OLD_NONE)
		return false;
	d->rule->action = action;
	return true;
}

static bool set_mark(struct decoding *d, const struct held *from)
{
	if (!from)
		return false;
	if (from->what == HOLDS_CT && from->key == NFT_CT_MARK && !from->masked) {
		d->rule->options = "--restore-mark --nfmask 0xffffffff --ctmask 0xffffffff";
		return act(d, OLD_RESTORE_MARK);
	}
	if (from->what != HOLDS_DATA || from->size != sizeof(uint32_t))
		return false;
	d->rule->mark = old_masked(host_number(from->data), UINT32_MAX, d->arena);
	if (d->rule->action == OLD_TPROXY)
		return true;
	d->rule->options = arena_printf(d->arena, "--set-xmark %s/0xffffffff", d->rule->mark);
	return act(d, OLD_SET_MARK);
}

static bool on_meta(struct decoding *d, const struct nftnl_expr *e)
{
	struct held value = { .what = HOLDS_META, .key = nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY) };

	if (nftnl_expr_is_set(e, NFTNL_EXPR_META_DREG))
		return load(d, e, NFTNL_EXPR_META_DREG, &value);
	return value.key == NFT_META_MARK && set_mark(d, held(d, e, NFTNL_EXPR_META_SREG));
}

static bool set_ct(struct decoding *d, uint32_t key, const struct held *from)
{
	uint16_t zone;

	if (!from)
		return false;
	if (key == NFT_CT_MARK && from->what == HOLDS_META && from->key == NFT_META_MARK && !from->masked) {
		d->rule->options = "--save-mark --nfmask 0xffffffff --ctmask 0xffffffff";
		return act(d, OLD_SAVE_MARK);
	}
	if (key != NFT_CT_ZONE || from->what != HOLDS_DATA || from->size != sizeof(zone))
		return false;
	memcpy(&zone, from->data, sizeof(zone));
	d->rule->to = arena_printf(d->arena, "%u", zone);
	d->rule->options = arena_printf(d->arena, "--zone %u", zone);
	return act(d, OLD_ZONE);
}

static bool on_ct(struct decoding *d, const struct nftnl_expr *e)
{
	struct held value = { .what = HOLDS_CT, .key = nftnl_expr_get_u32(e, NFTNL_EXPR_CT_KEY) };

	if (nftnl_expr_is_set(e, NFTNL_EXPR_CT_DIR))
		return false;
	if (nftnl_expr_is_set(e, NFTNL_EXPR_CT_DREG))
		return load(d, e, NFTNL_EXPR_CT_DREG, &value);
	return set_ct(d, value.key, held(d, e, NFTNL_EXPR_CT_SREG));
}

static const char *port_in(struct decoding *d, const struct nftnl_expr *e, uint16_t attribute)
{
	const struct held *from = held(d, e, attribute);

	if (!from || from->what != HOLDS_DATA || from->size != sizeof(uint16_t))
		return NULL;
	return arena_printf(d->arena, "%u", port_number(from->data));
}

static bool on_redirect(struct decoding *d, const struct nftnl_expr *e)
{
	d->rule->to = port_in(d, e, NFTNL_EXPR_REDIR_REG_PROTO_MIN);
	if (!d->rule->to)
		return false;
	d->rule->options = arena_printf(d->arena, "--to-ports %s", d->rule->to);
	return act(d, OLD_REDIRECT);
}

static bool on_tproxy(struct decoding *d, const struct nftnl_expr *e)
{
	d->rule->to = port_in(d, e, NFTNL_EXPR_TPROXY_REG_PORT);
	return d->rule->to && act(d, OLD_TPROXY);
}

static bool on_nat(struct decoding *d, const struct nftnl_expr *e)
{
	const struct held *address = held(d, e, NFTNL_EXPR_NAT_REG_ADDR_MIN);
	const char *port = port_in(d, e, NFTNL_EXPR_NAT_REG_PROTO_MIN);
	bool six = nftnl_expr_get_u32(e, NFTNL_EXPR_NAT_FAMILY) == NFPROTO_IPV6;
	char text[INET6_ADDRSTRLEN];

	if (nftnl_expr_get_u32(e, NFTNL_EXPR_NAT_TYPE) != NFT_NAT_DNAT || !address ||
		address->what != HOLDS_DATA || address->size != (six ? 16 : 4))
		return false;
	inet_ntop(six ? AF_INET6 : AF_INET, address->data, text, sizeof(text));
	d->rule->to = port ? arena_printf(d->arena, six ? "[%s]:%s" : "%s:%s", text, port)
			   : arena_strdup(d->arena, text);
	d->rule->options = arena_printf(d->arena, "--to-destination %s", d->rule->to);
	return act(d, OLD_DNAT);
}

static bool on_counter(struct decoding *d, const struct nftnl_expr *e)
{
	(void)d, (void)e;
	return true;
}

static bool on_match(struct decoding *d, const struct nftnl_expr *e)
{
	struct old_extension x = { .name = nftnl_expr_get_str(e, NFTNL_EXPR_MT_NAME) };
	uint32_t size = 0;

	x.revision = (uint8_t)nftnl_expr_get_u32(e, NFTNL_EXPR_MT_REV);
	x.data = nftnl_expr_get(e, NFTNL_EXPR_MT_INFO, &size);
	x.size = size;
	if (!x.name || !x.data)
		return false;
	old_read_match(d->rule, &x, d->arena);
	return true;
}

static bool on_target(struct decoding *d, const struct nftnl_expr *e)
{
	struct old_extension x = { .name = nftnl_expr_get_str(e, NFTNL_EXPR_TG_NAME) };
	uint32_t size = 0;

	x.revision = (uint8_t)nftnl_expr_get_u32(e, NFTNL_EXPR_TG_REV);
	x.data = nftnl_expr_get(e, NFTNL_EXPR_TG_INFO, &size);
	x.size = size;
	if (!x.name || !x.data || d->rule->action != OLD_NONE)
		return false;
	old_read_target(d->rule, &x, d->family, d->arena);
	return true;
}

static const struct {
	const char *name;
	bool (*decode)(struct decoding *d, const struct nftnl_expr *e);
} decoders[] = {
	{ "meta", on_meta },
	{ "ct", on_ct },
	{ "payload", on_payload },
	{ "bitwise", on_bitwise },
	{ "cmp", on_cmp },
	{ "range", on_range },
	{ "lookup", on_lookup },
	{ "immediate", on_immediate },
	{ "counter", on_counter },
	{ "match", on_match },
	{ "target", on_target },
	{ "redir", on_redirect },
	{ "tproxy", on_tproxy },
	{ "nat", on_nat },
};

static int on_expression(struct nftnl_expr *e, void *context)
{
	struct decoding *d = context;
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);

	for (size_t i = 0; i < array_len(decoders); i++)
		if (!strcmp(decoders[i].name, name) && decoders[i].decode(d, e))
			return 0;
	d->rule->partly = true;
	add(d, PART_OTHER, false, NULL, arena_printf(d->arena, "[%s]", name));
	return 0;
}

void old_read_rule(struct old_rule *out, struct nftnl_rule *rule, uint8_t family, struct arena *a)
{
	struct decoding d = { .arena = a, .rule = out, .family = family };
	const char *comment = nft_comment(rule, a);

	nftnl_expr_foreach(rule, on_expression, &d);
	if (comment)
		add(&d, PART_COMMENT, false, "comment", comment);
}
