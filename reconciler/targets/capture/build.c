#include "targets/capture/build.h"

#include <linux/netfilter.h>
#include <string.h>
#include <sys/socket.h>

const struct family build_families[2] = {
	{ AF_INET, NFPROTO_IPV4, FIELD_IP_SOURCE, FIELD_IP_DEST, "ipv4", { 127, 0, 0, 6 } },
	{ AF_INET6, NFPROTO_IPV6, FIELD_IP6_SOURCE, FIELD_IP6_DEST, "ipv6", { [15] = 6 } },
};

const unsigned char build_loopback6[16] = { [15] = 1 };

/* ---- sets ---- */

struct set *build_set(struct building *b, const char *name, enum type key, enum type data)
{
	struct set *s = ruleset_set(b->out, name);

	return s ? s : ruleset_add_set(b->out, b->arena, name, key, data);
}

struct element *build_element(struct building *b, struct set *s, struct value key)
{
	struct element *e = vec_push(b->arena, &s->elements);

	e->key = e->end = key;
	return e;
}

void build_port(struct building *b, const char *map, enum type key_type, struct value key, uint16_t port)
{
	build_element(b, build_set(b, map, key_type, TYPE_PORT), key)->data = value_port(port);
}

void build_goto(struct building *b, const char *map, enum type key_type, struct value key, const char *chain)
{
	struct element *e = build_element(b, build_set(b, map, key_type, TYPE_VERDICT), key);

	e->verdict = VERDICT_GOTO;
	e->chain = chain;
}

const char *build_known(const struct building *b, const char *name)
{
	return ruleset_set(b->out, name) ? name : NULL;
}

void build_port_range(
	const struct building *b, const struct port_range *p, struct value *first, struct value *last)
{
	const struct fact_port *fact = p->name ? facts_port(&b->site->facts, p->name) : NULL;

	*first = value_port(p->name ? (fact ? fact->number : 0) : p->first);
	*last = p->name ? *first : value_port(p->last);
	if (p->name && (!fact || !fact->found)) {
		first->shown = last->shown = p->name;
		first->missing = last->missing = true;
	}
}

const char *build_ports(struct building *b, const char *name, const struct ports *ports)
{
	struct set *s;

	if (!ports->list.n)
		return NULL;
	s = build_set(b, name, TYPE_PORT, TYPE_NONE);
	vec_each (p, &ports->list) {
		struct value first, last;

		build_port_range(b, p, &first, &last);
		build_element(b, s, first)->end = last;
		s->interval |= p->first != p->last;
	}
	return name;
}

/* The last address of a range. */
static struct value last_of(const struct cidr *range)
{
	struct value v = value_address(range->family, range->address);

	for (unsigned bit = range->prefix; bit < (range->family == AF_INET ? 32U : 128U); bit++)
		v.data[bit / 8] |= (unsigned char)(0x80U >> bit % 8);
	return v;
}

const char *build_ranges(struct building *b, const char *name, const struct cidrs *ranges, int family)
{
	struct set *s = NULL;

	vec_each (range, &ranges->list) {
		if (range->family != family)
			continue;
		if (!s) {
			s = build_set(b, name, family == AF_INET ? TYPE_IPV4 : TYPE_IPV6, TYPE_NONE);
			s->interval = true;
		}
		build_element(b, s, value_address(family, range->address))->end = last_of(range);
	}
	return s ? name : NULL;
}

const char *build_interfaces(struct building *b, const char *name, const struct texts *interfaces)
{
	struct set *s;

	if (!interfaces->list.n)
		return NULL;
	s = build_set(b, name, TYPE_INTERFACE, TYPE_NONE);
	if (!s->elements.n)
		vec_each (interface, &interfaces->list)
			build_element(b, s, value_interface(*interface));
	return name;
}

struct value build_account(const struct building *b, const struct account *account, bool group)
{
	struct value v = { .shown = account->name, .missing = true };
	uint32_t number;

	return site_number(b->site, account, group, &number) ? value_number(number) : v;
}

const char *build_accounts(struct building *b, const char *name, const struct accounts *accounts, bool group)
{
	struct set *s;

	if (!accounts->list.n)
		return NULL;
	s = build_set(b, name, group ? TYPE_GROUP : TYPE_USER, TYPE_NONE);
	vec_each (account, &accounts->list)
		build_element(b, s, build_account(b, account, group));
	return name;
}

/* ---- rules ---- */

struct rule *build_rule(struct building *b, struct chain *chain)
{
	return vec_push(b->arena, &chain->rules);
}

static struct statement *add(struct building *b, struct rule *r, enum statement_kind kind, enum field field)
{
	struct statement *s = vec_push(b->arena, &r->statements);

	s->kind = kind;
	s->field = field;
	return s;
}

static void match_once(struct building *b, struct rule *r, enum field field, uint8_t value)
{
	vec_each (s, &r->statements)
		if (s->kind == MATCH_VALUE && s->field == field && !s->negated)
			return;
	add(b, r, MATCH_VALUE, field)->value = value_byte(value);
}

/* What must be known of a packet before the field can be read is matched first, once, as nft does it. */
static struct statement *match(struct building *b, struct rule *r, enum statement_kind kind, enum field field)
{
	if (field_info(field)->nfproto)
		match_once(b, r, FIELD_NFPROTO, field_info(field)->nfproto);
	if (field_info(field)->l4proto)
		match_once(b, r, FIELD_L4PROTO, field_info(field)->l4proto);
	return add(b, r, kind, field);
}

void build_match(struct building *b, struct rule *r, enum field field, struct value value)
{
	match(b, r, MATCH_VALUE, field)->value = value;
}

void build_match_not(struct building *b, struct rule *r, enum field field, struct value value)
{
	struct statement *s = match(b, r, MATCH_VALUE, field);

	s->value = value;
	s->negated = true;
}

void build_match_set(struct building *b, struct rule *r, enum field field, const char *set)
{
	match(b, r, MATCH_SET, field)->set = set;
}

void build_match_not_set(struct building *b, struct rule *r, enum field field, const char *set)
{
	struct statement *s = match(b, r, MATCH_SET, field);

	s->set = set;
	s->negated = true;
}

void build_match_states(struct building *b, struct rule *r, uint32_t bits)
{
	add(b, r, MATCH_FLAGS, FIELD_CT_STATE)->value = value_number(bits);
}

void build_match_tcp(struct building *b, struct rule *r)
{
	match_once(b, r, FIELD_L4PROTO, IPPROTO_TCP);
}

void build_match_interface(struct building *b, struct rule *r, enum field field, const char *name)
{
	build_match(b, r, field, value_interface(name));
}

void build_count(struct building *b, struct rule *r)
{
	add(b, r, STATEMENT_COUNTER, (enum field)0);
}

void build_verdict(struct building *b, struct rule *r, enum verdict verdict, const char *chain)
{
	struct statement *s = add(b, r, STATEMENT_VERDICT, (enum field)0);

	s->verdict = verdict;
	s->chain = chain;
}

void build_map(struct building *b, struct rule *r, enum statement_kind kind, enum field field, const char *map)
{
	match(b, r, kind, field)->set = map;
}

void build_statement(struct building *b, struct rule *r, enum statement_kind kind, struct value value)
{
	add(b, r, kind, (enum field)0)->value = value;
}

void build_let_go(struct building *b, struct rule *r, enum verdict verdict, const char *comment)
{
	build_count(b, r);
	build_verdict(b, r, verdict, NULL);
	r->comment = comment;
}

/* ---- whole rules ---- */

void build_exclude(struct building *b, struct chain *chain, enum field field, const char *set,
	enum verdict verdict, const char *comment)
{
	struct rule *r;

	if (!set)
		return;
	r = build_rule(b, chain);
	build_match_set(b, r, field, set);
	build_let_go(b, r, verdict, comment);
}

void build_dispatch(struct building *b, struct chain *chain, enum field field, uint32_t level, const char *map)
{
	struct rule *r;

	if (!ruleset_set(b->out, map))
		return;
	r = build_rule(b, chain);
	build_map(b, r, STATEMENT_VERDICT_MAP, field, map);
	r->statements.items[r->statements.n - 1].level = level;
}
