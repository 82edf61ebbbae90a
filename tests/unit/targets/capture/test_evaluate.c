#include "given.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_ipv4.h>

#include "targets/capture/evaluate.h"

/* ---- rulesets ---- */

static struct space space;
static struct network network;
static struct evaluation out;

static int setup(void **state)
{
	given_setup(state);
	space = (struct space){ .rules = { .present = true } };
	network = (struct network){ 0 };
	*vec_push(&arena, &network.addresses) = (struct endpoint){ AF_INET, { 10, 0, 0, 1 }, 0 };
	return 0;
}

#define evaluate_test(function) cmocka_unit_test_setup_teardown(function, setup, given_teardown)

static struct chain *base(const char *name, enum chain_type type, uint32_t hook, int32_t priority)
{
	struct chain *c = ruleset_add_chain(&space.rules, &arena, name);

	c->type = type;
	c->hook = hook;
	c->priority = priority;
	return c;
}

static void add_rule(const char *chain, const struct statement *statements, size_t n)
{
	struct rule *r = vec_push(&arena, &ruleset_chain(&space.rules, chain)->rules);

	for (size_t i = 0; i < n; i++)
		*vec_push(&arena, &r->statements) = statements[i];
	r->text = print_rule(r, &arena);
}

#define rule(chain, ...)                                                                                          \
	add_rule(chain, (const struct statement[]){ __VA_ARGS__ },                                                \
		array_len(((const struct statement[]){ __VA_ARGS__ })))

static struct statement is(enum field field, struct value value)
{
	return (struct statement){ .kind = MATCH_VALUE, .field = field, .value = value };
}

static struct statement is_not(enum field field, struct value value)
{
	return (struct statement){ .kind = MATCH_VALUE, .field = field, .value = value, .negated = true };
}

static struct statement in(enum field field, const char *set)
{
	return (struct statement){ .kind = MATCH_SET, .field = field, .set = set };
}

static struct statement verdict(enum verdict v, const char *chain)
{
	return (struct statement){ .kind = STATEMENT_VERDICT, .verdict = v, .chain = chain };
}

static struct statement act(enum statement_kind kind, struct value value)
{
	return (struct statement){ .kind = kind, .value = value };
}

static struct statement map(enum statement_kind kind, enum field field, const char *set)
{
	return (struct statement){ .kind = kind, .field = field, .set = set };
}

static struct element *element(
	const char *set, enum type key, enum type data, struct value first, struct value last)
{
	struct set *s = ruleset_set(&space.rules, set);
	struct element *e;

	if (!s)
		s = ruleset_add_set(&space.rules, &arena, set, key, data);
	e = vec_push(&arena, &s->elements);
	e->key = first;
	e->end = last;
	s->interval |= value_compare(key, &first, &last) != 0;
	return e;
}

/* ---- connections ---- */

static struct endpoint at(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_read(text, &e));
	return e;
}

static struct connection from_user(uint32_t user, const char *to)
{
	return (struct connection){
		.protocol = IPPROTO_TCP, .dest = at(to), .user = { .known = true, .number = user }
	};
}

static struct connection from_elsewhere(const char *from, const char *to)
{
	return (struct connection){ .protocol = IPPROTO_TCP, .inbound = true, .source = at(from), .dest = at(to) };
}

static void run(struct connection c)
{
	evaluate(&space, &c, &network, &arena, &out);
}

static void assert_at(const char *expected)
{
	assert_string_equal(endpoint_text(&out.at, &arena), expected);
}

static const struct step *decision(void)
{
	assert_true(out.decision < out.steps.n);
	return &out.steps.items[out.decision];
}

static const struct step *find_step(const char *chain, size_t number)
{
	vec_each (s, &out.steps)
		if (s->chain && !strcmp(s->chain->name, chain) && s->number == number)
			return s;
	return NULL;
}

/* ---- hooks and chains ---- */

static void test_without_rules_it_goes_where_it_is_sent(void **state)
{
	(void)state;
	run(from_user(1, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_SENT);
	assert_at("10.9.9.9:80");
	assert_string_equal(endpoint_text(&out.source, &arena), "10.0.0.1");
	run(from_user(1, "10.0.0.1:80"));
	assert_int_equal(out.landing, LANDING_LOCAL);
	run(from_elsewhere("10.9.9.9", "10.0.0.1:80"));
	assert_int_equal(out.landing, LANDING_LOCAL);
	run(from_elsewhere("10.9.9.9", "10.0.0.2:80"));
	assert_int_equal(out.landing, LANDING_FORWARDED);
	assert_int_equal(out.decision, NO_STEP);
	assert_int_equal(out.steps.n, 0);
}

static void test_redirected_output_lands_on_loopback_and_meets_no_nat_again(void **state)
{
	(void)state;
	base("output", CHAIN_NAT, NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST);
	base("prerouting", CHAIN_NAT, NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST);
	base("mangle", CHAIN_FILTER, NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE);
	rule("output", act(STATEMENT_REDIRECT, value_port(15001)));
	rule("prerouting", act(STATEMENT_REDIRECT, value_port(15006)));
	rule("mangle", is(FIELD_IN_INTERFACE, value_interface("lo")), is(FIELD_USER, value_number(1)),
		verdict(VERDICT_DROP, NULL));
	run(from_user(1, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_LOCAL);
	assert_true(out.redirected);
	assert_at("127.0.0.1:15001");
	assert_null(find_step("prerouting", 1));
	/* Once it has been round through lo, it has no owner any more. */
	assert_false(find_step("mangle", 1)->matched);
	assert_string_equal(decision()->chain->name, "output");
	run(from_user(1, "[fd00::9]:80"));
	assert_at("[::1]:15001");
	run(from_elsewhere("10.9.9.9", "10.0.0.1:80"));
	assert_at("10.0.0.1:15006");
}

static void test_chains_run_in_the_order_of_priority(void **state)
{
	(void)state;
	base("late", CHAIN_FILTER, NF_INET_LOCAL_OUT, 0);
	base("early", CHAIN_FILTER, NF_INET_LOCAL_OUT, -300);
	rule("late", verdict(VERDICT_DROP, NULL));
	rule("early", act(STATEMENT_SET_MARK, value_number(7)), verdict(VERDICT_ACCEPT, NULL));
	run(from_user(1, "10.9.9.9:80"));
	assert_string_equal(out.steps.items[0].chain->name, "early");
	assert_int_equal(out.landing, LANDING_DROPPED);
	assert_string_equal(decision()->chain->name, "late");
	assert_int_equal(out.mark, 7);
}

static void test_return_goes_on_behind_the_jump_and_goto_does_not_come_back(void **state)
{
	(void)state;
	base("output", CHAIN_FILTER, NF_INET_LOCAL_OUT, 0);
	ruleset_add_chain(&space.rules, &arena, "a");
	ruleset_add_chain(&space.rules, &arena, "b");
	rule("output", verdict(VERDICT_JUMP, "a"));
	rule("output", verdict(VERDICT_GOTO, "b"));
	rule("output", verdict(VERDICT_DROP, NULL));
	rule("a", verdict(VERDICT_RETURN, NULL));
	rule("a", verdict(VERDICT_DROP, NULL));
	rule("b", act(STATEMENT_SET_MARK, value_number(2)));
	run(from_user(1, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_SENT);
	assert_int_equal(out.mark, 2);
	assert_null(find_step("a", 2));
	assert_null(find_step("output", 3));
	assert_string_equal(out.steps.items[out.steps.n - 1].effect, "accept");
}

static void test_policy_drops_what_no_rule_ends(void **state)
{
	(void)state;
	base("output", CHAIN_FILTER, NF_INET_LOCAL_OUT, 0)->drop = true;
	rule("output", is(FIELD_USER, value_number(2)), verdict(VERDICT_ACCEPT, NULL));
	run(from_user(1, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_DROPPED);
	assert_null(decision()->rule);
	run(from_user(2, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_SENT);
}

static void test_what_the_kernel_would_not_have_is_unknown(void **state)
{
	(void)state;
	base("output", CHAIN_FILTER, NF_INET_LOCAL_OUT, 0);
	rule("output", verdict(VERDICT_GOTO, "nowhere"));
	run(from_user(1, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_UNKNOWN);
	ruleset_add_chain(&space.rules, &arena, "nowhere");
	rule("nowhere", verdict(VERDICT_GOTO, "nowhere"));
	run(from_user(1, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_UNKNOWN);
	ruleset_chain(&space.rules, "nowhere")->rules.n = 0;
	rule("nowhere", verdict(VERDICT_JUMP, "nowhere"));
	run(from_user(1, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_UNKNOWN);
}

/* ---- rules ---- */

static void test_maps_lead_on_and_say_what_they_had(void **state)
{
	struct element *e;

	(void)state;
	base("output", CHAIN_NAT, NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST);
	ruleset_add_chain(&space.rules, &arena, "out");
	rule("output", map(STATEMENT_VERDICT_MAP, FIELD_USER, "user-policy"));
	rule("out", map(STATEMENT_REDIRECT_MAP, FIELD_USER, "user-proxy"));
	e = element("user-policy", TYPE_USER, TYPE_VERDICT, value_number(1), value_number(1));
	e->verdict = VERDICT_GOTO;
	e->chain = "out";
	element("user-proxy", TYPE_USER, TYPE_PORT, value_number(1), value_number(1))->data = value_port(15001);
	run(from_user(1, "10.9.9.9:80"));
	assert_at("127.0.0.1:15001");
	assert_string_equal(find_step("output", 1)->look_ups.items[0].element, "1 : goto out");
	assert_string_equal(decision()->look_ups.items[0].set, "user-proxy");
	run(from_user(3, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_SENT);
	assert_string_equal(find_step("output", 1)->why, "meta skuid 3 is not in @user-policy");
	assert_null(find_step("output", 1)->look_ups.items[0].element);
}

static void test_both_ends_of_a_range_are_in_it(void **state)
{
	static const struct {
		const char *to;
		bool in;
	} cases[] = { { "10.1.0.0:1", true }, { "10.1.255.255:1", true }, { "10.0.255.255:1", false },
		{ "10.2.0.0:1", false } };

	(void)state;
	base("output", CHAIN_FILTER, NF_INET_LOCAL_OUT, 0);
	element("net", TYPE_IPV4, TYPE_NONE, value_address(AF_INET, (const unsigned char[]){ 10, 1, 0, 0 }),
		value_address(AF_INET, (const unsigned char[]){ 10, 1, 255, 255 }));
	rule("output", is(FIELD_NFPROTO, value_byte(NFPROTO_IPV4)), in(FIELD_IP_DEST, "net"),
		verdict(VERDICT_DROP, NULL));
	for (size_t i = 0; i < array_len(cases); i++) {
		run(from_user(1, cases[i].to));
		assert_int_equal(out.landing, cases[i].in ? LANDING_DROPPED : LANDING_SENT);
	}
	run(from_user(1, "[fd00::1]:1"));
	assert_int_equal(out.landing, LANDING_SENT);
}

static void test_names_that_this_machine_lacks_are_compared_as_names(void **state)
{
	struct connection c = from_user(0, "10.9.9.9:80");
	struct value name = { .shown = "reviews", .missing = true };

	(void)state;
	base("output", CHAIN_FILTER, NF_INET_LOCAL_OUT, 0);
	element("users", TYPE_USER, TYPE_NONE, name, name);
	rule("output", in(FIELD_USER, "users"), verdict(VERDICT_DROP, NULL));
	c.user = (struct identity){ .name = "reviews" };
	run(c);
	assert_int_equal(out.landing, LANDING_DROPPED);
	c.user.name = "ratings";
	run(c);
	assert_int_equal(out.landing, LANDING_SENT);
	assert_int_equal(out.assumptions.n, 0);
	c.user.name = NULL;
	run(c);
	assert_int_equal(out.landing, LANDING_SENT);
	assert_int_equal(out.assumptions.n, 1);
}

static void test_unknown_interface_is_none_that_a_rule_names(void **state)
{
	struct connection c = from_user(1, "10.9.9.9:80");

	(void)state;
	base("output", CHAIN_FILTER, NF_INET_LOCAL_OUT, 0);
	rule("output", is(FIELD_OUT_INTERFACE, value_interface("lo")), verdict(VERDICT_DROP, NULL));
	run(c);
	assert_int_equal(out.assumptions.n, 0);
	rule("output", is(FIELD_OUT_INTERFACE, value_interface("eth1")), verdict(VERDICT_DROP, NULL));
	run(c);
	assert_int_equal(out.landing, LANDING_SENT);
	assert_int_equal(out.assumptions.n, 1);
	c.interface = "eth1";
	run(c);
	assert_int_equal(out.landing, LANDING_DROPPED);
	run(from_user(1, "127.0.0.1:80"));
	assert_int_equal(find_step("output", 1)->matched, true);
}

static void test_cgroups_are_found_at_their_level(void **state)
{
	struct connection c = from_user(1, "10.9.9.9:80");
	struct facts groups = { 0 };
	struct value id = { .shown = "a.slice/b", .data = { 42 } };
	struct statement at_level = map(STATEMENT_VERDICT_MAP, FIELD_CGROUP, "cgroups");

	(void)state;
	base("output", CHAIN_FILTER, NF_INET_LOCAL_OUT, 0);
	element("cgroups", TYPE_CGROUP, TYPE_VERDICT, id, id)->verdict = VERDICT_DROP;
	at_level.level = 2;
	rule("output", at_level);
	*vec_push(&arena, &groups.cgroups) = (struct fact_cgroup){ .path = "/a.slice", .found = true, .id = 41 };
	c.cgroup = &groups;
	run(c);
	assert_int_equal(out.landing, LANDING_SENT);
	*vec_push(&arena, &groups.cgroups) = (struct fact_cgroup){ .path = "/a.slice/b", .found = true, .id = 42 };
	*vec_push(&arena, &groups.cgroups) = (struct fact_cgroup){ .path = "/a.slice/b/c" };
	run(c);
	assert_int_equal(out.landing, LANDING_DROPPED);
	c.cgroup = NULL;
	run(c);
	assert_int_equal(out.landing, LANDING_SENT);
	assert_int_equal(out.assumptions.n, 1);
}

static void test_rule_with_a_part_without_form_decides_only_if_the_rest_fits(void **state)
{
	struct rule *r;

	(void)state;
	base("output", CHAIN_FILTER, NF_INET_LOCAL_OUT, 0);
	rule("output", is(FIELD_USER, value_number(1)), is(FIELD_MARK, value_number(9)));
	r = &ruleset_chain(&space.rules, "output")->rules.items[0];
	r->foreign = true;
	r->known = 1;
	run(from_user(2, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_SENT);
	run(from_user(1, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_UNKNOWN);
	assert_ptr_equal(decision()->rule, r);
}

/* ---- marks, zones, TPROXY ---- */

static void test_zone_is_set_before_tracking_only(void **state)
{
	(void)state;
	base("raw", CHAIN_FILTER, NF_INET_LOCAL_OUT, NF_IP_PRI_RAW);
	base("filter", CHAIN_FILTER, NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER);
	rule("raw", is(FIELD_CT_MARK, value_number(0)), verdict(VERDICT_DROP, NULL));
	rule("raw", act(STATEMENT_SET_ZONE, value_number(2)));
	rule("raw", act(STATEMENT_SET_ZONE, value_number(3)));
	rule("filter", act(STATEMENT_SET_ZONE, value_number(4)));
	rule("filter", act(STATEMENT_SET_MARK, value_number(5)), act(STATEMENT_SAVE_MARK, value_number(0)));
	rule("filter", act(STATEMENT_SET_MARK, value_number(6)));
	rule("filter", act(STATEMENT_RESTORE_MARK, value_number(0)));
	run(from_user(1, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_SENT);
	assert_int_equal(out.zone, 2);
	assert_int_equal(out.connection_mark, 5);
	assert_int_equal(out.mark, 5);
}

static void add_tproxy(void)
{
	base("mangle", CHAIN_FILTER, NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE);
	rule("mangle", act(STATEMENT_TPROXY, value_port(15006)), act(STATEMENT_SET_MARK, value_number(1337)),
		verdict(VERDICT_ACCEPT, NULL));
	rule("mangle", act(STATEMENT_RESET, value_number(0)));
}

static void add_policy_route(void)
{
	*vec_push(&arena, &space.routes.list) = (struct route){ ROUTE_RULE, AF_INET, 133, 1337, 0 };
	*vec_push(&arena, &space.routes.list) = (struct route){ ROUTE_TABLE, AF_INET, 133, 0, 0 };
}

static void test_tproxy_takes_what_its_policy_route_keeps_here(void **state)
{
	(void)state;
	add_tproxy();
	run(from_elsewhere("10.9.9.9", "10.0.0.2:80"));
	assert_int_equal(out.landing, LANDING_FORWARDED);
	add_policy_route();
	run(from_elsewhere("10.9.9.9", "10.0.0.2:80"));
	assert_int_equal(out.landing, LANDING_LOCAL);
	assert_at("10.0.0.2:15006");
	assert_int_equal(out.policy_route->table, 133);
	assert_int_equal(decision()->number, 1);
	space.routes.list.n = 1;
	run(from_elsewhere("10.9.9.9", "10.0.0.2:80"));
	assert_int_equal(out.landing, LANDING_FORWARDED);
}

static void test_tproxy_without_listener_does_not_match(void **state)
{
	(void)state;
	add_tproxy();
	*vec_push(&arena, &network.closed) = 15006;
	run(from_elsewhere("10.9.9.9", "10.0.0.1:80"));
	assert_int_equal(out.landing, LANDING_REFUSED);
	assert_false(out.no_listener);
	assert_int_equal(decision()->number, 2);
	assert_int_equal(out.mark, 0);
}

static void test_tproxy_gives_nothing_to_a_socket_that_is_not_transparent(void **state)
{
	struct listener *l;

	(void)state;
	add_tproxy();
	add_policy_route();
	network.surveyed = true;
	l = vec_push(&arena, &network.listeners);
	*l = (struct listener){ IPPROTO_TCP, { AF_INET, { 0 }, 15006 }, false };
	run(from_elsewhere("10.9.9.9", "10.0.0.1:80"));
	assert_int_equal(out.landing, LANDING_REFUSED);
	l->transparent = true;
	run(from_elsewhere("10.9.9.9", "10.0.0.1:80"));
	assert_int_equal(out.landing, LANDING_LOCAL);
}

static void test_mark_of_a_route_chain_changes_the_way(void **state)
{
	(void)state;
	base("mangle", CHAIN_ROUTE, NF_INET_LOCAL_OUT, NF_IP_PRI_MANGLE);
	rule("mangle", is_not(FIELD_USER, value_number(2)), act(STATEMENT_SET_MARK, value_number(1337)));
	add_policy_route();
	run(from_user(2, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_SENT);
	run(from_user(1, "10.9.9.9:80"));
	assert_int_equal(out.landing, LANDING_LOCAL);
	assert_at("10.9.9.9:80");
}

/* ---- the network ---- */

static void test_nobody_waits_where_the_machine_says_so(void **state)
{
	(void)state;
	network.surveyed = true;
	*vec_push(&arena, &network.listeners) =
		(struct listener){ IPPROTO_TCP, { AF_INET, { 127, 0, 0, 1 }, 80 }, false };
	*vec_push(&arena, &network.listeners) = (struct listener){ IPPROTO_UDP, { .port = 53 }, false };
	run(from_user(1, "127.0.0.1:80"));
	assert_int_equal(out.landing, LANDING_LOCAL);
	run(from_user(1, "10.0.0.1:80"));
	assert_int_equal(out.landing, LANDING_REFUSED);
	assert_true(out.no_listener);
	run(from_user(1, "10.0.0.1:53"));
	assert_int_equal(out.landing, LANDING_REFUSED);
}

static void test_new_connection_is_in_state_new(void **state)
{
	struct statement states = { .kind = MATCH_FLAGS, .field = FIELD_CT_STATE };

	(void)state;
	base("input", CHAIN_FILTER, NF_INET_LOCAL_IN, 0);
	states.value = value_number(NF_CT_STATE_BIT(IP_CT_ESTABLISHED));
	rule("input", states, verdict(VERDICT_ACCEPT, NULL));
	states.value = value_number(NF_CT_STATE_BIT(IP_CT_NEW));
	rule("input", states, act(STATEMENT_REJECT, value_number(0)));
	run(from_elsewhere("10.9.9.9", "10.0.0.1:80"));
	assert_int_equal(out.landing, LANDING_REFUSED);
	assert_string_equal(decision()->effect, "refuse as unreachable");
	assert_string_equal(find_step("input", 1)->why, "ct state is new");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		evaluate_test(test_without_rules_it_goes_where_it_is_sent),
		evaluate_test(test_redirected_output_lands_on_loopback_and_meets_no_nat_again),
		evaluate_test(test_chains_run_in_the_order_of_priority),
		evaluate_test(test_return_goes_on_behind_the_jump_and_goto_does_not_come_back),
		evaluate_test(test_policy_drops_what_no_rule_ends),
		evaluate_test(test_what_the_kernel_would_not_have_is_unknown),
		evaluate_test(test_maps_lead_on_and_say_what_they_had),
		evaluate_test(test_both_ends_of_a_range_are_in_it),
		evaluate_test(test_names_that_this_machine_lacks_are_compared_as_names),
		evaluate_test(test_unknown_interface_is_none_that_a_rule_names),
		evaluate_test(test_cgroups_are_found_at_their_level),
		evaluate_test(test_rule_with_a_part_without_form_decides_only_if_the_rest_fits),
		evaluate_test(test_zone_is_set_before_tracking_only),
		evaluate_test(test_tproxy_takes_what_its_policy_route_keeps_here),
		evaluate_test(test_tproxy_without_listener_does_not_match),
		evaluate_test(test_tproxy_gives_nothing_to_a_socket_that_is_not_transparent),
		evaluate_test(test_mark_of_a_route_chain_changes_the_way),
		evaluate_test(test_nobody_waits_where_the_machine_says_so),
		evaluate_test(test_new_connection_is_in_state_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
