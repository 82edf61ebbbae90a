/*
 * The capture target against the kernel, in a network namespace of its own: what stays, what is repaired, what is
 * refused. Other tools' changes are made with nft. Exit code 77: no right to make a namespace, or no nft.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "targets/capture/nft.h"
#include "targets/capture/state.h"

static struct arena arena;
static struct diags diags;

#define MESH                                                                                                      \
	"apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: m}\nspec: {}\n---\n"                        \
	"apiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {name: n}\nspec: {addresses: "                 \
	"[10.0.0.1]}\n---\n"                                                                                      \
	"apiVersion: enmesh.io/v1alpha1\nkind: MeshSidecar\nmetadata: {name: p}\nspec: {user: 1337}\n---\n"       \
	"apiVersion: enmesh.io/v1alpha1\nkind: MeshService\nmetadata: {name: s}\n"                                \
	"spec: {nodes: all, runAs: {user: 2001}, ports: [{name: http, port: 9080}], sidecar: p, capture: "        \
	"c}\n---\n"                                                                                               \
	"apiVersion: enmesh.io/v1alpha1\nkind: MeshCapture\nmetadata: {name: c}\n"

static const char plain[] = MESH "spec: {outbound: {excludeCidrs: [10.9.0.0/16, 10.11.0.0/16]}}\n";
static const char other[] =
	MESH "spec: {outbound: {excludeCidrs: [10.9.0.0/16, 10.12.0.0/16], excludePorts: [123]}}\n";
static const char none[] = MESH "spec: {mode: none}\n";

static const struct state *desire(const char *yaml)
{
	struct source_file file = { "mesh.yaml", "mesh.yaml", true, { yaml, strlen(yaml) }, true };
	struct tree tree = { "test", "test", &file, 1 };
	struct config config = { 0 };
	const struct model *model;
	const struct site *site;

	assert_true(config_read(&tree, &arena, &config, &diags));
	model = model_load(&config, &arena, &diags);
	assert_non_null(model);
	site = site_make(model, "n", &tree, &arena, &diags);
	assert_non_null(site);
	return capture_desire(site, &arena);
}

static const struct state *observe(void)
{
	struct host host = { .state_dir = "/nonexistent" };
	const struct state *live = capture_observe(&host, capture_desire(NULL, &arena), &arena, &diags);

	assert_non_null(live);
	return live;
}

static size_t plan(const struct state *want, const struct state *live, struct plan *out)
{
	struct applied last = { .arena = &arena };

	*out = (struct plan){ .arena = &arena };
	capture_record(want, &last);
	capture_diff(want, live, &last, out);
	return out->changes.n;
}

static bool carry_out(struct plan *p)
{
	struct host host = { .state_dir = "/nonexistent" };

	return !p->changes.n || capture_apply(&host, p->changes.items, p->changes.n, &arena, &diags);
}

/* Converges, and gives the number of changes that it took. */
static size_t apply(const char *yaml)
{
	const struct state *want = desire(yaml);
	struct plan p;
	size_t n = plan(want, observe(), &p);

	assert_true(carry_out(&p));
	assert_int_equal(plan(want, observe(), &p), 0);
	return n;
}

static void nft(const char *command)
{
	char line[1024];

	snprintf(line, sizeof(line), "nft '%s'", command);
	if (system(line) != 0)
		fail_msg("%s failed", line);
}

static const char *output_of(const char *command)
{
	char *text = arena_alloc(&arena, 65536);
	FILE *f = popen(command, "r");

	assert_non_null(f);
	text[fread(text, 1, 65535, f)] = 0;
	assert_int_equal(pclose(f), 0);
	return text;
}

static uint64_t chain_handle(const char *chain)
{
	char line[256];

	snprintf(
		line, sizeof(line), "nft -a list table inet enmesh | sed -n 's/.*chain %s { # handle //p'", chain);
	return strtoull(output_of(line), NULL, 10);
}

static const struct rule *find_rule(const struct state *s, const char *chain, const char *text)
{
	const struct chain *c = ruleset_chain(&s->spaces.items[0].rules, chain);

	assert_non_null(c);
	vec_each (r, &c->rules)
		if (strstr(r->text, text))
			return r;
	fail_msg("no rule '%s' in %s", text, chain);
	return NULL;
}

static bool mentions(const struct plan *p, enum action action, const char *address, const char *text)
{
	vec_each (c, &p->changes) {
		const struct node *shown = action == ACTION_REMOVE ? c->before : c->after;

		if (c->action == action && str_starts(c->address, address) && shown && strstr(shown->string, text))
			return true;
	}
	return false;
}

/* ---- tests ---- */

static void test_second_pass_plans_nothing_and_leaves_the_generation(void **state)
{
	struct ruleset before, after;

	(void)state;
	assert_true(apply(plain) > 0);
	assert_int_equal(capture_look(NULL, &arena, &before, NULL), 0);
	assert_int_equal(apply(plain), 0);
	assert_int_equal(capture_look(NULL, &arena, &after, NULL), 0);
	assert_int_equal(before.generation, after.generation);
}

static void test_one_changed_range_is_one_change_of_elements(void **state)
{
	const char *changed = MESH "spec: {outbound: {excludeCidrs: [10.9.0.0/16, 10.13.0.0/16]}}\n";
	const struct state *want;
	struct plan p;

	(void)state;
	apply(plain);
	want = desire(changed);
	assert_int_equal(plan(want, observe(), &p), 1);
	assert_int_equal(p.changes.items[0].action, ACTION_CHANGE);
	assert_string_equal(p.changes.items[0].address, "capture/inet/enmesh/set/out-c-exclude-ipv4");
	assert_string_equal(p.changes.items[0].before->string, "10.11.0.0/16");
	assert_string_equal(p.changes.items[0].after->string, "10.13.0.0/16");
}

static void test_rules_and_base_chains_that_stay_keep_their_handles(void **state)
{
	uint64_t output, rule;

	(void)state;
	apply(plain);
	output = chain_handle("output");
	rule = find_rule(observe(), "out-c", "excluded ranges")->handle;
	assert_true(output && rule);
	apply(other);
	assert_int_equal(chain_handle("output"), output);
	assert_int_equal(find_rule(observe(), "out-c", "excluded ranges")->handle, rule);
	apply(plain);
	assert_int_equal(find_rule(observe(), "out-c", "excluded ranges")->handle, rule);
}

/* One connection attempt over loopback, to a port where nobody listens. */
static void connect_as(uid_t user)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int status;
	pid_t pid;

	assert_int_equal(system("ip link set lo up"), 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	pid = fork();
	if (!pid) {
		int fd = setuid(user) < 0 ? -1 : socket(AF_INET, SOCK_STREAM, 0);

		_exit(connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 && errno == ECONNREFUSED ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_counters_of_untouched_rules_survive_a_repair(void **state)
{
	(void)state;
	apply(plain);
	connect_as(1337);
	assert_int_equal(find_rule(observe(), "out-c", "within this machine")->packets, 1);
	nft("add rule inet enmesh out-c counter accept");
	nft("flush chain inet enmesh prerouting");
	assert_true(apply(plain) >= 2);
	assert_int_equal(find_rule(observe(), "out-c", "within this machine")->packets, 1);
}

struct meddling {
	const char *command;
	enum action action; /* of the repair */
	const char *address, *text;
};

static void test_what_others_change_is_named_and_repaired(void **state)
{
	static const struct meddling meddlings[] = {
		{ "add rule inet enmesh output tcp dport 9 drop", ACTION_REMOVE,
			"capture/inet/enmesh/chain/output/rule[3]", "tcp dport 9 drop" },
		{ "insert rule inet enmesh output ct state invalid drop", ACTION_REMOVE,
			"capture/inet/enmesh/chain/output/rule[0]", "ct" },
		{ "flush chain inet enmesh output", ACTION_ADD, "capture/inet/enmesh/chain/output/rule[2]",
			"user-policy" },
		{ "add element inet enmesh proxy-users { 0 }", ACTION_CHANGE,
			"capture/inet/enmesh/set/proxy-users", "" },
		{ "delete element inet enmesh user-policy { 2001 }", ACTION_CHANGE,
			"capture/inet/enmesh/map/user-policy", "2001 : goto out-c" },
		{ "add chain inet enmesh output { policy drop; }", ACTION_CHANGE,
			"capture/inet/enmesh/chain/output", "policy accept" },
		{ "add chain inet enmesh mine", ACTION_REMOVE, "capture/inet/enmesh/chain/mine", "mine" },
		{ "add set inet enmesh mine { type ipv4_addr; flags timeout; }", ACTION_REMOVE,
			"capture/inet/enmesh/set/mine", "mine" },
		{ "add table inet enmesh { flags dormant; }", ACTION_CHANGE, "capture/inet/enmesh", "table" },
		{ "add counter inet enmesh c1", ACTION_REMOVE, "capture/inet/enmesh/counter c1", "counter c1" },
		{ "delete table inet enmesh", ACTION_ADD, "capture/inet/enmesh", "table inet enmesh" },
		{ "flush ruleset", ACTION_ADD, "capture/inet/enmesh/chain/out-c/rule[0]", "proxy to its app" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(meddlings); i++) {
		const struct meddling *m = &meddlings[i];
		const struct state *want = desire(plain);
		struct plan p;

		apply(plain);
		nft(m->command);
		plan(want, observe(), &p);
		vec_each (c, &p.changes)
			if (c->cause != CAUSE_DRIFT)
				fail_msg("%s: %s is not called drift", m->command, c->address);
		if (strcmp(m->text, "") && !mentions(&p, m->action, m->address, m->text))
			fail_msg("%s: not named", m->command);
		assert_true(p.changes.n > 0);
		apply(plain);
	}
}

static void test_a_reordered_chain_is_put_right_by_moving_one_rule(void **state)
{
	const struct state *want = desire(other);
	struct plan p;
	char line[256];
	uint64_t handle;

	(void)state;
	apply(other);
	handle = find_rule(observe(), "out-c", "excluded ports")->handle;
	snprintf(line, sizeof(line), "delete rule inet enmesh out-c handle %llu", (unsigned long long)handle);
	nft(line);
	nft("add rule inet enmesh out-c tcp dport @out-c-exclude-ports counter accept comment \"excluded ports\"");
	assert_int_equal(plan(want, observe(), &p), 2);
	assert_int_equal(p.changes.items[0].action, ACTION_REMOVE);
	assert_int_equal(p.changes.items[1].action, ACTION_ADD);
	apply(other);
}

static void test_a_change_by_others_between_look_and_commit_is_taken_into_account(void **state)
{
	const struct state *want = desire(other);
	struct plan p;

	(void)state;
	apply(plain);
	plan(want, observe(), &p);
	nft("add table ip elsewhere");
	nft("add rule inet enmesh output drop");
	nft("flush chain inet enmesh out-c");
	assert_true(carry_out(&p));
	assert_int_equal(plan(want, observe(), &p), 0);
	nft("delete table ip elsewhere");
}

static void test_other_tables_stay_byte_for_byte(void **state)
{
	const char *before;

	(void)state;
	nft("add table ip foreign { set s { type ipv4_addr; elements = { 1.2.3.4 }; }; "
	    "chain c { type filter hook input priority 0; policy accept; counter ip saddr @s drop; }; }");
	nft("add table inet enmesh2 { chain output { type nat hook output priority -100; }; }");
	before = output_of("nft -s list ruleset");
	apply(plain);
	apply(other);
	assert_true(apply(none) > 0);
	assert_string_equal(output_of("nft -s list ruleset"), before);
	nft("delete table ip foreign");
	nft("delete table inet enmesh2");
}

static void test_nothing_captured_means_no_table(void **state)
{
	(void)state;
	apply(plain);
	assert_int_equal(apply(none), 1);
	assert_int_equal(apply(none), 0);
	assert_string_equal(output_of("nft list ruleset"), "");
}

static void test_a_refusal_of_the_kernel_names_the_rule_and_changes_nothing(void **state)
{
	struct state *want;
	struct plan p;
	const char *before;
	struct rule *r;

	(void)state;
	apply(plain);
	before = output_of("nft list ruleset");
	memcpy(&want, &(const struct state *){ desire(other) }, sizeof(want));
	r = &ruleset_chain(&want->spaces.items[0].rules, "out-c")->rules.items[0];
	r->statements.items[1].set = "no-such-set";
	r->text = "tcp dport @no-such-set accept";
	plan(want, observe(), &p);
	assert_false(carry_out(&p));
	assert_non_null(strstr(diags.list.items[diags.list.n - 1].message, "no-such-set"));
	assert_string_equal(output_of("nft list ruleset"), before);
	diags.list.n = diags.errors = 0;
}

static void test_an_account_that_the_machine_lacks_is_never_written_as_another(void **state)
{
	const char *named =
		MESH "spec: {}\n---\napiVersion: enmesh.io/v1alpha1\nkind: MeshSidecar\n"
		     "metadata: {name: q}\nspec: {user: nobody-has-this, ports: {outbound: 1, inbound: 2, "
		     "tunnel: 3, admin: 4}}\n---\napiVersion: enmesh.io/v1alpha1\nkind: MeshService\n"
		     "metadata: {name: t}\nspec: {nodes: all, runAs: {user: 2002}, sidecar: q, capture: c}\n";
	const struct state *want = desire(named);
	struct plan p;

	(void)state;
	apply(none);
	plan(want, observe(), &p);
	assert_false(carry_out(&p));
	assert_non_null(strstr(diags.list.items[diags.list.n - 1].message, "nobody-has-this"));
	assert_string_equal(output_of("nft list ruleset"), "");
	diags.list.n = diags.errors = 0;
}

static void test_thousands_of_services_are_one_transaction_and_one_more_is_a_few_elements(void **state)
{
	struct str yaml = { .arena = &arena };
	struct plan p;

	(void)state;
	str_add(&yaml, MESH "spec: {}\n");
	for (unsigned i = 0; i < 2500; i++)
		str_printf(&yaml,
			"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshSidecar\nmetadata: {name: p%u}\n"
			"spec: {user: %u, ports: {outbound: %u, inbound: %u, tunnel: %u, admin: %u}}\n"
			"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshService\nmetadata: {name: s%u}\n"
			"spec: {nodes: all, runAs: {user: %u}, sidecar: p%u, capture: c, ports: [{name: a, port: "
			"%u}]}\n",
			i, 10000 + i, 20000 + i * 4, 20001 + i * 4, 20002 + i * 4, 20003 + i * 4, i, 30000 + i, i,
			40000 + i);
	apply(str_text(&yaml));
	str_add(&yaml,
		"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshSidecar\nmetadata: {name: more}\n"
		"spec: {user: 5, ports: {outbound: 11, inbound: 12, tunnel: 13, admin: 14}}\n"
		"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshService\nmetadata: {name: more}\n"
		"spec: {nodes: all, runAs: {user: 6}, sidecar: more, capture: c, ports: [{name: a, port: 7}]}\n");
	plan(desire(str_text(&yaml)), observe(), &p);
	vec_each (c, &p.changes)
		assert_int_equal(c->action, ACTION_CHANGE);
	assert_int_equal(p.changes.n, 7);
	assert_true(carry_out(&p));
	apply(none);
}

static int clean(void **state)
{
	(void)state;
	return system("nft flush ruleset");
}

#define LIVE_TEST(f) cmocka_unit_test_setup_teardown(f, clean, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE_TEST(test_second_pass_plans_nothing_and_leaves_the_generation),
		LIVE_TEST(test_one_changed_range_is_one_change_of_elements),
		LIVE_TEST(test_rules_and_base_chains_that_stay_keep_their_handles),
		LIVE_TEST(test_counters_of_untouched_rules_survive_a_repair),
		LIVE_TEST(test_what_others_change_is_named_and_repaired),
		LIVE_TEST(test_a_reordered_chain_is_put_right_by_moving_one_rule),
		LIVE_TEST(test_a_change_by_others_between_look_and_commit_is_taken_into_account),
		LIVE_TEST(test_other_tables_stay_byte_for_byte),
		LIVE_TEST(test_nothing_captured_means_no_table),
		LIVE_TEST(test_a_refusal_of_the_kernel_names_the_rule_and_changes_nothing),
		LIVE_TEST(test_an_account_that_the_machine_lacks_is_never_written_as_another),
		LIVE_TEST(test_thousands_of_services_are_one_transaction_and_one_more_is_a_few_elements),
	};
	int failed;

	if (unshare(CLONE_NEWNET) < 0) {
		printf("skipped: no right to make a network namespace (%s)\n", strerror(errno));
		return 77;
	}
	if (system("nft --version >/dev/null 2>&1") != 0) {
		printf("skipped: nft is not installed\n");
		return 77;
	}
	diags.arena = &arena;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_finish(&arena);
	return failed;
}
