#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "targets/capture/leftover/expression.h"
#include "targets/capture/nft_message.h"

/* What the first look sees: which tables there are that may hold something. */
struct place {
	uint8_t family;
	const char *name;
	bool known;    /* the name of the table, or of one of its chains, is a mesh's */
	bool iptables; /* iptables' name and family */
};

struct looking {
	struct arena *arena;
	vec_of(struct place) places;
	struct leftovers *out;
	struct old_table *table; /* whose content is being read */
};

#define RELEASE(name, type, free_it)                                                                              \
	static void name(type **object)                                                                           \
	{                                                                                                         \
		if (*object)                                                                                      \
			free_it(*object);                                                                         \
	}

RELEASE(chain_release, struct nftnl_chain, nftnl_chain_free)
RELEASE(rule_release, struct nftnl_rule, nftnl_rule_free)
RELEASE(set_release, struct nftnl_set, nftnl_set_free)

static int bad_message(void)
{
	errno = EBADMSG;
	return MNL_CB_ERROR;
}

static bool is_ours(uint8_t family, const char *table)
{
	return family == NFPROTO_INET && !strcmp(table, RULESET_TABLE);
}

/* ---- the first look: names only ---- */

/* Chains of one table come one after another. */
static struct place *place_of(struct looking *l, uint8_t family, const char *table)
{
	struct place *p = l->places.n ? &l->places.items[l->places.n - 1] : NULL;

	if (p && p->family == family && !strcmp(p->name, table))
		return p;
	p = vec_push(l->arena, &l->places);
	p->family = family;
	p->name = arena_strdup(l->arena, table);
	p->known = known_table(table);
	p->iptables = known_iptables(family, table);
	return p;
}

static int on_name(const struct nlmsghdr *message, void *context)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	const char *table = NULL, *chain = NULL;
	struct nlattr *attribute; /* the macro takes no pointer to const */
	struct looking *l = context;
	struct place *p;

	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		if (mnl_attr_validate(attribute, MNL_TYPE_UNSPEC) < 0)
			continue;
		if (mnl_attr_get_type(attribute) == NFTA_CHAIN_TABLE)
			table = mnl_attr_get_str(attribute);
		else if (mnl_attr_get_type(attribute) == NFTA_CHAIN_NAME)
			chain = mnl_attr_get_str(attribute);
	}
	if (!table || !chain)
		return bad_message();
	if (is_ours(header->nfgen_family, table))
		return MNL_CB_OK;
	p = place_of(l, header->nfgen_family, table);
	p->known |= known_chain(header->nfgen_family, table, chain) != NULL;
	return MNL_CB_OK;
}

static int look_at_names(struct netlink *nft, struct looking *l)
{
	alignas(struct nlmsghdr) char buffer[256];

	return netlink_ask(nft, nft_request(buffer, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP), on_name, l);
}

/* Where a mesh has chains in one of iptables' tables, it may have rules in the others. */
static bool is_of_interest(const struct looking *l, const struct place *p)
{
	if (p->known)
		return true;
	vec_each (other, &l->places)
		if (p->iptables && other->known && other->iptables && other->family == p->family)
			return true;
	return false;
}

/* ---- the second look: chains and rules of the tables of interest ---- */

static bool is_of_table(const struct nlmsghdr *message, const char *table, const struct old_table *t)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);

	return header->nfgen_family == t->family && table && !strcmp(table, t->name);
}

static int on_chain(const struct nlmsghdr *message, void *context)
{
	scoped(chain_release) struct nftnl_chain *chain = nftnl_chain_alloc();
	struct looking *l = context;
	struct old_chain *out;

	if (!chain || nftnl_chain_nlmsg_parse(message, chain) < 0)
		return bad_message();
	if (!is_of_table(message, nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE), l->table))
		return MNL_CB_OK;
	out = vec_push(l->arena, &l->table->chains);
	out->name = arena_strdup(l->arena, nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME));
	out->uses = nftnl_chain_get_u32(chain, NFTNL_CHAIN_USE);
	out->hook = nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM)
			    ? (int)nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM)
			    : NO_HOOK;
	return MNL_CB_OK;
}

static struct old_chain *chain_of(const struct old_table *t, const char *name)
{
	vec_each (c, &t->chains)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static int on_rule(const struct nlmsghdr *message, void *context)
{
	scoped(rule_release) struct nftnl_rule *rule = nftnl_rule_alloc();
	struct looking *l = context;
	struct old_chain *chain;
	struct old_rule *out;

	if (!rule || nftnl_rule_nlmsg_parse(message, rule) < 0)
		return bad_message();
	if (!is_of_table(message, nftnl_rule_get_str(rule, NFTNL_RULE_TABLE), l->table))
		return MNL_CB_OK;
	chain = chain_of(l->table, nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN));
	/* A chain that was made after the chains were read: the generation shows it. */
	if (!chain)
		return MNL_CB_OK;
	out = vec_push(l->arena, &chain->rules);
	out->handle = nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE);
	old_read_rule(out, rule, l->table->family, l->arena);
	return MNL_CB_OK;
}

/* ---- anonymous sets: ports of a rule ---- */

struct ports_of_set {
	struct arena *arena;
	vec_of(uint16_t) list;
	bool others; /* something else is in it */
};

static int on_port(struct nftnl_set_elem *e, void *context)
{
	struct ports_of_set *ports = context;
	uint32_t size;
	const void *key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &size);
	uint16_t port;

	if (!key || size != sizeof(port) || nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_KEY_END) ||
		(nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_FLAGS) &&
			nftnl_set_elem_get_u32(e, NFTNL_SET_ELEM_FLAGS))) {
		ports->others = true;
		return 0;
	}
	memcpy(&port, key, sizeof(port));
	*vec_push(ports->arena, &ports->list) = ntohs(port);
	return 0;
}

static int on_elements(const struct nlmsghdr *message, void *context)
{
	scoped(set_release) struct nftnl_set *set = nftnl_set_alloc();

	if (!set || nftnl_set_elems_nlmsg_parse(message, set) < 0)
		return bad_message();
	nftnl_set_elem_foreach(set, on_port, context);
	return MNL_CB_OK;
}

static int by_number(const void *left, const void *right)
{
	const uint16_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* What cannot be shown as a list of ports keeps the name of its set. */
static int read_ports(struct netlink *nft, const struct old_table *t, struct old_part *p, struct arena *a)
{
	alignas(struct nlmsghdr) char buffer[1024];
	struct ports_of_set ports = { .arena = a };
	struct nlmsghdr *m = nft_request(buffer, NFT_MSG_GETSETELEM, t->family, NLM_F_DUMP);
	struct str list = { .arena = a };
	int error;

	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, t->name);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, p->value + 1);
	error = netlink_ask(nft, m, on_elements, &ports);
	if (error || ports.others || !ports.list.n)
		return error == -ENOENT ? -EINTR : error;
	qsort(ports.list.items, ports.list.n, sizeof(*ports.list.items), by_number);
	vec_each (port, &ports.list)
		str_printf(&list, "%s%u", list.n ? "," : "", *port);
	p->value = str_text(&list);
	return 0;
}

static int read_sets(struct netlink *nft, const struct old_table *t, struct arena *a)
{
	int error = 0;

	vec_each (c, &t->chains)
		vec_each (r, &c->rules)
			vec_each (p, &r->parts)
				if (!error && (p->field == PART_SPORT || p->field == PART_DPORT) &&
					*p->value == '@')
					error = read_ports(nft, t, p, a);
	return error;
}

/* ---- all ---- */

static int read_table(struct netlink *nft, struct looking *l, const struct place *p)
{
	alignas(struct nlmsghdr) char buffer[512];
	struct nlmsghdr *m = nft_request(buffer, NFT_MSG_GETCHAIN, p->family, NLM_F_DUMP);
	int error;

	l->table = vec_push(l->arena, &l->out->tables);
	l->table->family = p->family;
	l->table->name = p->name;
	l->table->iptables = p->iptables;
	mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, p->name);
	error = netlink_ask(nft, m, on_chain, l);
	if (error)
		return error;
	m = nft_request(buffer, NFT_MSG_GETRULE, p->family, NLM_F_DUMP);
	mnl_attr_put_strz(m, NFTA_RULE_TABLE, p->name);
	error = netlink_ask(nft, m, on_rule, l);
	return error ? error : read_sets(nft, l->table, l->arena);
}

int leftover_read_nft(struct netlink *nft, struct arena *a, struct leftovers *out)
{
	struct looking l = { .arena = a, .out = out };
	int error = look_at_names(nft, &l);

	for (size_t i = 0; !error && i < l.places.n; i++)
		if (is_of_interest(&l, &l.places.items[i]))
			error = read_table(nft, &l, &l.places.items[i]);
	return error;
}

/* ---- removal ---- */

struct nlmsghdr *leftover_write_step(void *buffer, const struct leftover_step *step)
{
	static const uint16_t types[] = {
		[STEP_RULE] = NFT_MSG_DELRULE,
		[STEP_EMPTY_CHAIN] = NFT_MSG_DELRULE, /* without a handle: all of them */
		[STEP_CHAIN] = NFT_MSG_DELCHAIN,
		[STEP_TABLE] = NFT_MSG_DELTABLE,
	};
	struct nlmsghdr *m = nft_request(buffer, types[step->kind], step->table->family, 0);

	switch (step->kind) {
	case STEP_RULE:
		mnl_attr_put_strz(m, NFTA_RULE_TABLE, step->table->name);
		mnl_attr_put_strz(m, NFTA_RULE_CHAIN, step->chain->name);
		mnl_attr_put_u64(m, NFTA_RULE_HANDLE, htobe64(step->rule->handle));
		break;
	case STEP_EMPTY_CHAIN:
		mnl_attr_put_strz(m, NFTA_RULE_TABLE, step->table->name);
		mnl_attr_put_strz(m, NFTA_RULE_CHAIN, step->chain->name);
		break;
	case STEP_CHAIN:
		mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, step->table->name);
		mnl_attr_put_strz(m, NFTA_CHAIN_NAME, step->chain->name);
		break;
	case STEP_TABLE:
		mnl_attr_put_strz(m, NFTA_TABLE_NAME, step->table->name);
		break;
	}
	return m;
}
