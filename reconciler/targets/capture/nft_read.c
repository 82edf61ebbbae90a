#include "targets/capture/nft_decode.h"
#include "targets/capture/nft_message.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/flowtable.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
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

static int on_rule(const struct nlmsghdr *message, void *context)
{
	scoped(rule_release) struct nftnl_rule *rule = nftnl_rule_alloc();
	struct reading *r = context;
	struct chain *chain;

	if (!rule || nftnl_rule_nlmsg_parse(message, rule) < 0)
		return bad_message();
	chain = ruleset_chain(r->out, nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN));
	/* A chain that was made after the chains were read: the generation shows it, and all is read again. */
	if (!chain || !is_ours(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE)))
		return MNL_CB_OK;
	nft_decode(rule, r->arena, vec_push(r->arena, &chain->rules));
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

	if (!nft_copy_value(&to->key, data, size, set->key))
		return false;
	to->end = to->key;
	if (set->data == TYPE_NONE)
		return true;
	if (set->data != TYPE_VERDICT) {
		data = nftnl_set_elem_get(from, NFTNL_SET_ELEM_DATA, &size);
		return nft_copy_value(&to->data, data, size, set->data);
	}
	chain = nftnl_set_elem_get_str(from, NFTNL_SET_ELEM_CHAIN);
	to->chain = chain ? arena_strdup(a, chain) : NULL;
	return nft_verdict(nftnl_set_elem_get_u32(from, NFTNL_SET_ELEM_VERDICT), &to->verdict);
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

		if (!nft_copy_value(&element.key, key, size, r->set->key))
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

static int ask_table(struct netlink *nft, struct reading *r, uint16_t type, uint16_t flags,
	uint16_t table_attribute, mnl_cb_t on_message)
{
	alignas(struct nlmsghdr) char buffer[512] = { 0 };
	struct nlmsghdr *request = nft_request(buffer, type, NFPROTO_INET, flags);

	mnl_attr_put_strz(request, table_attribute, RULESET_TABLE);
	return netlink_ask(nft, request, on_message, r);
}

static int read_elements(struct netlink *nft, struct reading *r, struct set *set)
{
	alignas(struct nlmsghdr) char buffer[1024] = { 0 };
	struct nlmsghdr *request;
	int error;

	if (set->foreign)
		return 0;
	r->set = set;
	request = nft_request(buffer, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP);
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, RULESET_TABLE);
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, set->name);
	error = netlink_ask(nft, request, on_elements, r);
	if (!error && set->interval)
		fold_intervals(set);
	return error;
}

static int read_table(struct netlink *nft, struct reading *r)
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

int nft_read(struct netlink *nft, struct arena *a, struct ruleset *out)
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
