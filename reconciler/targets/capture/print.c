#include "targets/capture/ruleset.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const char *print_byte(enum type type, uint8_t n, struct arena *a)
{
	static const struct {
		enum type type;
		uint8_t number;
		const char *name;
	} names[] = {
		{ TYPE_L4PROTO, IPPROTO_TCP, "tcp" },
		{ TYPE_L4PROTO, IPPROTO_UDP, "udp" },
		{ TYPE_NFPROTO, NFPROTO_IPV4, "ipv4" },
		{ TYPE_NFPROTO, NFPROTO_IPV6, "ipv6" },
	};

	for (size_t i = 0; i < array_len(names); i++)
		if (names[i].type == type && names[i].number == n)
			return names[i].name;
	return arena_printf(a, "%u", n);
}

static const char *print_address_type(uint32_t n, struct arena *a)
{
	return n == RTN_LOCAL ? "local" : n == RTN_UNICAST ? "unicast" : arena_printf(a, "%" PRIu32, n);
}

static const char *print_states(uint32_t bits, struct arena *a)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} states[] = {
		{ NF_CT_STATE_INVALID_BIT, "invalid" },
		{ NF_CT_STATE_BIT(IP_CT_ESTABLISHED), "established" },
		{ NF_CT_STATE_BIT(IP_CT_RELATED), "related" },
		{ NF_CT_STATE_BIT(IP_CT_NEW), "new" },
		{ NF_CT_STATE_UNTRACKED_BIT, "untracked" },
	};
	struct str out = { .arena = a };

	for (size_t i = 0; i < array_len(states); i++) {
		if (!(bits & states[i].bit))
			continue;
		str_printf(&out, "%s%s", out.n ? "," : "", states[i].name);
		bits &= ~states[i].bit;
	}
	return bits ? arena_printf(a, "0x%" PRIx32, bits) : str_text(&out);
}

/* A group that was removed has an id that no path has any more; nft takes only paths. */
static const char *print_cgroup(const struct value *v, struct arena *a)
{
	uint64_t id;

	memcpy(&id, v->data, sizeof(id));
	return arena_printf(a, "%" PRIu64, id);
}

const char *print_value(enum type type, const struct value *v, struct arena *a)
{
	char address[INET6_ADDRSTRLEN];

	if (v->shown)
		return type == TYPE_CGROUP ? arena_printf(a, "\"%s\"", v->shown) : v->shown;
	switch (type) {
	case TYPE_NFPROTO:
	case TYPE_L4PROTO:
		return print_byte(type, v->data[0], a);
	case TYPE_IPV4:
		return arena_strdup(a, inet_ntop(AF_INET, v->data, address, sizeof(address)));
	case TYPE_IPV6:
		return arena_strdup(a, inet_ntop(AF_INET6, v->data, address, sizeof(address)));
	case TYPE_PORT:
		return arena_printf(a, "%u", v->data[0] << 8 | v->data[1]);
	case TYPE_MARK:
		return arena_printf(a, "0x%08" PRIx32, value_as_number(v));
	case TYPE_USER:
	case TYPE_GROUP:
		return arena_printf(a, "%" PRIu32, value_as_number(v));
	case TYPE_INTERFACE:
		return arena_printf(a, "\"%.*s\"", INTERFACE_SIZE, (const char *)v->data);
	case TYPE_ADDRESS_TYPE:
		return print_address_type(value_as_number(v), a);
	case TYPE_CT_STATE:
		return print_states(value_as_number(v), a);
	case TYPE_FLAG:
		return v->data[0] ? "1" : "0";
	case TYPE_CGROUP:
		return print_cgroup(v, a);
	case TYPE_NONE:
	case TYPE_VERDICT:
	case TYPE_COUNT:
		break;
	}
	return "?";
}

static void add_verdict(struct str *out, enum verdict verdict, const char *chain)
{
	static const char *const words[] = {
		[VERDICT_ACCEPT] = "accept",
		[VERDICT_DROP] = "drop",
		[VERDICT_RETURN] = "return",
		[VERDICT_JUMP] = "jump",
		[VERDICT_GOTO] = "goto",
	};

	str_add(out, words[verdict]);
	if (verdict == VERDICT_JUMP || verdict == VERDICT_GOTO)
		str_printf(out, " %s", chain);
}

static const char *field_name(const struct statement *s, struct arena *a)
{
	const char *name = field_info(s->field)->name;

	return s->field == FIELD_CGROUP ? arena_printf(a, "%s level %" PRIu32, name, s->level) : name;
}

static void add_statement(struct str *out, const struct statement *s)
{
	enum type type = field_info(s->field)->type;
	const char *name = field_name(s, out->arena), *not = s->negated ? "!= " : "";

	switch (s->kind) {
	case MATCH_VALUE:
		str_printf(out, "%s %s%s", name, not, print_value(type, &s->value, out->arena));
		break;
	case MATCH_FLAGS:
		str_printf(out, "%s %s", name, print_value(type, &s->value, out->arena));
		break;
	case MATCH_SET:
		str_printf(out, "%s %s@%s", name, not, s->set);
		break;
	case STATEMENT_COUNTER:
		str_add(out, "counter");
		break;
	case STATEMENT_VERDICT:
		add_verdict(out, s->verdict, s->chain);
		break;
	case STATEMENT_VERDICT_MAP:
		str_printf(out, "%s vmap @%s", name, s->set);
		break;
	case STATEMENT_REDIRECT:
		str_printf(out, "redirect to :%s", print_value(TYPE_PORT, &s->value, out->arena));
		break;
	case STATEMENT_REDIRECT_MAP:
		str_printf(out, "redirect to :%s map @%s", name, s->set);
		break;
	case STATEMENT_TPROXY:
		str_printf(out, "tproxy to :%s", print_value(TYPE_PORT, &s->value, out->arena));
		break;
	case STATEMENT_TPROXY_MAP:
		str_printf(out, "tproxy to :%s map @%s", name, s->set);
		break;
	case STATEMENT_SET_MARK:
		str_printf(out, "meta mark set %s", print_value(TYPE_MARK, &s->value, out->arena));
		break;
	case STATEMENT_SAVE_MARK:
		str_add(out, "ct mark set meta mark");
		break;
	case STATEMENT_RESTORE_MARK:
		str_add(out, "meta mark set ct mark");
		break;
	case STATEMENT_SET_ZONE:
		str_printf(out, "ct original zone set %" PRIu32, value_as_number(&s->value));
		break;
	case STATEMENT_REJECT:
		str_add(out, "reject with icmpx port-unreachable");
		break;
	case STATEMENT_RESET:
		str_add(out, "reject with tcp reset");
		break;
	}
}

static bool is_match(const struct statement *s)
{
	return s->kind == MATCH_VALUE || s->kind == MATCH_FLAGS || s->kind == MATCH_SET ||
	       s->kind == STATEMENT_VERDICT_MAP;
}

/*
 * nft writes the protocol match that `tcp dport` and `ip daddr` need by itself, right before them; there, it need
 * not be printed, and `nft -f` makes the same rule of the text.
 */
static bool is_implied(const struct statement *s, const struct statement *next)
{
	if (s->kind != MATCH_VALUE || s->negated || !next || !is_match(next))
		return false;
	if (s->field == FIELD_L4PROTO)
		return field_info(next->field)->l4proto == s->value.data[0];
	return s->field == FIELD_NFPROTO && field_info(next->field)->nfproto == s->value.data[0];
}

const char *print_rule(const struct rule *r, struct arena *a)
{
	struct str out = { .arena = a };

	for (size_t i = 0; i < r->statements.n; i++) {
		const struct statement *s = &r->statements.items[i];

		if (is_implied(s, i + 1 < r->statements.n ? s + 1 : NULL))
			continue;
		if (out.n)
			str_add(&out, " ");
		add_statement(&out, s);
	}
	if (r->comment)
		str_printf(&out, " comment \"%s\"", r->comment);
	return str_text(&out);
}

/* The prefix of a range that is one; -1: it is none. */
static int prefix_of(const struct element *e, uint32_t size)
{
	int prefix = 0;

	while (prefix < (int)size * 8 &&
		!((e->key.data[prefix / 8] ^ e->end.data[prefix / 8]) & 0x80U >> prefix % 8))
		prefix++;
	for (int bit = prefix; bit < (int)size * 8; bit++) {
		unsigned mask = 0x80U >> bit % 8;

		if (e->key.data[bit / 8] & mask || !(e->end.data[bit / 8] & mask))
			return -1;
	}
	return prefix;
}

const char *print_element(const struct set *s, const struct element *e, struct arena *a)
{
	struct str out = { .arena = a };
	uint32_t size = type_info(s->key)->size;
	bool address = s->key == TYPE_IPV4 || s->key == TYPE_IPV6;
	int prefix = address ? prefix_of(e, size) : -1;

	str_add(&out, print_value(s->key, &e->key, a));
	if (value_compare(s->key, &e->key, &e->end)) {
		if (prefix >= 0)
			str_printf(&out, "/%d", prefix);
		else
			str_printf(&out, "-%s", print_value(s->key, &e->end, a));
	}
	if (s->data == TYPE_VERDICT) {
		str_add(&out, " : ");
		add_verdict(&out, e->verdict, e->chain);
	} else if (s->data != TYPE_NONE) {
		str_printf(&out, " : %s", print_value(s->data, &e->data, a));
	}
	return str_text(&out);
}

static void add_set_head(struct str *out, const struct set *s, const char *separator)
{
	str_printf(out, "type %s", type_info(s->key)->name);
	if (s->data != TYPE_NONE)
		str_printf(out, " : %s", type_info(s->data)->name);
	if (s->interval)
		str_printf(out, "%sflags interval", separator);
}

static const char *set_word(const struct set *s)
{
	return s->data == TYPE_NONE ? "set" : "map";
}

const char *print_set_head(const struct set *s, struct arena *a)
{
	struct str out = { .arena = a };

	str_printf(&out, "%s %s { ", set_word(s), s->name);
	add_set_head(&out, s, "; ");
	str_add(&out, "; }");
	return str_text(&out);
}

const char *chain_type_name(enum chain_type type)
{
	static const char *const names[] = { [CHAIN_REGULAR] = "regular",
		[CHAIN_FILTER] = "filter",
		[CHAIN_NAT] = "nat",
		[CHAIN_ROUTE] = "route" };

	return names[type];
}

const char *hook_name(uint32_t hook)
{
	static const char *const names[] = {
		[NF_INET_PRE_ROUTING] = "prerouting",
		[NF_INET_LOCAL_IN] = "input",
		[NF_INET_FORWARD] = "forward",
		[NF_INET_LOCAL_OUT] = "output",
		[NF_INET_POST_ROUTING] = "postrouting",
	};

	return hook < array_len(names) ? names[hook] : NULL;
}

static void add_chain_head(struct str *out, const struct chain *c)
{
	const char *hook = hook_name(c->hook);

	str_printf(out, "type %s hook %s priority %" PRId32 "; policy %s;", chain_type_name(c->type),
		hook ? hook : "?", c->priority, c->drop ? "drop" : "accept");
}

const char *print_chain_head(const struct chain *c, struct arena *a)
{
	struct str out = { .arena = a };

	str_printf(&out, "chain %s", c->name);
	if (c->type == CHAIN_REGULAR)
		return str_text(&out);
	str_add(&out, " { ");
	add_chain_head(&out, c);
	str_add(&out, " }");
	return str_text(&out);
}

static void add_set(struct str *out, const struct set *s)
{
	str_printf(out, "\t%s %s {\n\t\t", set_word(s), s->name);
	add_set_head(out, s, "\n\t\t");
	if (s->elements.n)
		str_add(out, "\n\t\telements = {");
	vec_each (e, &s->elements)
		str_printf(
			out, "%s\n\t\t\t%s", e == s->elements.items ? "" : ",", print_element(s, e, out->arena));
	if (s->elements.n)
		str_add(out, "\n\t\t}");
	str_add(out, "\n\t}\n\n");
}

static void add_chain(struct str *out, const struct chain *c)
{
	str_printf(out, "\tchain %s {\n", c->name);
	if (c->type != CHAIN_REGULAR) {
		str_add(out, "\t\t");
		add_chain_head(out, c);
		str_add(out, "\n");
	}
	vec_each (r, &c->rules)
		str_printf(out, "\t\t%s\n", r->text);
	str_add(out, "\t}\n");
}

const char *print_ruleset(const struct ruleset *r, struct arena *a)
{
	struct str out = { .arena = a };

	if (!r->present)
		return "";
	str_add(&out, "table inet " RULESET_TABLE " {\n");
	vec_each (s, &r->sets)
		add_set(&out, s);
	vec_each (c, &r->chains) {
		add_chain(&out, c);
		if (c + 1 != r->chains.items + r->chains.n)
			str_add(&out, "\n");
	}
	str_add(&out, "}\n");
	return str_text(&out);
}
