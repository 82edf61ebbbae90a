#include "targets/capture/nft_socket.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/flowtable.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct reading {
	struct arena *arena;
	struct ruleset *out;
	struct set *set; /* whose elements are being read */
	uint32_t used;   /* by the kernel's count: chains, sets, objects and flowtables of the table */
	uint32_t sets;   /* sets of any kind, anonymous ones included */
};

static int bad_message(void)
{
	errno = EBADMSG;
	return MNL_CB_ERROR;
}

/* libnftnl has no cleanup functions that take the address of a variable. */
#define RELEASE(name, type, free_it)                                                                              \
	static void name(type **object)                                                                           \
	{                                                                                                         \
		if (*object)                                                                                      \
			free_it(*object);                                                                         \
	}

RELEASE(table_release, struct nftnl_table, nftnl_table_free)
RELEASE(chain_release, struct nftnl_chain, nftnl_chain_free)
RELEASE(rule_release, struct nftnl_rule, nftnl_rule_free)
RELEASE(set_release, struct nftnl_set, nftnl_set_free)
RELEASE(object_release, struct nftnl_obj, nftnl_obj_free)
RELEASE(flowtable_release, struct nftnl_flowtable, nftnl_flowtable_free)

static bool is_ours(const char *table)
{
	return table && !strcmp(table, RULESET_TABLE);
}

/* ---- table and chains ---- */

static int on_table(const struct nlmsghdr *message, void *context)
{
	scoped(table_release) struct nftnl_table *table = nftnl_table_alloc();
	struct reading *r = context;

	if (!table || nftnl_table_nlmsg_parse(message, table) < 0)
		return bad_message();
	r->out->present = true;
	r->out->flags = nftnl_table_get_u32(table, NFTNL_TABLE_FLAGS);
	r->out->owner = nftnl_table_get_u32(table, NFTNL_TABLE_OWNER);
	r->used = nftnl_table_get_u32(table, NFTNL_TABLE_USE);
	return MNL_CB_STOP;
}

static enum chain_type chain_type(const char *name)
{
	return !name                     ? CHAIN_REGULAR
	       : !strcmp(name, "filter") ? CHAIN_FILTER
	       : !strcmp(name, "nat")    ? CHAIN_NAT
					 : CHAIN_ROUTE;
}

static int on_chain(const struct nlmsghdr *message, void *context)
{
	scoped(chain_release) struct nftnl_chain *chain = nftnl_chain_alloc();
	struct reading *r = context;
	struct chain *out;

	if (!chain || nftnl_chain_nlmsg_parse(message, chain) < 0)
		return bad_message();
	if (!is_ours(nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE)))
		return MNL_CB_OK;
	out = ruleset_add_chain(
		r->out, r->arena, arena_strdup(r->arena, nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME)));
	if (!nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM))
		return MNL_CB_OK;
	out->type = chain_type(nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE));
	out->hook = nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM);
	out->priority = nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO);
	out->drop = nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY) == NF_DROP;
	return MNL_CB_OK;
}

/* ---- rules ---- */

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

static bool copy_value(struct value *to, const void *data, uint32_t size, enum type type)
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
	if (!copy_value(&masked.value, mask, size, field_info(from->field)->type))
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
		!copy_value(&compared, data, size, field_info(from->field)->type))
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

static bool verdict_of(uint32_t code, enum verdict *out)
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
	return verdict_of(nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT), &s->verdict);
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

static void read_comment(struct nftnl_rule *from, struct rule *to, struct arena *a)
{
	const struct nftnl_udata *comment = NULL;
	uint32_t size;
	void *data;

	if (!nftnl_rule_is_set(from, NFTNL_RULE_USERDATA))
		return;
	memcpy(&data, &(const void *){ nftnl_rule_get_data(from, NFTNL_RULE_USERDATA, &size) }, sizeof(data));
	if (nftnl_udata_parse(data, size, on_comment, &comment) < 0 || !comment)
		return;
	to->comment = arena_strndup(a, nftnl_udata_get(comment), nftnl_udata_len(comment));
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

static int on_rule(const struct nlmsghdr *message, void *context)
{
	scoped(rule_release) struct nftnl_rule *rule = nftnl_rule_alloc();
	struct decoding decoding = { 0 };
	struct reading *r = context;
	struct chain *chain;

	if (!rule || nftnl_rule_nlmsg_parse(message, rule) < 0)
		return bad_message();
	chain = ruleset_chain(r->out, nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN));
	/* A chain that was made after the chains were read: the generation shows it, and all is read again. */
	if (!chain || !is_ours(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE)))
		return MNL_CB_OK;
	decoding.arena = r->arena;
	decoding.rule = vec_push(r->arena, &chain->rules);
	decoding.rule->handle = nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE);
	read_comment(rule, decoding.rule, r->arena);
	nftnl_expr_foreach(rule, on_expression, &decoding);
	if (decoding.rule->foreign)
		decoding.rule->text = raw_text(rule, r->arena);
	return MNL_CB_OK;
}

/* ---- sets ---- */

static bool find_type(uint32_t number, uint32_t size, enum type *out)
{
	for (int t = TYPE_VERDICT; t < TYPE_COUNT; t++) {
		if (type_info((enum type)t)->number != number || type_info((enum type)t)->size != size)
			continue;
		*out = (enum type)t;
		return true;
	}
	return false;
}

static int on_set(const struct nlmsghdr *message, void *context)
{
	const uint32_t known = NFT_SET_INTERVAL | NFT_SET_MAP;
	scoped(set_release) struct nftnl_set *set = nftnl_set_alloc();
	struct reading *r = context;
	uint32_t flags;
	struct set *out;

	if (!set || nftnl_set_nlmsg_parse(message, set) < 0)
		return bad_message();
	if (!is_ours(nftnl_set_get_str(set, NFTNL_SET_TABLE)))
		return MNL_CB_OK;
	r->sets++;
	flags = nftnl_set_get_u32(set, NFTNL_SET_FLAGS);
	/* It comes and goes with the rule that has it, and that rule is shown raw. */
	if (flags & NFT_SET_ANONYMOUS)
		return MNL_CB_OK;
	out = ruleset_add_set(r->out, r->arena, arena_strdup(r->arena, nftnl_set_get_str(set, NFTNL_SET_NAME)),
		TYPE_NONE, TYPE_NONE);
	out->interval = flags & NFT_SET_INTERVAL;
	out->foreign = flags & ~known || !find_type(nftnl_set_get_u32(set, NFTNL_SET_KEY_TYPE),
						 nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN), &out->key);
	if (!(flags & NFT_SET_MAP))
		return MNL_CB_OK;
	/* The length of a verdict is that of the kernel's structure. */
	if (nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE) == type_info(TYPE_VERDICT)->number)
		out->data = TYPE_VERDICT;
	else
		out->foreign |= !find_type(nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE),
			nftnl_set_get_u32(set, NFTNL_SET_DATA_LEN), &out->data);
	return MNL_CB_OK;
}

/* libnftnl's getters take no const. */
static bool read_element(struct nftnl_set_elem *from, const struct set *set, struct element *to, struct arena *a)
{
	uint32_t size;
	const void *data = nftnl_set_elem_get(from, NFTNL_SET_ELEM_KEY, &size);
	const char *chain;

	if (!copy_value(&to->key, data, size, set->key))
		return false;
	to->end = to->key;
	if (set->data == TYPE_NONE)
		return true;
	if (set->data != TYPE_VERDICT) {
		data = nftnl_set_elem_get(from, NFTNL_SET_ELEM_DATA, &size);
		return copy_value(&to->data, data, size, set->data);
	}
	chain = nftnl_set_elem_get_str(from, NFTNL_SET_ELEM_CHAIN);
	to->chain = chain ? arena_strdup(a, chain) : NULL;
	return verdict_of(nftnl_set_elem_get_u32(from, NFTNL_SET_ELEM_VERDICT), &to->verdict);
}

/* An element with the key of an interval's end has no data. */
static bool is_end(struct nftnl_set_elem *e)
{
	return nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_FLAGS) &&
	       nftnl_set_elem_get_u32(e, NFTNL_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END;
}

/* Elements of others that carry more than a key and data: timeouts, counters, comments. */
static bool is_plain(struct nftnl_set_elem *e)
{
	return !nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_TIMEOUT) &&
	       !nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_EXPR) &&
	       !nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_EXPRESSIONS) &&
	       !nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_KEY_END) &&
	       !nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_OBJREF);
}

/* The end of an interval is kept as an element with `chain` set to this, until fold_intervals() has paired them.
 */
static const char end_mark[] = "end";

static int on_element(struct nftnl_set_elem *e, void *context)
{
	struct reading *r = context;
	struct element element = { 0 };
	uint32_t size;

	if (is_end(e)) {
		const void *key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &size);

		if (!copy_value(&element.key, key, size, r->set->key))
			return 0;
		element.chain = end_mark;
	} else if (!is_plain(e) || !read_element(e, r->set, &element, r->arena)) {
		r->set->foreign = true;
		return 0;
	}
	*vec_push(r->arena, &r->set->elements) = element;
	return 0;
}

static int on_elements(const struct nlmsghdr *message, void *context)
{
	scoped(set_release) struct nftnl_set *set = nftnl_set_alloc();

	if (!set || nftnl_set_elems_nlmsg_parse(message, set) < 0)
		return bad_message();
	nftnl_set_elem_foreach(set, on_element, context);
	return MNL_CB_OK;
}

/* Where one interval ends another may start: the end comes first. */
static int by_place(const void *left, const void *right)
{
	const struct element *a = left, *b = right;
	int order = memcmp(a->key.data, b->key.data, VALUE_SIZE);

	return order ? order : (a->chain != end_mark) - (b->chain != end_mark);
}

static struct value key_before(const struct value *v, uint32_t size)
{
	struct value before = *v;

	for (uint32_t i = size; i-- > 0;)
		if (before.data[i]--)
			break;
	return before;
}

/*
 * The kernel has an interval as two elements, its start and what follows its end; the last one may have no end.
 * nft adds an end at zero, which belongs to nothing.
 */
static void fold_intervals(struct set *s)
{
	uint32_t size = type_info(s->key)->size;
	struct element *open = NULL;
	size_t n = 0;

	if (s->elements.n)
		qsort(s->elements.items, s->elements.n, sizeof(*s->elements.items), by_place);
	for (size_t i = 0; i < s->elements.n; i++) {
		struct element e = s->elements.items[i];

		if (open)
			open->end = key_before(&e.key, size);
		open = NULL;
		if (e.chain == end_mark)
			continue;
		open = &s->elements.items[n++];
		*open = e;
	}
	if (open)
		memset(open->end.data, 0xff, size);
	s->elements.n = n;
}

/* ---- what else may be in the table ---- */

static void add_stranger(struct reading *r, const char *kind, const char *name)
{
	*vec_push(r->arena, &r->out->strangers) = arena_printf(r->arena, "%s %s", kind, name);
}

static int on_object(const struct nlmsghdr *message, void *context)
{
	static const char *const kinds[] = {
		[NFT_OBJECT_COUNTER] = "counter",
		[NFT_OBJECT_QUOTA] = "quota",
		[NFT_OBJECT_LIMIT] = "limit",
		[NFT_OBJECT_SYNPROXY] = "synproxy",
		[NFT_OBJECT_CT_HELPER] = "ct helper",
		[NFT_OBJECT_CT_TIMEOUT] = "ct timeout",
		[NFT_OBJECT_CT_EXPECT] = "ct expectation",
		[NFT_OBJECT_SECMARK] = "secmark",
		[NFT_OBJECT_TUNNEL] = "tunnel",
		[NFT_OBJECT_CONNLIMIT] = "ct count",
	};
	scoped(object_release) struct nftnl_obj *object = nftnl_obj_alloc();
	uint32_t type;

	if (!object || nftnl_obj_nlmsg_parse(message, object) < 0)
		return bad_message();
	if (!is_ours(nftnl_obj_get_str(object, NFTNL_OBJ_TABLE)))
		return MNL_CB_OK;
	type = nftnl_obj_get_u32(object, NFTNL_OBJ_TYPE);
	add_stranger(context, type < array_len(kinds) && kinds[type] ? kinds[type] : "object",
		nftnl_obj_get_str(object, NFTNL_OBJ_NAME));
	return MNL_CB_OK;
}

static int on_flowtable(const struct nlmsghdr *message, void *context)
{
	scoped(flowtable_release) struct nftnl_flowtable *flowtable = nftnl_flowtable_alloc();

	if (!flowtable || nftnl_flowtable_nlmsg_parse(message, flowtable) < 0)
		return bad_message();
	if (is_ours(nftnl_flowtable_get_str(flowtable, NFTNL_FLOWTABLE_TABLE)))
		add_stranger(context, "flowtable", nftnl_flowtable_get_str(flowtable, NFTNL_FLOWTABLE_NAME));
	return MNL_CB_OK;
}

/* ---- the whole ---- */

static int ask_table(struct nft *nft, struct reading *r, uint16_t type, uint16_t flags, uint16_t table_attribute,
	mnl_cb_t on_message)
{
	alignas(struct nlmsghdr) char buffer[512] = { 0 };
	struct nlmsghdr *request = nft_request(nft, buffer, type, flags);

	mnl_attr_put_strz(request, table_attribute, RULESET_TABLE);
	return nft_ask(nft, request, on_message, r);
}

static int read_elements(struct nft *nft, struct reading *r, struct set *set)
{
	alignas(struct nlmsghdr) char buffer[1024] = { 0 };
	struct nlmsghdr *request;
	int error;

	if (set->foreign)
		return 0;
	r->set = set;
	request = nft_request(nft, buffer, NFT_MSG_GETSETELEM, NLM_F_DUMP);
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, RULESET_TABLE);
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, set->name);
	error = nft_ask(nft, request, on_elements, r);
	if (!error && set->interval)
		fold_intervals(set);
	return error;
}

static int read_table(struct nft *nft, struct reading *r)
{
	int error = ask_table(nft, r, NFT_MSG_GETTABLE, 0, NFTA_TABLE_NAME, on_table);

	if (error)
		return error == -ENOENT ? 0 : error;
	error = ask_table(nft, r, NFT_MSG_GETCHAIN, NLM_F_DUMP, NFTA_CHAIN_TABLE, on_chain);
	if (!error)
		error = ask_table(nft, r, NFT_MSG_GETRULE, NLM_F_DUMP, NFTA_RULE_TABLE, on_rule);
	if (!error)
		error = ask_table(nft, r, NFT_MSG_GETSET, NLM_F_DUMP, NFTA_SET_TABLE, on_set);
	for (size_t i = 0; !error && i < r->out->sets.n; i++)
		error = read_elements(nft, r, &r->out->sets.items[i]);
	/* The kernel counts what is in a table: only if there is more than chains and sets need one ask for the
	 * rest. */
	if (error || r->used == r->out->chains.n + r->sets)
		return error;
	error = ask_table(nft, r, NFT_MSG_GETOBJ, NLM_F_DUMP, NFTA_OBJ_TABLE, on_object);
	return error ? error
		     : ask_table(nft, r, NFT_MSG_GETFLOWTABLE, NLM_F_DUMP, NFTA_FLOWTABLE_TABLE, on_flowtable);
}

int nft_read(struct nft *nft, struct arena *a, struct ruleset *out)
{
	struct ruleset ruleset = { 0 };
	struct reading r = { .arena = a, .out = &ruleset };
	uint32_t after = 0;
	int error = nft_generation(nft, &ruleset.generation);

	if (!error)
		error = read_table(nft, &r);
	if (!error)
		error = nft_generation(nft, &after);
	if (error)
		return error;
	/* The dumps are several looks: all of them must have seen the same ruleset. */
	if (after != ruleset.generation)
		return -EINTR;
	ruleset_sort(&ruleset, a);
	*out = ruleset;
	return 0;
}
