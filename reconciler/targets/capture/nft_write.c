#include "targets/capture/nft_message.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "targets/capture/leftover/leftover.h"

enum {
	MESSAGE_MAX = 64 * 1024, /* an attribute's length has 16 bits */
	ELEMENTS_PER_MESSAGE = 400,
};

struct batch {
	struct netlink *nft;
	struct arena *arena;
	char *data;
	size_t size, cap;
	uint32_t first;                     /* sequence number of the batch's begin */
	vec_of(const struct edit *) owners; /* of each message, the begin's NULL among them */
	const struct edit *edit;
};

/* Room for one more message, of zeros: libmnl leaves the padding of attributes as it is. */
static void *reserve(struct batch *b)
{
	if (b->cap - b->size < MESSAGE_MAX) {
		b->cap = b->cap ? b->cap * 2 : 4 * MESSAGE_MAX;
		b->data = mem_realloc(b->data, b->cap);
		memset(b->data + b->size, 0, b->cap - b->size);
	}
	return b->data + b->size;
}

/* The message counts when end_message() has been called. */
static struct nlmsghdr *begin_message(struct batch *b, uint16_t type, uint16_t flags)
{
	return nft_request(reserve(b), type, NFPROTO_INET, flags);
}

static void end_message(struct batch *b, struct nlmsghdr *message)
{
	message->nlmsg_seq = ++b->nft->sequence;
	b->size += MNL_ALIGN(message->nlmsg_len);
	*vec_push(b->arena, &b->owners) = b->edit;
}

static void out_of_memory_if(bool failed)
{
	if (failed)
		mem_exhausted();
}

/* ---- table, chains ---- */

static void put_table(struct batch *b, uint16_t type, uint32_t flags)
{
	struct nlmsghdr *m = begin_message(b, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);

	mnl_attr_put_strz(m, NFTA_TABLE_NAME, RULESET_TABLE);
	if (type == NFT_MSG_NEWTABLE)
		mnl_attr_put_u32(m, NFTA_TABLE_FLAGS, htonl(flags));
	end_message(b, m);
}

static void put_chain(struct batch *b, const struct chain *c)
{
	static const char *const types[] = {
		[CHAIN_FILTER] = "filter", [CHAIN_NAT] = "nat", [CHAIN_ROUTE] = "route"
	};
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *m = begin_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	out_of_memory_if(!chain);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, RULESET_TABLE);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, c->name);
	if (c->type != CHAIN_REGULAR) {
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, types[c->type]);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, c->hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, c->priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, c->drop ? NF_DROP : NF_ACCEPT);
	}
	nftnl_chain_nlmsg_build_payload(m, chain);
	nftnl_chain_free(chain);
	end_message(b, m);
}

static void remove_chain(struct batch *b, const struct chain *c)
{
	struct nlmsghdr *m = begin_message(b, NFT_MSG_DELCHAIN, 0);

	mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, RULESET_TABLE);
	mnl_attr_put_strz(m, NFTA_CHAIN_NAME, c->name);
	end_message(b, m);
}

/* ---- rules ---- */

static struct nftnl_expr *add_expression(struct nftnl_rule *rule, const char *name)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	out_of_memory_if(!e);
	nftnl_rule_add_expr(rule, e);
	return e;
}

static void load_field(struct nftnl_rule *rule, const struct statement *s)
{
	const struct field_info *info = field_info(s->field);
	struct nftnl_expr *e;

	switch (info->loader) {
	case LOAD_META:
		e = add_expression(rule, "meta");
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, info->key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
		break;
	case LOAD_NETWORK_HEADER:
	case LOAD_TRANSPORT_HEADER:
		e = add_expression(rule, "payload");
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE,
			info->loader == LOAD_NETWORK_HEADER ? NFT_PAYLOAD_NETWORK_HEADER
							    : NFT_PAYLOAD_TRANSPORT_HEADER);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, info->key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, type_info(info->type)->size);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
		break;
	case LOAD_FIB:
		e = add_expression(rule, "fib");
		nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, info->key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
		nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
		break;
	case LOAD_CT:
		e = add_expression(rule, "ct");
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, info->key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
		break;
	case LOAD_SOCKET:
		e = add_expression(rule, "socket");
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_KEY, info->key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_DREG, NFT_REG_1);
		if (s->field == FIELD_CGROUP)
			nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_LEVEL, s->level);
		break;
	}
}

static struct nftnl_expr *add_lookup(struct nftnl_rule *rule, const char *set)
{
	struct nftnl_expr *e = add_expression(rule, "lookup");

	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
	return e;
}

static uint32_t verdict_code(enum verdict verdict)
{
	static const int codes[] = {
		[VERDICT_ACCEPT] = NF_ACCEPT,
		[VERDICT_DROP] = NF_DROP,
		[VERDICT_RETURN] = NFT_RETURN,
		[VERDICT_JUMP] = NFT_JUMP,
		[VERDICT_GOTO] = NFT_GOTO,
	};

	return (uint32_t)codes[verdict];
}

static void add_redirect(struct nftnl_rule *rule)
{
	struct nftnl_expr *e = add_expression(rule, "redir");

	nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_REG_PROTO_MIN, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
}

/* [ immediate reg 1 VALUE ] */
static void load_constant(struct nftnl_rule *rule, const struct value *value, uint32_t size)
{
	struct nftnl_expr *e = add_expression(rule, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, value->data, size);
}

static void set_meta_mark(struct nftnl_rule *rule)
{
	struct nftnl_expr *e = add_expression(rule, "meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_MARK);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, NFT_REG_1);
}

static struct nftnl_expr *set_ct(struct nftnl_rule *rule, uint32_t key)
{
	struct nftnl_expr *e = add_expression(rule, "ct");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_SREG, NFT_REG_1);
	return e;
}

static void add_tproxy(struct nftnl_rule *rule)
{
	struct nftnl_expr *e = add_expression(rule, "tproxy");

	nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_FAMILY, NFPROTO_UNSPEC);
	nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_REG_PORT, NFT_REG_1);
}

static void add_reject(struct nftnl_rule *rule, uint32_t type, uint8_t code)
{
	struct nftnl_expr *e = add_expression(rule, "reject");

	nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, type);
	nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, code);
}

static void add_comparison(struct nftnl_rule *rule, uint32_t op, const void *data, uint32_t size)
{
	struct nftnl_expr *e = add_expression(rule, "cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, size);
}

/* [ bitwise reg 1 = ( reg 1 & MASK ) ^ 0 ] [ cmp neq reg 1 0 ] */
static void add_flags(struct nftnl_rule *rule, const struct statement *s)
{
	static const unsigned char zero[VALUE_SIZE];
	uint32_t size = type_info(field_info(s->field)->type)->size;
	struct nftnl_expr *e = add_expression(rule, "bitwise");

	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, size);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, s->value.data, size);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, size);
	add_comparison(rule, NFT_CMP_NEQ, zero, size);
}

static void add_verdict(struct nftnl_rule *rule, const struct statement *s)
{
	struct nftnl_expr *e = add_expression(rule, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict_code(s->verdict));
	if (s->chain)
		nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, s->chain);
}

/* [ load FIELD => reg 1 ] [ lookup reg 1 set MAP dreg 1 ] */
static void load_mapped(struct nftnl_rule *rule, const struct statement *s, uint32_t to)
{
	load_field(rule, s);
	nftnl_expr_set_u32(add_lookup(rule, s->set), NFTNL_EXPR_LOOKUP_DREG, to);
}

static void add_statement(struct nftnl_rule *rule, const struct statement *s)
{
	switch (s->kind) {
	case MATCH_VALUE:
		load_field(rule, s);
		add_comparison(rule, s->negated ? NFT_CMP_NEQ : NFT_CMP_EQ, s->value.data,
			type_info(field_info(s->field)->type)->size);
		break;
	case MATCH_FLAGS:
		load_field(rule, s);
		add_flags(rule, s);
		break;
	case MATCH_SET:
		load_field(rule, s);
		nftnl_expr_set_u32(
			add_lookup(rule, s->set), NFTNL_EXPR_LOOKUP_FLAGS, s->negated ? NFT_LOOKUP_F_INV : 0);
		break;
	case STATEMENT_COUNTER:
		add_expression(rule, "counter");
		break;
	case STATEMENT_VERDICT:
		add_verdict(rule, s);
		break;
	case STATEMENT_VERDICT_MAP:
		load_mapped(rule, s, NFT_REG_VERDICT);
		break;
	case STATEMENT_REDIRECT:
		load_constant(rule, &s->value, type_info(TYPE_PORT)->size);
		add_redirect(rule);
		break;
	case STATEMENT_REDIRECT_MAP:
		load_mapped(rule, s, NFT_REG_1);
		add_redirect(rule);
		break;
	case STATEMENT_TPROXY:
		load_constant(rule, &s->value, type_info(TYPE_PORT)->size);
		add_tproxy(rule);
		break;
	case STATEMENT_TPROXY_MAP:
		load_mapped(rule, s, NFT_REG_1);
		add_tproxy(rule);
		break;
	case STATEMENT_SET_MARK:
		load_constant(rule, &s->value, type_info(TYPE_MARK)->size);
		set_meta_mark(rule);
		break;
	case STATEMENT_SAVE_MARK:
		load_field(rule, &(struct statement){ .field = FIELD_MARK });
		set_ct(rule, NFT_CT_MARK);
		break;
	case STATEMENT_RESTORE_MARK:
		load_field(rule, &(struct statement){ .field = FIELD_CT_MARK });
		set_meta_mark(rule);
		break;
	case STATEMENT_SET_ZONE:
		/* 16 bits in host order, which is how a little number begins on both kinds of machine. */
		load_constant(rule, &s->value, sizeof(uint16_t));
		nftnl_expr_set_u8(set_ct(rule, NFT_CT_ZONE), NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
		break;
	case STATEMENT_REJECT:
		add_reject(rule, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH);
		break;
	case STATEMENT_RESET:
		add_reject(rule, NFT_REJECT_TCP_RST, 0);
		break;
	}
}

static void put_comment(struct nftnl_rule *rule, const char *comment)
{
	struct nftnl_udata_buf *buffer = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

	out_of_memory_if(!buffer);
	nftnl_udata_put_strz(buffer, NFTNL_UDATA_RULE_COMMENT, comment);
	nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(buffer), nftnl_udata_buf_len(buffer));
	nftnl_udata_buf_free(buffer);
}

/* In front of a rule that stays, or at the end of the chain. */
static void put_rule(struct batch *b, const struct edit *edit)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nlmsghdr *m =
		begin_message(b, NFT_MSG_NEWRULE, edit->before ? NLM_F_CREATE : NLM_F_CREATE | NLM_F_APPEND);

	out_of_memory_if(!rule);
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, RULESET_TABLE);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, edit->chain->name);
	if (edit->before)
		nftnl_rule_set_u64(rule, NFTNL_RULE_POSITION, edit->before);
	vec_each (s, &edit->rule->statements)
		add_statement(rule, s);
	if (edit->rule->comment)
		put_comment(rule, edit->rule->comment);
	nftnl_rule_nlmsg_build_payload(m, rule);
	nftnl_rule_free(rule);
	end_message(b, m);
}

static void remove_rule(struct batch *b, const struct edit *edit)
{
	struct nlmsghdr *m = begin_message(b, NFT_MSG_DELRULE, 0);

	mnl_attr_put_strz(m, NFTA_RULE_TABLE, RULESET_TABLE);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, edit->chain->name);
	mnl_attr_put_u64(m, NFTA_RULE_HANDLE, htobe64(edit->rule->handle));
	end_message(b, m);
}

/* ---- sets ---- */

/* nft's enum byteorder, which it reads back from a set's userdata in order to print keys right. */
enum { BYTEORDER_HOST = 1, BYTEORDER_NETWORK = 2 };

static uint32_t byte_order(enum type type)
{
	return type_info(type)->host_order ? BYTEORDER_HOST : BYTEORDER_NETWORK;
}

static void put_set_userdata(struct nftnl_set *set, const struct set *s)
{
	struct nftnl_udata_buf *buffer = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

	out_of_memory_if(!buffer);
	nftnl_udata_put_u32(buffer, NFTNL_UDATA_SET_KEYBYTEORDER, byte_order(s->key));
	if (s->data != TYPE_NONE && s->data != TYPE_VERDICT)
		nftnl_udata_put_u32(buffer, NFTNL_UDATA_SET_DATABYTEORDER, byte_order(s->data));
	nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(buffer), nftnl_udata_buf_len(buffer));
	nftnl_udata_buf_free(buffer);
}

static void put_set(struct batch *b, const struct set *s)
{
	struct nftnl_set *set = nftnl_set_alloc();
	struct nlmsghdr *m = begin_message(b, NFT_MSG_NEWSET, NLM_F_CREATE);

	out_of_memory_if(!set);
	nftnl_set_set_str(set, NFTNL_SET_TABLE, RULESET_TABLE);
	nftnl_set_set_str(set, NFTNL_SET_NAME, s->name);
	nftnl_set_set_u32(set, NFTNL_SET_ID, b->nft->sequence);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS,
		(s->interval ? NFT_SET_INTERVAL : 0U) | (s->data != TYPE_NONE ? NFT_SET_MAP : 0U));
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, type_info(s->key)->number);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, type_info(s->key)->size);
	if (s->data != TYPE_NONE) {
		nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, type_info(s->data)->number);
		nftnl_set_set_u32(set, NFTNL_SET_DATA_LEN, type_info(s->data)->size);
	}
	put_set_userdata(set, s);
	nftnl_set_nlmsg_build_payload(m, set);
	nftnl_set_free(set);
	end_message(b, m);
}

static void remove_set(struct batch *b, const struct set *s)
{
	struct nlmsghdr *m = begin_message(b, NFT_MSG_DELSET, 0);

	mnl_attr_put_strz(m, NFTA_SET_TABLE, RULESET_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_NAME, s->name);
	end_message(b, m);
}

static void add_key(
	struct nftnl_set *set, const struct set *s, const struct value *key, const struct element *data)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();

	out_of_memory_if(!e);
	nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, key->data, type_info(s->key)->size);
	if (!data) {
		nftnl_set_elem_set_u32(e, NFTNL_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	} else if (s->data == TYPE_VERDICT) {
		nftnl_set_elem_set_u32(e, NFTNL_SET_ELEM_VERDICT, verdict_code(data->verdict));
		if (data->chain)
			nftnl_set_elem_set_str(e, NFTNL_SET_ELEM_CHAIN, data->chain);
	} else if (s->data != TYPE_NONE) {
		nftnl_set_elem_set(e, NFTNL_SET_ELEM_DATA, data->data.data, type_info(s->data)->size);
	}
	nftnl_set_elem_add(set, e);
}

/* An interval is two elements: its first key, and the one after its last, unless there is none. */
static void add_element(struct nftnl_set *set, const struct set *s, const struct element *e)
{
	struct value after = e->end;

	add_key(set, s, &e->key, e);
	if (!s->interval)
		return;
	for (uint32_t i = type_info(s->key)->size; i-- > 0;) {
		if (!++after.data[i])
			continue;
		add_key(set, s, &after, NULL);
		return;
	}
}

static void put_elements(struct batch *b, const struct edit *edit, uint16_t type)
{
	for (size_t i = 0; i < edit->elements.n; i += ELEMENTS_PER_MESSAGE) {
		struct nftnl_set *set = nftnl_set_alloc();
		struct nlmsghdr *m = begin_message(b, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);

		out_of_memory_if(!set);
		nftnl_set_set_str(set, NFTNL_SET_TABLE, RULESET_TABLE);
		nftnl_set_set_str(set, NFTNL_SET_NAME, edit->set->name);
		for (size_t j = i; j < edit->elements.n && j < i + ELEMENTS_PER_MESSAGE; j++)
			add_element(set, edit->set, edit->elements.items[j]);
		nftnl_set_elems_nlmsg_build_payload(m, set);
		nftnl_set_free(set);
		end_message(b, m);
	}
}

/* ---- strangers ---- */

static void remove_stranger(struct batch *b, const char *stranger)
{
	static const char *const kinds[] = {
		[NFT_OBJECT_COUNTER] = "counter ",
		[NFT_OBJECT_QUOTA] = "quota ",
		[NFT_OBJECT_LIMIT] = "limit ",
		[NFT_OBJECT_SYNPROXY] = "synproxy ",
		[NFT_OBJECT_CT_HELPER] = "ct helper ",
		[NFT_OBJECT_CT_TIMEOUT] = "ct timeout ",
		[NFT_OBJECT_CT_EXPECT] = "ct expectation ",
		[NFT_OBJECT_SECMARK] = "secmark ",
		[NFT_OBJECT_TUNNEL] = "tunnel ",
		[NFT_OBJECT_CONNLIMIT] = "ct count ",
	};
	struct nlmsghdr *m;

	if (str_starts(stranger, "flowtable ")) {
		m = begin_message(b, NFT_MSG_DELFLOWTABLE, 0);
		mnl_attr_put_strz(m, NFTA_FLOWTABLE_TABLE, RULESET_TABLE);
		mnl_attr_put_strz(m, NFTA_FLOWTABLE_NAME, stranger + strlen("flowtable "));
		end_message(b, m);
		return;
	}
	for (uint32_t type = 1; type < array_len(kinds); type++) {
		if (!kinds[type] || !str_starts(stranger, kinds[type]))
			continue;
		m = begin_message(b, NFT_MSG_DELOBJ, 0);
		mnl_attr_put_strz(m, NFTA_OBJ_TABLE, RULESET_TABLE);
		mnl_attr_put_strz(m, NFTA_OBJ_NAME, stranger + strlen(kinds[type]));
		mnl_attr_put_u32(m, NFTA_OBJ_TYPE, htonl(type));
		end_message(b, m);
	}
}

/* ---- the batch ---- */

static void put_edit(struct batch *b, const struct edit *edit)
{
	b->edit = edit;
	switch (edit->kind) {
	case EDIT_REMOVE_TABLE:
		put_table(b, NFT_MSG_DELTABLE, 0);
		break;
	case EDIT_ADD_TABLE:
		put_table(b, NFT_MSG_NEWTABLE, edit->flags);
		break;
	case EDIT_REMOVE_RULE:
		remove_rule(b, edit);
		break;
	case EDIT_REMOVE_ELEMENTS:
		put_elements(b, edit, NFT_MSG_DELSETELEM);
		break;
	case EDIT_REMOVE_SET:
		remove_set(b, edit->set);
		break;
	case EDIT_REMOVE_CHAIN:
		remove_chain(b, edit->chain);
		break;
	case EDIT_REMOVE_STRANGER:
		remove_stranger(b, edit->stranger);
		break;
	case EDIT_ADD_CHAIN:
		put_chain(b, edit->chain);
		break;
	case EDIT_ADD_SET:
		put_set(b, edit->set);
		break;
	case EDIT_ADD_ELEMENTS:
		put_elements(b, edit, NFT_MSG_NEWSETELEM);
		break;
	case EDIT_ADD_RULE:
		put_rule(b, edit);
		break;
	case EDIT_REMOVE_LEFTOVER:
		end_message(b, leftover_write_step(reserve(b), edit->leftover));
		break;
	}
}

static void put_bound(struct batch *b, uint16_t type, uint32_t generation)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(reserve(b));
	struct nfgenmsg *header;

	m->nlmsg_type = type;
	m->nlmsg_flags = NLM_F_REQUEST;
	header = mnl_nlmsg_put_extra_header(m, sizeof(*header));
	header->nfgen_family = AF_UNSPEC;
	header->version = NFNETLINK_V0;
	header->res_id = htons(NFNL_SUBSYS_NFTABLES);
	if (type == NFNL_MSG_BATCH_BEGIN)
		mnl_attr_put_u32(m, NFNL_BATCH_GENID, htonl(generation));
	end_message(b, m);
}

struct answer {
	struct batch *batch;
	int error;
	const struct edit *failed;
	const char *reason;
};

static int on_attribute(const struct nlattr *attribute, void *context)
{
	struct answer *answer = context;

	if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG)
		answer->reason = arena_strndup(
			answer->batch->arena, mnl_attr_get_str(attribute), mnl_attr_get_payload_len(attribute));
	return MNL_CB_OK;
}

/* The first error counts: those behind it may be its consequence. */
static void read_error(const struct nlmsghdr *message, struct answer *answer)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	uint32_t index = message->nlmsg_seq - answer->batch->first;

	if (message->nlmsg_type != NLMSG_ERROR || !error->error || answer->error)
		return;
	answer->error = error->error;
	if (index < answer->batch->owners.n)
		answer->failed = answer->batch->owners.items[index];
	if (message->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(message, sizeof(*error), on_attribute, answer);
}

/* The kernel has carried out the batch when sendto returns; what it has to say is in the socket by then. */
static int read_answers(struct batch *b, struct answer *answer)
{
	alignas(struct nlmsghdr) char buffer[READ_SIZE];
	struct pollfd ready = { .fd = mnl_socket_get_fd(b->nft->socket), .events = POLLIN };

	while (poll(&ready, 1, 0) > 0) {
		ssize_t n = mnl_socket_recvfrom(b->nft->socket, buffer, sizeof(buffer));
		int left = (int)n;

		if (n < 0)
			return -errno;
		for (const struct nlmsghdr *m = (const struct nlmsghdr *)buffer; mnl_nlmsg_ok(m, left);
			m = mnl_nlmsg_next(m, &left))
			read_error(m, answer);
	}
	return answer->error;
}

int nft_commit(struct netlink *nft, const struct edits *edits, uint32_t generation, struct arena *a,
	const struct edit **failed, const char **reason)
{
	struct batch b = { .nft = nft, .arena = a, .first = nft->sequence + 1 };
	struct answer answer = { .batch = &b };
	int error;

	put_bound(&b, NFNL_MSG_BATCH_BEGIN, generation);
	vec_each (edit, &edits->list)
		put_edit(&b, edit);
	b.edit = NULL;
	put_bound(&b, NFNL_MSG_BATCH_END, 0);
	error = mnl_socket_sendto(nft->socket, b.data, b.size) < 0 ? -errno : read_answers(&b, &answer);
	free(b.data);
	*failed = answer.failed;
	*reason = answer.reason;
	return error;
}
