#include "targets/capture/ruleset.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Numbers of the types: enum datatypes in nftables' include/datatype.h, which are part of what the kernel hands
 * around. */
static const struct type_info types[] = {
	[TYPE_NONE] = { "none", 0, 0, false },
	[TYPE_VERDICT] = { "verdict", 0xffffff00, 0, false }, /* NFT_DATA_VERDICT */
	[TYPE_NFPROTO] = { "nf_proto", 2, 1, false },
	[TYPE_L4PROTO] = { "inet_proto", 12, 1, false },
	[TYPE_IPV4] = { "ipv4_addr", 7, 4, false },
	[TYPE_IPV6] = { "ipv6_addr", 8, 16, false },
	[TYPE_PORT] = { "inet_service", 13, 2, false },
	[TYPE_MARK] = { "mark", 19, 4, true },
	[TYPE_USER] = { "uid", 24, 4, true },
	[TYPE_GROUP] = { "gid", 25, 4, true },
	[TYPE_INTERFACE] = { "ifname", 41, INTERFACE_SIZE, true },
	[TYPE_ADDRESS_TYPE] = { "fib_addrtype", 38, 4, true },
	[TYPE_CT_STATE] = { "ct_state", 26, 4, true },
	[TYPE_FLAG] = { "boolean", 39, 1, true },
	[TYPE_CGROUP] = { "cgroupsv2", 46, 8, true },
};

static const struct field_info fields[] = {
	[FIELD_NFPROTO] = { "meta nfproto", TYPE_NFPROTO, LOAD_META, NFT_META_NFPROTO, 0 },
	[FIELD_L4PROTO] = { "meta l4proto", TYPE_L4PROTO, LOAD_META, NFT_META_L4PROTO, 0 },
	[FIELD_MARK] = { "meta mark", TYPE_MARK, LOAD_META, NFT_META_MARK, 0 },
	[FIELD_USER] = { "meta skuid", TYPE_USER, LOAD_META, NFT_META_SKUID, 0 },
	[FIELD_GROUP] = { "meta skgid", TYPE_GROUP, LOAD_META, NFT_META_SKGID, 0 },
	[FIELD_IN_INTERFACE] = { "iifname", TYPE_INTERFACE, LOAD_META, NFT_META_IIFNAME, 0 },
	[FIELD_OUT_INTERFACE] = { "oifname", TYPE_INTERFACE, LOAD_META, NFT_META_OIFNAME, 0 },
	[FIELD_IP_SOURCE] = { "ip saddr", TYPE_IPV4, LOAD_NETWORK_HEADER, 12, NFPROTO_IPV4 },
	[FIELD_IP_DEST] = { "ip daddr", TYPE_IPV4, LOAD_NETWORK_HEADER, 16, NFPROTO_IPV4 },
	[FIELD_IP6_SOURCE] = { "ip6 saddr", TYPE_IPV6, LOAD_NETWORK_HEADER, 8, NFPROTO_IPV6 },
	[FIELD_IP6_DEST] = { "ip6 daddr", TYPE_IPV6, LOAD_NETWORK_HEADER, 24, NFPROTO_IPV6 },
	[FIELD_TCP_DEST_PORT] = { "tcp dport", TYPE_PORT, LOAD_TRANSPORT_HEADER, 2, 0, IPPROTO_TCP },
	[FIELD_UDP_DEST_PORT] = { "udp dport", TYPE_PORT, LOAD_TRANSPORT_HEADER, 2, 0, IPPROTO_UDP },
	[FIELD_UDP_SOURCE_PORT] = { "udp sport", TYPE_PORT, LOAD_TRANSPORT_HEADER, 0, 0, IPPROTO_UDP },
	[FIELD_DEST_TYPE] = { "fib daddr type", TYPE_ADDRESS_TYPE, LOAD_FIB, NFTA_FIB_F_DADDR, 0 },
	[FIELD_CT_STATE] = { "ct state", TYPE_CT_STATE, LOAD_CT, NFT_CT_STATE, 0 },
	[FIELD_CT_MARK] = { "ct mark", TYPE_MARK, LOAD_CT, NFT_CT_MARK, 0 },
	[FIELD_TRANSPARENT] = { "socket transparent", TYPE_FLAG, LOAD_SOCKET, NFT_SOCKET_TRANSPARENT, 0 },
	[FIELD_CGROUP] = { "socket cgroupv2", TYPE_CGROUP, LOAD_SOCKET, NFT_SOCKET_CGROUPV2, 0 },
};

const struct type_info *type_info(enum type type)
{
	return &types[type];
}

const struct field_info *field_info(enum field field)
{
	return &fields[field];
}

struct value value_byte(uint8_t n)
{
	return (struct value){ .data = { n } };
}

struct value value_port(uint16_t port)
{
	return (struct value){ .data = { (unsigned char)(port >> 8), (unsigned char)port } };
}

struct value value_number(uint32_t n)
{
	struct value v = { 0 };

	memcpy(v.data, &n, sizeof(n));
	return v;
}

struct value value_address(int family, const unsigned char *address)
{
	struct value v = { 0 };

	memcpy(v.data, address, family == AF_INET ? 4 : 16);
	return v;
}

struct value value_interface(const char *name)
{
	struct value v = { 0 };

	memcpy(v.data, name, strnlen(name, INTERFACE_SIZE - 1));
	return v;
}

uint32_t value_as_number(const struct value *v)
{
	uint32_t n;

	memcpy(&n, v->data, sizeof(n));
	return n;
}

int value_compare(enum type type, const struct value *a, const struct value *b)
{
	int order = memcmp(a->data, b->data, VALUE_SIZE);

	if (types[type].host_order && types[type].size == sizeof(uint32_t)) {
		uint32_t x = value_as_number(a), y = value_as_number(b);

		order = (x > y) - (x < y);
	}
	if (!order && (a->missing || b->missing))
		order = strcmp(a->shown ? a->shown : "", b->shown ? b->shown : "");
	return order;
}

struct chain *ruleset_add_chain(struct ruleset *r, struct arena *a, const char *name)
{
	struct chain *c = vec_push(a, &r->chains);

	c->name = name;
	names_add(a, &r->chain_names, name, r->chains.n - 1);
	return c;
}

struct set *ruleset_add_set(struct ruleset *r, struct arena *a, const char *name, enum type key, enum type data)
{
	struct set *s = vec_push(a, &r->sets);

	s->name = name;
	s->key = key;
	s->data = data;
	names_add(a, &r->set_names, name, r->sets.n - 1);
	return s;
}

struct chain *ruleset_chain(const struct ruleset *r, const char *name)
{
	size_t at = names_find(&r->chain_names, name);

	return at == NAMES_NONE ? NULL : &r->chains.items[at];
}

struct set *ruleset_set(const struct ruleset *r, const char *name)
{
	size_t at = names_find(&r->set_names, name);

	return at == NAMES_NONE ? NULL : &r->sets.items[at];
}

const char *ruleset_unresolved(const struct ruleset *r)
{
	vec_each (s, &r->sets)
		vec_each (e, &s->elements)
			if (e->key.missing)
				return e->key.shown;
	return NULL;
}

/* ---- normalizing ---- */

static int by_chain_name(const void *left, const void *right)
{
	return strcmp(((const struct chain *)left)->name, ((const struct chain *)right)->name);
}

static int by_set_name(const void *left, const void *right)
{
	return strcmp(((const struct set *)left)->name, ((const struct set *)right)->name);
}

int element_compare(const struct set *s, const struct element *a, const struct element *b)
{
	int order = value_compare(s->key, &a->key, &b->key);

	if (!order)
		order = value_compare(s->key, &a->end, &b->end);
	if (order || s->data == TYPE_NONE)
		return order;
	if (s->data != TYPE_VERDICT)
		return value_compare(s->data, &a->data, &b->data);
	order = (a->verdict > b->verdict) - (a->verdict < b->verdict);
	return order ? order : strcmp(a->chain ? a->chain : "", b->chain ? b->chain : "");
}

static int by_key(const void *left, const void *right, void *set)
{
	return element_compare(set, left, right);
}

/* The key that follows, as an interval's end is counted. False: there is none. */
static bool next_key(const struct value *v, uint32_t size, struct value *out)
{
	*out = *v;
	for (uint32_t i = size; i-- > 0;)
		if (++out->data[i])
			return true;
	return false;
}

static bool touches(const struct set *s, const struct element *a, const struct element *b)
{
	struct value next;

	return !next_key(&a->end, types[s->key].size, &next) || value_compare(s->key, &b->key, &next) <= 0;
}

static bool same_data(const struct set *s, const struct element *a, const struct element *b)
{
	if (s->data == TYPE_NONE)
		return true;
	if (s->data != TYPE_VERDICT)
		return !value_compare(s->data, &a->data, &b->data);
	return a->verdict == b->verdict && !strcmp(a->chain ? a->chain : "", b->chain ? b->chain : "");
}

/* Overlapping and adjacent ranges with the same data become one, equal keys too. Elements are sorted. */
static void merge(struct set *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->elements.n; i++) {
		struct element *e = &s->elements.items[i], *last = n ? &s->elements.items[n - 1] : NULL;
		bool joins = last && (s->interval ? same_data(s, last, e) && touches(s, last, e)
						  : !value_compare(s->key, &last->key, &e->key));

		if (!joins)
			s->elements.items[n++] = *e;
		else if (value_compare(s->key, &e->end, &last->end) > 0)
			last->end = e->end;
	}
	s->elements.n = n;
}

/* After sorting. */
static void name_again(struct ruleset *r, struct arena *a)
{
	r->chain_names = r->set_names = (struct names){ 0 };
	vec_each (c, &r->chains)
		names_add(a, &r->chain_names, c->name, (size_t)(c - r->chains.items));
	vec_each (s, &r->sets)
		names_add(a, &r->set_names, s->name, (size_t)(s - r->sets.items));
}

void ruleset_sort(struct ruleset *r, struct arena *a)
{
	if (r->chains.n)
		qsort(r->chains.items, r->chains.n, sizeof(*r->chains.items), by_chain_name);
	if (r->sets.n)
		qsort(r->sets.items, r->sets.n, sizeof(*r->sets.items), by_set_name);
	name_again(r, a);
	vec_each (s, &r->sets)
		if (s->elements.n)
			qsort_r(s->elements.items, s->elements.n, sizeof(*s->elements.items), by_key, s);
	vec_each (c, &r->chains)
		vec_each (rule, &c->rules)
			if (!rule->foreign)
				rule->text = print_rule(rule, a);
}

void ruleset_normalize(struct ruleset *r, struct arena *a)
{
	ruleset_sort(r, a);
	vec_each (s, &r->sets)
		merge(s);
}
