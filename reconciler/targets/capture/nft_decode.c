#include "targets/capture/nft_decode.h"

#include <libnftnl/expr.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

enum { REGISTERS = NFT_REG32_15 + 1 };

/* What an expression has put into a register. */
struct loaded {
	enum { EMPTY, FIELD, MASKED, IMMEDIATE, MAPPED } kind;
	enum field field;
	uint32_t level, size; /* of a cgroup; of a constant */
	struct value value;   /* constant or mask */
	const char *set;
};

struct decoding {
	struct arena *arena;
	struct rule *rule;
	struct loaded registers[REGISTERS];
};

static struct loaded *reg(struct decoding *d, const struct nftnl_expr *e, uint16_t attribute)
{
	uint32_t n = nftnl_expr_get_u32(e, attribute);

	return n < REGISTERS ? &d->registers[n] : NULL;
}

bool nft_copy_value(struct value *to, const void *data, uint32_t size, enum type type)
{
	if (!data || size > VALUE_SIZE || size != type_info(type)->size)
		return false;
	memcpy(to->data, data, size);
	return true;
}

static bool has_matched(const struct rule *r, enum field field, uint8_t value)
{
	vec_each (s, &r->statements)
		if (s->kind == MATCH_VALUE && s->field == field && !s->negated)
			return s->value.data[0] == value;
	return false;
}

static bool load(struct decoding *d, const struct nftnl_expr *e, uint16_t dreg, enum loader loader, uint32_t key,
	uint32_t size)
{
	struct loaded *to = reg(d, e, dreg);

	for (int f = 0; to && f < FIELD_COUNT; f++) {
		const struct field_info *info = field_info((enum field)f);

		if (info->loader != loader || info->key != key || (size && type_info(info->type)->size != size))
			continue;
		/* TCP's ports are where UDP's are: what the rule has asked for before tells them apart. */
		if (info->l4proto && !has_matched(d->rule, FIELD_L4PROTO, info->l4proto))
			continue;
		*to = (struct loaded){ .kind = FIELD, .field = (enum field)f };
		return true;
	}
	return false;
}

static struct statement *add_statement(struct decoding *d, enum statement_kind kind)
{
	struct statement *s = vec_push(d->arena, &d->rule->statements);

	s->kind = kind;
	return s;
}

static bool is_constant(const struct loaded *l, uint32_t size)
{
	return l && l->kind == IMMEDIATE && l->size == size;
}

static bool is_field(const struct loaded *l, enum field field)
{
	return l && l->kind == FIELD && l->field == field;
}

static bool on_meta(struct decoding *d, const struct nftnl_expr *e)
{
	uint32_t key = nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY);
	const struct loaded *from;

	if (nftnl_expr_is_set(e, NFTNL_EXPR_META_DREG))
		return load(d, e, NFTNL_EXPR_META_DREG, LOAD_META, key, 0);
	from = reg(d, e, NFTNL_EXPR_META_SREG);
	if (key != NFT_META_MARK)
		return false;
	if (is_constant(from, sizeof(uint32_t)))
		add_statement(d, STATEMENT_SET_MARK)->value = from->value;
	else if (is_field(from, FIELD_CT_MARK))
		add_statement(d, STATEMENT_RESTORE_MARK);
	else
		return false;
	return true;
}

static bool on_ct(struct decoding *d, const struct nftnl_expr *e)
{
	uint32_t key = nftnl_expr_get_u32(e, NFTNL_EXPR_CT_KEY);
	const struct loaded *from;

	bool original = nftnl_expr_is_set(e, NFTNL_EXPR_CT_DIR) &&
			nftnl_expr_get_u8(e, NFTNL_EXPR_CT_DIR) == IP_CT_DIR_ORIGINAL;

	if (nftnl_expr_is_set(e, NFTNL_EXPR_CT_DIR) != (key == NFT_CT_ZONE))
		return false;
	if (nftnl_expr_is_set(e, NFTNL_EXPR_CT_DREG))
		return load(d, e, NFTNL_EXPR_CT_DREG, LOAD_CT, key, 0);
	from = reg(d, e, NFTNL_EXPR_CT_SREG);
	if (key == NFT_CT_ZONE && original && is_constant(from, sizeof(uint16_t)))
		add_statement(d, STATEMENT_SET_ZONE)->value = from->value;
	else if (key == NFT_CT_MARK && is_field(from, FIELD_MARK))
		add_statement(d, STATEMENT_SAVE_MARK);
	else
		return false;
	return true;
}

static bool on_socket(struct decoding *d, const struct nftnl_expr *e)
{
	struct loaded *to = reg(d, e, NFTNL_EXPR_SOCKET_DREG);

	if (!load(d, e, NFTNL_EXPR_SOCKET_DREG, LOAD_SOCKET, nftnl_expr_get_u32(e, NFTNL_EXPR_SOCKET_KEY), 0))
		return false;
	to->level =
		nftnl_expr_is_set(e, NFTNL_EXPR_SOCKET_LEVEL) ? nftnl_expr_get_u32(e, NFTNL_EXPR_SOCKET_LEVEL) : 0;
	return true;
}

/* IPv4 and IPv6 addresses at one offset differ by size. */
static bool on_payload(struct decoding *d, const struct nftnl_expr *e)
{
	uint32_t base = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE);
	enum loader loader = base == NFT_PAYLOAD_NETWORK_HEADER ? LOAD_NETWORK_HEADER : LOAD_TRANSPORT_HEADER;

	if (base != NFT_PAYLOAD_NETWORK_HEADER && base != NFT_PAYLOAD_TRANSPORT_HEADER)
		return false;
	return nftnl_expr_is_set(e, NFTNL_EXPR_PAYLOAD_DREG) &&
	       load(d, e, NFTNL_EXPR_PAYLOAD_DREG, loader, nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET),
		       nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_LEN));
}

static bool on_fib(struct decoding *d, const struct nftnl_expr *e)
{
	return nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_RESULT) == NFT_FIB_RESULT_ADDRTYPE &&
	       load(d, e, NFTNL_EXPR_FIB_DREG, LOAD_FIB, nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_FLAGS), 0);
}

/* The one use of a mask: one of some flags is set. */
static bool on_bitwise(struct decoding *d, const struct nftnl_expr *e)
{
	static const unsigned char zero[VALUE_SIZE];
	const struct loaded *from = reg(d, e, NFTNL_EXPR_BITWISE_SREG);
	struct loaded *to = reg(d, e, NFTNL_EXPR_BITWISE_DREG);
	uint32_t size, xor_size;
	const void *mask = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_MASK, &size);
	const void * xor = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_XOR, &xor_size);
	struct loaded masked = { .kind = MASKED };

	if (!from || !to || from->kind != FIELD ||
		nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_OP) != NFT_BITWISE_BOOL || !xor ||
		xor_size > sizeof(zero) || memcmp(xor, zero, xor_size))
		return false;
	masked.field = from->field;
	if (!nft_copy_value(&masked.value, mask, size, field_info(from->field)->type))
		return false;
	*to = masked;
	return true;
}

static bool on_cmp(struct decoding *d, const struct nftnl_expr *e)
{
	const struct loaded *from = reg(d, e, NFTNL_EXPR_CMP_SREG);
	uint32_t op = nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_OP), size;
	const void *data = nftnl_expr_get(e, NFTNL_EXPR_CMP_DATA, &size);
	struct value compared = { 0 };
	struct statement *s;

	if (!from || (from->kind != FIELD && from->kind != MASKED) || (op != NFT_CMP_EQ && op != NFT_CMP_NEQ) ||
		!nft_copy_value(&compared, data, size, field_info(from->field)->type))
		return false;
	if (from->kind == MASKED && (op != NFT_CMP_NEQ || value_as_number(&compared)))
		return false;
	s = add_statement(d, from->kind == MASKED ? MATCH_FLAGS : MATCH_VALUE);
	s->field = from->field;
	s->level = from->level;
	s->value = from->kind == MASKED ? from->value : compared;
	s->negated = from->kind == FIELD && op == NFT_CMP_NEQ;
	return true;
}

static bool on_lookup(struct decoding *d, const struct nftnl_expr *e)
{
	const struct loaded *from = reg(d, e, NFTNL_EXPR_LOOKUP_SREG);
	const char *set = nftnl_expr_get_str(e, NFTNL_EXPR_LOOKUP_SET);
	bool mapped = nftnl_expr_is_set(e, NFTNL_EXPR_LOOKUP_DREG);
	struct statement *s;

	if (!from || from->kind != FIELD || !set)
		return false;
	if (mapped && nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_DREG) != NFT_REG_VERDICT) {
		struct loaded *to = reg(d, e, NFTNL_EXPR_LOOKUP_DREG);

		if (!to)
			return false;
		*to = (struct loaded){ .kind = MAPPED,
			.field = from->field,
			.level = from->level,
			.set = arena_strdup(d->arena, set) };
		return true;
	}
	s = add_statement(d, mapped ? STATEMENT_VERDICT_MAP : MATCH_SET);
	s->field = from->field;
	s->level = from->level;
	s->negated = nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV;
	s->set = arena_strdup(d->arena, set);
	return true;
}

bool nft_verdict(uint32_t code, enum verdict *out)
{
	static const struct {
		int code;
		enum verdict verdict;
	} codes[] = {
		{ NF_ACCEPT, VERDICT_ACCEPT },
		{ NF_DROP, VERDICT_DROP },
		{ NFT_RETURN, VERDICT_RETURN },
		{ NFT_JUMP, VERDICT_JUMP },
		{ NFT_GOTO, VERDICT_GOTO },
	};

	for (size_t i = 0; i < array_len(codes); i++) {
		if ((int)code != codes[i].code)
			continue;
		*out = codes[i].verdict;
		return true;
	}
	return false;
}

static bool on_immediate(struct decoding *d, const struct nftnl_expr *e)
{
	struct loaded *to = reg(d, e, NFTNL_EXPR_IMM_DREG), constant = { .kind = IMMEDIATE };
	const char *chain = nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN);
	struct statement *s;
	const void *data;

	if (!to)
		return false;
	if (nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_DREG) != NFT_REG_VERDICT) {
		data = nftnl_expr_get(e, NFTNL_EXPR_IMM_DATA, &constant.size);
		if (!data || constant.size > VALUE_SIZE)
			return false;
		memcpy(constant.value.data, data, constant.size);
		*to = constant;
		return true;
	}
	s = add_statement(d, STATEMENT_VERDICT);
	s->chain = chain ? arena_strdup(d->arena, chain) : NULL;
	return nft_verdict(nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT), &s->verdict);
}

/* A port that is given, or looked up. */
static bool add_port_statement(
	struct decoding *d, const struct loaded *from, enum statement_kind given, enum statement_kind mapped)
{
	struct statement *s;

	if (!from || (from->kind != MAPPED && !is_constant(from, type_info(TYPE_PORT)->size)))
		return false;
	s = add_statement(d, from->kind == MAPPED ? mapped : given);
	s->field = from->field;
	s->level = from->level;
	s->value = from->value;
	s->set = from->set;
	return true;
}

static bool on_redirect(struct decoding *d, const struct nftnl_expr *e)
{
	uint32_t flags = nftnl_expr_get_u32(e, NFTNL_EXPR_REDIR_FLAGS);

	/* The kernel sets this flag by itself where a port is given. */
	if (flags & ~(uint32_t)NF_NAT_RANGE_PROTO_SPECIFIED ||
		nftnl_expr_get_u32(e, NFTNL_EXPR_REDIR_REG_PROTO_MAX) !=
			nftnl_expr_get_u32(e, NFTNL_EXPR_REDIR_REG_PROTO_MIN))
		return false;
	return add_port_statement(
		d, reg(d, e, NFTNL_EXPR_REDIR_REG_PROTO_MIN), STATEMENT_REDIRECT, STATEMENT_REDIRECT_MAP);
}

static bool on_tproxy(struct decoding *d, const struct nftnl_expr *e)
{
	if (nftnl_expr_get_u32(e, NFTNL_EXPR_TPROXY_FAMILY) != NFPROTO_UNSPEC ||
		nftnl_expr_is_set(e, NFTNL_EXPR_TPROXY_REG_ADDR))
		return false;
	return add_port_statement(
		d, reg(d, e, NFTNL_EXPR_TPROXY_REG_PORT), STATEMENT_TPROXY, STATEMENT_TPROXY_MAP);
}

static bool on_reject(struct decoding *d, const struct nftnl_expr *e)
{
	uint32_t type = nftnl_expr_get_u32(e, NFTNL_EXPR_REJECT_TYPE);

	if (type == NFT_REJECT_ICMPX_UNREACH &&
		nftnl_expr_get_u8(e, NFTNL_EXPR_REJECT_CODE) == NFT_REJECT_ICMPX_PORT_UNREACH)
		add_statement(d, STATEMENT_REJECT);
	else if (type == NFT_REJECT_TCP_RST)
		add_statement(d, STATEMENT_RESET);
	else
		return false;
	return true;
}

static bool on_counter(struct decoding *d, const struct nftnl_expr *e)
{
	d->rule->packets = nftnl_expr_get_u64(e, NFTNL_EXPR_CTR_PACKETS);
	add_statement(d, STATEMENT_COUNTER);
	return true;
}

static const struct {
	const char *name;
	bool (*decode)(struct decoding *d, const struct nftnl_expr *e);
} decoders[] = {
	{ "meta", on_meta },
	{ "payload", on_payload },
	{ "fib", on_fib },
	{ "ct", on_ct },
	{ "socket", on_socket },
	{ "bitwise", on_bitwise },
	{ "cmp", on_cmp },
	{ "lookup", on_lookup },
	{ "immediate", on_immediate },
	{ "counter", on_counter },
	{ "redir", on_redirect },
	{ "tproxy", on_tproxy },
	{ "reject", on_reject },
};

static int on_expression(struct nftnl_expr *e, void *context)
{
	struct decoding *d = context;
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
	bool known = false;

	for (size_t i = 0; i < array_len(decoders); i++)
		if (!strcmp(decoders[i].name, name))
			known = decoders[i].decode(d, e);
	if (!known && !d->rule->foreign) {
		d->rule->foreign = true;
		d->rule->known = d->rule->statements.n;
	}
	return 0;
}

static int on_comment(const struct nftnl_udata *attribute, void *context)
{
	if (nftnl_udata_type(attribute) == NFTNL_UDATA_RULE_COMMENT)
		*(const struct nftnl_udata **)context = attribute;
	return 0;
}

const char *nft_comment(struct nftnl_rule *rule, struct arena *a)
{
	const struct nftnl_udata *comment = NULL;
	uint32_t size;
	void *data;

	if (!nftnl_rule_is_set(rule, NFTNL_RULE_USERDATA))
		return NULL;
	memcpy(&data, &(const void *){ nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &size) }, sizeof(data));
	if (nftnl_udata_parse(data, size, on_comment, &comment) < 0 || !comment)
		return NULL;
	return arena_strndup(
		a, nftnl_udata_get(comment), strnlen(nftnl_udata_get(comment), nftnl_udata_len(comment)));
}

/* Expressions without a typed form, in libnftnl's own words. */
static const char *raw_text(const struct nftnl_rule *rule, struct arena *a)
{
	enum { RAW_MAX = 4096 };
	char *text = arena_alloc(a, RAW_MAX);

	nftnl_rule_snprintf(text, RAW_MAX, rule, NFTNL_OUTPUT_DEFAULT, 0);
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = ' ';
	return text;
}

void nft_decode(struct nftnl_rule *from, struct arena *a, struct rule *to)
{
	struct decoding decoding = { .arena = a, .rule = to };

	to->handle = nftnl_rule_get_u64(from, NFTNL_RULE_HANDLE);
	to->comment = nft_comment(from, a);
	nftnl_expr_foreach(from, on_expression, &decoding);
	if (to->foreign)
		to->text = raw_text(from, a);
}
