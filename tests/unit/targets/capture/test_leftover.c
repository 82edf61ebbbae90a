/* Whose a rule is: pure recognition, on tables made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/netfilter.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "targets/capture/leftover/old.h"

struct fixture {
	struct arena arena;
	struct leftovers all;
	struct old_table *nat;
	struct old_chain *output, *mesh;
};

static struct old_rule *add_rule(struct fixture *f, struct old_chain *c, enum old_action action, const char *to)
{
	struct old_rule *r = vec_push(&f->arena, &c->rules);

	r->action = action;
	r->to = to;
	return r;
}

static void add_dns(struct fixture *f, struct old_rule *r, const char *port)
{
	old_add_part(r, PART_PROTOCOL, false, NULL, "udp", &f->arena);
	old_add_part(r, PART_DPORT, false, "udp", "53", &f->arena);
	r->options = arena_printf(&f->arena, "--to-ports %s", port);
}

/* An OUTPUT chain of all, and one of Istio's, which sends DNS to 15053 and marks with 0x4d. */
static int setup(void **state)
{
	static struct fixture f;
	struct old_rule *r;

	f = (struct fixture){ 0 };
	f.nat = vec_push(&f.arena, &f.all.tables);
	f.nat->family = NFPROTO_IPV4;
	f.nat->name = "nat";
	f.nat->iptables = true;
	vec_push(&f.arena, &f.nat->chains)->name = "OUTPUT";
	vec_push(&f.arena, &f.nat->chains)->name = "ISTIO_OUTPUT";
	f.output = &f.nat->chains.items[0];
	f.output->hook = NF_INET_LOCAL_OUT;
	f.mesh = &f.nat->chains.items[1];
	f.mesh->hook = NO_HOOK;
	add_dns(&f, add_rule(&f, f.mesh, OLD_REDIRECT, "15053"), "15053");
	r = add_rule(&f, f.mesh, OLD_SET_MARK, NULL);
	r->mark = "0x4d";
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_finish(&f->arena);
	return 0;
}

static const char *owner(const struct old_rule *r)
{
	return r->mesh && !r->possibly ? r->mesh->name : "nobody";
}

static void test_a_jump_to_a_chain_of_a_mesh_is_the_meshs(void **state)
{
	struct fixture *f = *state;

	add_rule(f, f->output, OLD_JUMP, "ISTIO_OUTPUT");
	add_rule(f, f->output, OLD_JUMP, "DOCKER");
	leftover_recognise(&f->all, &f->arena);
	assert_string_equal(owner(&f->output->rules.items[0]), "istio");
	assert_string_equal(owner(&f->output->rules.items[1]), "nobody");
}

static void test_a_name_that_only_begins_alike_is_foreign(void **state)
{
	(void)state;
	assert_null(known_chain(NFPROTO_IPV4, "nat", "ISTIOLIKE"));
	assert_null(known_chain(NFPROTO_IPV4, "nat", "MY_ISTIO_RULES"));
	assert_null(known_chain(NFPROTO_IPV4, "nat", "istio-output"));
	assert_string_equal(known_chain(NFPROTO_IPV4, "istio-proxy-nat", "istio-output")->name, "istio");
	assert_string_equal(known_chain(NFPROTO_IPV4, "nat", "PROXY_INIT_OUTPUT")->name, "linkerd");
	assert_null(known_table("istio"));
}

static void test_a_chain_where_no_mesh_writes_is_foreign(void **state)
{
	(void)state;
	assert_null(known_chain(NFPROTO_IPV4, "filter", "ISTIO_DENY"));
	assert_null(known_chain(NFPROTO_INET, "mine", "ISTIO_GUARD"));
	assert_null(known_chain(NFPROTO_INET, "nat", "KUMA_MESH_OUTBOUND"));
	assert_non_null(known_chain(NFPROTO_IPV6, "mangle", "ISTIO_DIVERT"));
}

static void test_a_dns_rule_is_the_meshs_only_if_its_chains_have_that_port(void **state)
{
	struct fixture *f = *state;

	add_dns(f, add_rule(f, f->output, OLD_REDIRECT, "15053"), "15053");
	add_dns(f, add_rule(f, f->output, OLD_REDIRECT, "5353"), "5353");
	leftover_recognise(&f->all, &f->arena);
	assert_string_equal(owner(&f->output->rules.items[0]), "istio");
	assert_string_equal(owner(&f->output->rules.items[1]), "nobody");
}

static void test_a_rule_that_is_only_partly_understood_is_foreign(void **state)
{
	struct fixture *f = *state;
	struct old_rule *r = add_rule(f, f->output, OLD_REDIRECT, "15053");

	add_dns(f, r, "15053");
	r->partly = true;
	leftover_recognise(&f->all, &f->arena);
	assert_string_equal(owner(&f->output->rules.items[0]), "nobody");
}

static void test_without_chains_of_a_mesh_a_rule_like_its_own_is_foreign(void **state)
{
	struct fixture *f = *state;

	f->mesh->name = "CUSTOM";
	add_dns(f, add_rule(f, f->output, OLD_REDIRECT, "15053"), "15053");
	leftover_recognise(&f->all, &f->arena);
	assert_string_equal(owner(&f->output->rules.items[0]), "nobody");
}

static void test_an_excluded_interface_far_from_the_meshs_rules_is_foreign(void **state)
{
	struct fixture *f = *state;
	struct old_rule *r = add_rule(f, f->output, OLD_RETURN, NULL);

	old_add_part(r, PART_OUT, false, NULL, "eth9", &f->arena);
	add_rule(f, f->output, OLD_JUMP, "DOCKER");
	add_rule(f, f->output, OLD_JUMP, "ISTIO_OUTPUT");
	leftover_recognise(&f->all, &f->arena);
	assert_null(f->output->rules.items[0].mesh);
}

static const char *lookup_owner(struct fixture *f, uint32_t mark, uint32_t table)
{
	struct old_lookup *l = vec_push(&f->arena, &f->all.lookups);

	*l = (struct old_lookup){ .family = AF_INET, .mark = mark, .table = table, .plain = true };
	leftover_recognise(&f->all, &f->arena);
	l = &f->all.lookups.items[f->all.lookups.n - 1];
	return l->mesh ? l->mesh->name : "nobody";
}

static void test_a_policy_rule_is_known_by_the_default_or_by_the_mark_that_chains_set(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(lookup_owner(f, 1337, 133), "istio");
	assert_string_equal(lookup_owner(f, 0x4d, 144), "istio");
	assert_string_equal(lookup_owner(f, 7, 144), "nobody");
	assert_string_equal(lookup_owner(f, 1337, 7), "nobody");
}

static void test_what_is_captured_is_said_in_words(void **state)
{
	struct fixture *f = *state;

	add_rule(f, f->output, OLD_JUMP, "ISTIO_OUTPUT");
	leftover_recognise(&f->all, &f->arena);
	assert_string_equal(leftover_captures(&f->all, NULL, f->output->rules.items[0].mesh, &f->arena),
		"outbound DNS to port 15053");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_jump_to_a_chain_of_a_mesh_is_the_meshs, setup, teardown),
		cmocka_unit_test(test_a_name_that_only_begins_alike_is_foreign),
		cmocka_unit_test(test_a_chain_where_no_mesh_writes_is_foreign),
		cmocka_unit_test_setup_teardown(
			test_a_dns_rule_is_the_meshs_only_if_its_chains_have_that_port, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_rule_that_is_only_partly_understood_is_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_without_chains_of_a_mesh_a_rule_like_its_own_is_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_an_excluded_interface_far_from_the_meshs_rules_is_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_policy_rule_is_known_by_the_default_or_by_the_mark_that_chains_set, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_what_is_captured_is_said_in_words, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
