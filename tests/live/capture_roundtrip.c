/*
 * The two properties of DESIGN section 4, on generated rulesets, in a network namespace of the test's own:
 *   encode → kernel → decode is the identity, and print → `nft -f` → decode is the same identity;
 * and, for random pairs: edits from one ruleset to another, applied to the kernel, give the other.
 *
 * capture_roundtrip [SEED [ROUNDS [print]]]; prints the seed of a failure, or with "print" each ruleset. Exit code
 * 77: no right to make a namespace, or no nft.
 */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "targets/capture/nft.h"

static unsigned below(unsigned n)
{
	return (unsigned)random() % n;
}

static bool chance(unsigned percent)
{
	return below(100) < percent;
}

/* ---- generating ---- */

static struct value random_value(enum type type)
{
	struct value v = { 0 };
	static const char *const interfaces[] = { "lo", "eth0", "docker0", "wg-mesh", "br0.100",
		"veth1234567890a" };

	switch (type) {
	case TYPE_NFPROTO:
		return value_byte(chance(50) ? NFPROTO_IPV4 : NFPROTO_IPV6);
	case TYPE_L4PROTO:
		return value_byte(chance(50) ? IPPROTO_TCP : IPPROTO_UDP);
	case TYPE_PORT:
		return value_port((uint16_t)(1 + below(chance(50) ? 100 : 65535)));
	case TYPE_INTERFACE:
		return value_interface(interfaces[below(array_len(interfaces))]);
	case TYPE_ADDRESS_TYPE:
		return value_number(chance(50) ? RTN_LOCAL : RTN_UNICAST);
	case TYPE_MARK:
	case TYPE_USER:
	case TYPE_GROUP:
		return value_number(chance(50) ? below(2000) : (uint32_t)random());
	case TYPE_IPV4:
	case TYPE_IPV6:
		for (uint32_t i = 0; i < type_info(type)->size; i++)
			v.data[i] = (unsigned char)(chance(40) ? 0 : below(256));
		return v;
	case TYPE_CT_STATE:
		return value_number(1 + below(15));
	case TYPE_FLAG:
		return value_byte(chance(50));
	case TYPE_CGROUP: /* nft takes only paths of groups that exist */
	case TYPE_NONE:
	case TYPE_VERDICT:
	case TYPE_COUNT:
		break;
	}
	return v;
}

static struct value random_end(const struct set *s, const struct value *key)
{
	struct value end = *key;
	unsigned bits = type_info(s->key)->size * 8, free_bits;

	if (chance(40))
		return end;
	/* A prefix, or a range that is none. */
	free_bits = below(bits + 1);
	for (unsigned i = 0; i < free_bits; i++) {
		unsigned bit = bits - 1 - i;

		if (chance(80))
			end.data[bit / 8] |= (unsigned char)(0x80U >> bit % 8);
	}
	return end;
}

static void add_set(struct ruleset *r, struct arena *a, unsigned i)
{
	static const enum type keys[] = { TYPE_IPV4, TYPE_IPV6, TYPE_PORT, TYPE_USER, TYPE_GROUP, TYPE_INTERFACE,
		TYPE_MARK };
	static const enum type datas[] = { TYPE_NONE, TYPE_NONE, TYPE_PORT, TYPE_VERDICT };
	struct set *s = ruleset_add_set(
		r, a, arena_printf(a, "set-%u.x_%u", i, below(3)), keys[below(array_len(keys))], datas[below(4)]);
	static const char *const targets[] = { "alpha", "beta" };

	s->interval = s->data == TYPE_NONE &&
		      (s->key == TYPE_IPV4 || s->key == TYPE_IPV6 || s->key == TYPE_PORT) && chance(70);
	for (unsigned n = below(12); n; n--) {
		struct element *e = vec_push(a, &s->elements);

		e->key = random_value(s->key);
		e->end = s->interval ? random_end(s, &e->key) : e->key;
		if (s->data == TYPE_PORT)
			e->data = random_value(TYPE_PORT);
		if (s->data != TYPE_VERDICT)
			continue;
		e->verdict = (enum verdict)below(5);
		e->chain = e->verdict >= VERDICT_JUMP ? targets[below(2)] : NULL;
	}
}

static struct statement *push(struct rule *r, struct arena *a, enum statement_kind kind, enum field field)
{
	struct statement *s = vec_push(a, &r->statements);

	s->kind = kind;
	s->field = field;
	return s;
}

static void require(struct rule *r, struct arena *a, enum field field, struct value value)
{
	vec_each (s, &r->statements)
		if (s->kind == MATCH_VALUE && s->field == field && !s->negated)
			return;
	push(r, a, MATCH_VALUE, field)->value = value;
}

static bool has_field(const struct rule *r, enum field field)
{
	vec_each (s, &r->statements)
		if (s->field == field && (s->kind == MATCH_VALUE || s->kind == MATCH_SET))
			return true;
	return false;
}

/* Whether the rule has fixed the family or protocol otherwise: nft refuses `ip6 daddr` after `ip saddr`. */
static bool other_family(const struct rule *r, enum field field)
{
	uint8_t family = field_info(field)->nfproto, protocol = field_info(field)->l4proto;

	vec_each (s, &r->statements) {
		if (s->kind != MATCH_VALUE)
			continue;
		if (s->field == FIELD_NFPROTO && family && (s->negated || s->value.data[0] != family))
			return true;
		if (s->field == FIELD_L4PROTO && protocol && (s->negated || s->value.data[0] != protocol))
			return true;
	}
	return false;
}

static struct set *set_with(const struct ruleset *r, enum type key, enum type data)
{
	vec_each (s, &r->sets)
		if (s->key == key && s->data == data)
			return s;
	return NULL;
}

static void add_match(struct rule *r, const struct ruleset *rs, struct arena *a, bool output)
{
	enum field field = (enum field)below(FIELD_COUNT);
	enum type type = field_info(field)->type;
	struct set *set = chance(50) ? set_with(rs, type, TYPE_NONE) : NULL;
	struct statement *s;

	/* A socket is looked up on the way in; ports one after the other would be merged into one comparison by
	 * nft. */
	if (field == FIELD_CGROUP || (field == FIELD_TRANSPARENT && output) ||
		(field == FIELD_UDP_SOURCE_PORT && has_field(r, FIELD_UDP_DEST_PORT)) ||
		(field == FIELD_UDP_DEST_PORT && has_field(r, FIELD_UDP_SOURCE_PORT)))
		return;
	if (has_field(r, field) || other_family(r, field) ||
		(output ? field == FIELD_IN_INTERFACE : field == FIELD_OUT_INTERFACE))
		return;
	/* nft drops a family match that a header match repeats. */
	if (field == FIELD_NFPROTO || field == FIELD_L4PROTO)
		set = NULL;
	if (field_info(field)->nfproto)
		require(r, a, FIELD_NFPROTO, value_byte(field_info(field)->nfproto));
	if (field_info(field)->l4proto)
		require(r, a, FIELD_L4PROTO, value_byte(field_info(field)->l4proto));
	/* Two addresses compared one after the other would be merged into one comparison by nft. */
	if ((field == FIELD_IP_SOURCE || field == FIELD_IP_DEST || field == FIELD_IP6_SOURCE ||
		    field == FIELD_IP6_DEST) &&
		!set)
		vec_each (other, &r->statements)
			if (field_info(other->field)->loader == LOAD_NETWORK_HEADER)
				return;
	if (field == FIELD_CT_STATE) {
		push(r, a, MATCH_FLAGS, field)->value = random_value(type);
		return;
	}
	s = push(r, a, set ? MATCH_SET : MATCH_VALUE, field);
	s->negated = chance(25);
	s->set = set ? set->name : NULL;
	if (!set)
		s->value = random_value(type);
}

/* What only rules outside of nat chains do. */
static void add_filter_statement(struct rule *r, struct arena *a, bool prerouting)
{
	switch (below(6)) {
	case 0:
		push(r, a, STATEMENT_SET_MARK, (enum field)0)->value = random_value(TYPE_MARK);
		break;
	case 1:
		push(r, a, STATEMENT_SAVE_MARK, (enum field)0);
		break;
	case 2:
		push(r, a, STATEMENT_RESTORE_MARK, (enum field)0);
		break;
	case 3:
		push(r, a, STATEMENT_SET_ZONE, (enum field)0)->value = value_number(1 + below(1000));
		break;
	case 4:
		/* nft wants the family named in the statement where the rule has matched one. */
		if (!prerouting || other_family(r, FIELD_TCP_DEST_PORT) || has_field(r, FIELD_NFPROTO))
			break;
		require(r, a, FIELD_L4PROTO, value_byte(IPPROTO_TCP));
		push(r, a, STATEMENT_TPROXY, (enum field)0)->value = random_value(TYPE_PORT);
		break;
	default:
		break;
	}
}

static void add_filter_rules(struct chain *c, const struct ruleset *rs, struct arena *a)
{
	static const enum verdict verdicts[] = { VERDICT_ACCEPT, VERDICT_DROP, VERDICT_RETURN };
	bool prerouting = c->hook == NF_INET_PRE_ROUTING;

	for (unsigned n = below(9); n; n--) {
		struct rule *r = vec_push(a, &c->rules);

		for (unsigned m = below(4); m; m--)
			add_match(r, rs, a, !prerouting);
		for (unsigned m = below(3); m; m--)
			add_filter_statement(r, a, prerouting);
		if (chance(30)) {
			push(r, a, STATEMENT_REJECT, (enum field)0);
		} else if (chance(30) && !other_family(r, FIELD_TCP_DEST_PORT)) {
			require(r, a, FIELD_L4PROTO, value_byte(IPPROTO_TCP));
			push(r, a, STATEMENT_RESET, (enum field)0);
		} else {
			push(r, a, STATEMENT_VERDICT, (enum field)0)->verdict = verdicts[below(3)];
		}
	}
}

static void end_rule(struct rule *r, const struct ruleset *rs, struct arena *a, bool regular)
{
	static const char *const targets[] = { "alpha", "beta" };
	struct set *map = set_with(rs, TYPE_USER, TYPE_PORT), *verdicts = set_with(rs, TYPE_GROUP, TYPE_VERDICT);
	struct statement *s;

	if (chance(50))
		push(r, a, STATEMENT_COUNTER, (enum field)0);
	switch (below(6)) {
	case 0:
		if (other_family(r, FIELD_TCP_DEST_PORT))
			break;
		require(r, a, FIELD_L4PROTO, value_byte(IPPROTO_TCP));
		push(r, a, STATEMENT_REDIRECT, (enum field)0)->value = random_value(TYPE_PORT);
		return;
	case 1:
		if (!map || other_family(r, FIELD_TCP_DEST_PORT))
			break;
		require(r, a, FIELD_L4PROTO, value_byte(IPPROTO_TCP));
		push(r, a, STATEMENT_REDIRECT_MAP, FIELD_USER)->set = map->name;
		return;
	case 2:
		if (!verdicts || regular)
			break;
		push(r, a, STATEMENT_VERDICT_MAP, FIELD_GROUP)->set = verdicts->name;
		return;
	default:
		break;
	}
	s = push(r, a, STATEMENT_VERDICT, (enum field)0);
	s->verdict = (enum verdict)below(regular ? 3 : 5);
	if (s->verdict >= VERDICT_JUMP)
		s->chain = targets[below(2)];
}

static void add_rules(struct chain *c, const struct ruleset *rs, struct arena *a)
{
	static const char *const comments[] = { "excluded ports", "a: b, c = {d}", "ünïcode" };

	for (unsigned n = below(9); n; n--) {
		struct rule *r = vec_push(a, &c->rules);

		for (unsigned m = below(4); m; m--)
			add_match(r, rs, a, c->hook == NF_INET_LOCAL_OUT || c->type == CHAIN_REGULAR);
		end_rule(r, rs, a, c->type == CHAIN_REGULAR);
		if (chance(20))
			r->comment = comments[below(array_len(comments))];
	}
}

static void generate(struct ruleset *r, struct arena *a)
{
	struct chain *c;

	*r = (struct ruleset){ .present = true };
	for (unsigned i = below(7); i; i--)
		add_set(r, a, i);
	/* Rules refer to sets and these two chains; alpha and beta refer to no chain, so there is no loop. */
	add_rules(ruleset_add_chain(r, a, "alpha"), r, a);
	add_rules(ruleset_add_chain(r, a, "beta"), r, a);
	c = ruleset_add_chain(r, a, "prerouting");
	c->type = CHAIN_NAT;
	c->hook = NF_INET_PRE_ROUTING;
	c->priority = NF_IP_PRI_NAT_DST + (int)below(3);
	add_rules(c, r, a);
	c = ruleset_add_chain(r, a, "output");
	c->type = CHAIN_NAT;
	c->hook = NF_INET_LOCAL_OUT;
	c->priority = NF_IP_PRI_NAT_DST;
	c->drop = chance(10);
	add_rules(c, r, a);
	c = ruleset_add_chain(r, a, "mangle");
	c->type = CHAIN_FILTER;
	c->hook = NF_INET_PRE_ROUTING;
	c->priority = NF_IP_PRI_MANGLE;
	add_filter_rules(c, r, a);
	c = ruleset_add_chain(r, a, "raw");
	c->type = chance(50) ? CHAIN_FILTER : CHAIN_ROUTE;
	c->hook = NF_INET_LOCAL_OUT;
	c->priority = NF_IP_PRI_RAW;
	add_filter_rules(c, r, a);
	ruleset_normalize(r, a);
}

/* ---- checking ---- */

static int commit(const struct ruleset *want, struct arena *a)
{
	const struct edit *failed = NULL;
	const char *reason = NULL;
	struct netlink *nft = NULL;
	struct edits edits = { 0 };
	struct ruleset live;
	int r = nft_new(NULL, &nft);

	if (!r)
		r = nft_read(nft, a, &live);
	if (!r) {
		edits_make(want, &live, a, &edits);
		r = nft_commit(nft, &edits, live.generation, a, &failed, &reason);
	}
	if (r)
		fprintf(stderr, "commit: %s: %s (edit kind %d)\n", strerror(-r), reason ? reason : "",
			failed ? (int)failed->kind : -1);
	netlink_free(&nft);
	return r;
}

static int read_back(struct ruleset *out, struct arena *a)
{
	struct netlink *nft = NULL;
	int r = nft_new(NULL, &nft);

	if (!r)
		r = nft_read(nft, a, out);
	netlink_free(&nft);
	return r;
}

static bool run_nft(const char *text)
{
	FILE *f = popen("nft -f -", "w");

	if (!f)
		return false;
	fputs(text, f);
	return pclose(f) == 0;
}

static bool same(const char *what, const struct ruleset *want, struct arena *a)
{
	struct ruleset live = { 0 };
	struct edits edits = { 0 };
	const char *expected = print_ruleset(want, a), *found;

	if (read_back(&live, a))
		return false;
	found = print_ruleset(&live, a);
	edits_make(want, &live, a, &edits);
	if (!strcmp(expected, found) && !edits.list.n)
		return true;
	fprintf(stderr, "%s differs (%zu edits)\n--- wanted\n%s--- found\n%s", what, edits.list.n, expected,
		found);
	return false;
}

static bool round_trip(unsigned seed, bool print)
{
	struct arena a = { 0 };
	struct ruleset first, second, none = { 0 };
	bool ok;

	srandom(seed);
	generate(&first, &a);
	generate(&second, &a);
	if (print)
		puts(print_ruleset(&first, &a));
	ok = !commit(&none, &a) && !commit(&first, &a) && same("encode", &first, &a);
	ok = ok && !commit(&second, &a) && same("edit", &second, &a);
	ok = ok && !commit(&none, &a) && same("removal", &none, &a);
	ok = ok && run_nft(print_ruleset(&first, &a)) && same("print", &first, &a);
	if (!ok)
		fprintf(stderr, "not ok: seed %u\n", seed);
	arena_finish(&a);
	return ok;
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)time(NULL);
	unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 300, failed = 0;

	if (unshare(CLONE_NEWNET) < 0) {
		printf("skipped: no right to make a network namespace (%s)\n", strerror(errno));
		return 77;
	}
	if (system("nft --version >/dev/null 2>&1") != 0) {
		printf("skipped: nft is not installed\n");
		return 77;
	}
	for (unsigned i = 0; i < rounds && failed < 3; i++)
		failed += !round_trip(seed + i, argc > 3);
	printf("%u rulesets from seed %u, %u failed\n", rounds, seed, failed);
	return failed ? 1 : 0;
}
