/* From Istio's words to documents, without files, environment and machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/import.h"
#include "config/config.h"
#include "model/mesh.h"

static struct arena arena;
static struct diags diags;
static struct import im;
static struct import_variables files;

static int begin(void **state)
{
	(void)state;
	diags = (struct diags){ .arena = &arena };
	im = (struct import){
		.arena = &arena, .diags = &diags, .node = "node", .address = "192.0.2.1", .envoy_user = -1
	};
	files = (struct import_variables){ 0 };
	return 0;
}

static int finish(void **state)
{
	(void)state;
	arena_finish(&arena);
	return 0;
}

static bool read_env(const char *name, const char *text)
{
	return import_read_file(name, &(struct bytes){ text, strlen(text) }, &arena, &files, &diags);
}

/* Words separated by spaces; "_" stands for an empty one. */
static bool use_flags(const char *line)
{
	const char *words[64];
	size_t n = 0;

	for (char *word = strtok(arena_strdup(&arena, line), " "); word; word = strtok(NULL, " "))
		words[n++] = strcmp(word, "_") ? word : "";
	return import_use_flags(&im, words, n);
}

/* The documents, which are valid. */
static const char *documents(void)
{
	const char *text = import_write(&im);
	struct source_file file = { "a.yaml", "a.yaml", true, { text, text ? strlen(text) : 0 }, true };
	struct tree tree = { "test", "test", &file, 1 };
	struct config config = { 0 };

	assert_non_null(text);
	assert_true(config_read(&tree, &arena, &config, &diags));
	assert_non_null(model_load(&config, &arena, &diags));
	return text;
}

static void assert_says(const char *line)
{
	const char *text = documents();

	if (!strstr(text, line))
		fail_msg("no '%s' in:\n%s", line, text);
}

static void assert_silent(const char *word)
{
	const char *text = documents();

	if (strstr(text, word))
		fail_msg("'%s' is in:\n%s", word, text);
}

static void assert_refused(const char *message)
{
	assert_null(import_write(&im));
	assert_int_equal(diags.errors, 1);
	assert_string_equal(diags.list.items[0].message, message);
}

/* ---- files ---- */

static void test_a_file_has_quotes_comments_and_exports(void **state)
{
	(void)state;
	assert_true(read_env("a/cluster.env",
		"# comment\r\n\nexport ISTIO_SERVICE='a.b'  # and one here\r\nA=1;B=\"two words\" C=x\\ y\n"
		"D=a'b'\"c\\\"\"\nE=\nF='two\nlines'\n\tG=*"));
	assert_int_equal(files.list.n, 8);
	assert_string_equal(files.list.items[0].name, "ISTIO_SERVICE");
	assert_string_equal(files.list.items[0].value, "a.b");
	assert_int_equal(files.list.items[0].pos.line, 3);
	assert_int_equal(files.list.items[0].pos.column, 8);
	assert_string_equal(files.list.items[2].value, "two words");
	assert_string_equal(files.list.items[3].value, "x y");
	assert_string_equal(files.list.items[4].value, "abc\"");
	assert_string_equal(files.list.items[5].value, "");
	assert_string_equal(files.list.items[6].value, "two\nlines");
	assert_string_equal(files.list.items[7].value, "*");
	assert_int_equal(files.list.items[7].pos.line, 9);
}

static void test_a_line_goes_on_after_a_backslash(void **state)
{
	(void)state;
	assert_true(read_env("x.env", "export A=1 \\\n\tB=2 \\\n\nC=3"));
	assert_int_equal(files.list.n, 3);
	assert_string_equal(files.list.items[1].name, "B");
	assert_int_equal(files.list.items[1].pos.line, 2);
	assert_int_equal(files.list.items[2].pos.line, 4);
	assert_false(read_env("y.env", "A=1 \\"));
}

static void test_what_is_no_assignment_is_refused_with_its_place(void **state)
{
	(void)state;
	assert_false(read_env("x.env", "A=1\nset -a\n=2\nB='\n"));
	assert_int_equal(diags.errors, 3);
	assert_int_equal(diags.list.items[0].pos.line, 2);
	assert_int_equal(diags.list.items[1].pos.line, 3);
	assert_string_equal(diags.list.items[2].message, "this quote is not closed");
	assert_int_equal(diags.list.items[2].pos.column, 3);
}

static void test_what_only_a_shell_knows_is_refused_where_it_counts(void **state)
{
	(void)state;
	assert_true(
		read_env("x.env", "ISTIO_LOG_DIR=$HOME/log\nISTIO_SVC_IP=\"$(hostname)\"\nISTIO_SERVICE='$x'\n"));
	assert_false(import_use_variables(&im, &files));
	assert_int_equal(diags.errors, 1);
	assert_int_equal(diags.list.items[0].pos.line, 2);
	assert_string_equal(im.values[IMPORT_SERVICE].text, "$x");
}

/* ---- who wins ---- */

static void test_flags_win_over_the_environment_and_that_over_files(void **state)
{
	static const char *const environment[] = { "ISTIO_INBOUND_PORTS=2", "ISTIO_SERVICE_CIDR=*", "HOME=/",
		"odd", NULL };
	struct import_variables variables = { 0 };

	(void)state;
	assert_true(read_env(
		"a.env", "ISTIO_INBOUND_PORTS=1\nISTIO_OUTBOUND_PORTS=1\nISTIO_SERVICE_CIDR=10.0.0.0/8\n"));
	assert_true(read_env("d/b.env", "ISTIO_OUTBOUND_PORTS=4\n"));
	import_read_environment(environment, &arena, &variables);
	assert_true(import_use_variables(&im, &files));
	assert_true(import_use_variables(&im, &variables));
	assert_true(use_flags("-b 3"));
	assert_says("    ports: [3] # -b\n");
	assert_says("    cidrs: all # ISTIO_SERVICE_CIDR\n");
	assert_says("    ports: [4] # ISTIO_OUTBOUND_PORTS in b.env:1\n");
	assert_silent("HOME");
}

static void test_an_empty_flag_wins(void **state)
{
	(void)state;
	assert_true(read_env("a.env", "ISTIO_INBOUND_PORTS=*\n"));
	assert_true(import_use_variables(&im, &files));
	assert_true(use_flags("-b _"));
	assert_says("    ports: [] # -b\n");
}

static void test_the_later_of_two_names_wins(void **state)
{
	(void)state;
	assert_true(read_env("a.env", "ISTIO_META_DNS_CAPTURE=true\nREDIRECT_DNS=false\n"));
	assert_true(import_use_variables(&im, &files));
	assert_says("  dns: {capture: resolvers} # ISTIO_META_DNS_CAPTURE in a.env:1\n");
}

static void test_generic_variables_count_in_files_only(void **state)
{
	static const char *const environment[] = { "SERVICE_ACCOUNT=x", "CA_ADDR=a:1", "PROXY_UID=7", NULL };
	struct import_variables variables = { 0 };

	(void)state;
	import_read_environment(environment, &arena, &variables);
	assert_true(import_use_variables(&im, &variables));
	assert_silent("serviceAccount");
	assert_silent("a:1");
	assert_says("  proxyUsers: [7] # PROXY_UID\n");
}

/* ---- flags ---- */

static void test_flags_are_understood_in_every_form(void **state)
{
	(void)state;
	assert_true(use_flags(
		"pilot-agent istio-iptables -b80 -i=* --istio-outbound-ports=443 "
		"--istio-service-exclude-cidr 10.0.0.1/8 --dual-stack --drop-invalid=false -nf -u 5,6 -z 15007"));
	assert_says("    ports: [80] # -b\n");
	assert_says("    cidrs: all # -i\n");
	assert_says("    ports: [443] # --istio-outbound-ports\n");
	assert_says("    excludeCidrs: [10.0.0.0/8] # --istio-service-exclude-cidr\n");
	assert_says("  families: [ipv4, ipv6] # --dual-stack\n");
	assert_says("  proxyUsers: [5, 6] # -u\n  proxyGroups: [5, 6] # -u\n");
	assert_says("    inbound: 15007 # -z\n");
	assert_silent("dropInvalid");
	assert_says("#   -n: ");
	assert_says("#   -f: ");
}

static void test_an_unknown_flag_is_refused_with_the_nearest(void **state)
{
	(void)state;
	assert_false(use_flags("--istio-inbound-prots 80 -y --proxy-uid"));
	assert_int_equal(diags.errors, 3);
	assert_string_equal(diags.list.items[0].message,
		"istio-iptables has no flag '--istio-inbound-prots', did you mean '--istio-inbound-ports'?");
	assert_string_equal(diags.list.items[1].message, "istio-iptables has no flag '-y'");
	assert_string_equal(diags.list.items[2].message, "istio-iptables' flag --proxy-uid needs a value");
}

static void test_a_bad_value_names_who_gave_it(void **state)
{
	static const struct {
		const char *flags, *message;
	} bad[] = {
		{ "-b 80,0",
			"-b: expected a port, a range such as 8000:8100, or a name of /etc/services, found '0'" },
		{ "-b *,80",
			"-b: expected a port, a range such as 8000:8100, or a name of /etc/services, found '*'" },
		{ "-q 90:80", "-q: expected a range of ports such as 8000:8100, found '90:80'" },
		{ "-o 080", "-o: expected a port, a range such as 8000:8100, or a name of /etc/services, found "
			    "'080'" },
		{ "-i 10.0.0.0/33", "-i: expected an address range such as 10.0.0.0/8, found '10.0.0.0/33'" },
		{ "-x *", "-x: expected an address range such as 10.0.0.0/8, found '*'" },
		{ "-u 4294967295", "-u: expected the name of a user or group, or a number, found '4294967295'" },
		{ "-u ,", "-u: expected one user at least" },
		{ "-c a/b", "-c: expected the name of an interface, found 'a/b'" },
		{ "-k vnet+", "-k: 'vnet+' stands for every interface that begins so; enmesh has no such sign: "
			      "name each of "
			      "them" },
		{ "-p 70000", "-p: expected a number from 1 to 65535, found '70000'" },
		{ "-m tproxy", "-m: expected REDIRECT or TPROXY, found 'tproxy'" },
		{ "--redirect-dns=maybe", "--redirect-dns: expected true or false, found 'maybe'" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(bad); i++) {
		begin(NULL);
		assert_true(use_flags(bad[i].flags));
		assert_refused(bad[i].message);
	}
}

static void test_a_bad_value_of_a_file_has_its_place(void **state)
{
	(void)state;
	assert_true(read_env("x.env", "\n  ISTIO_INBOUND_PORTS=80,x_y\n"));
	assert_true(import_use_variables(&im, &files));
	assert_refused("ISTIO_INBOUND_PORTS: expected a port, a range such as 8000:8100, or a name of "
		       "/etc/services, found "
		       "'x_y'");
	assert_int_equal(diags.list.items[0].pos.line, 2);
	assert_int_equal(diags.list.items[0].pos.column, 3);
}

/* ---- meaning ---- */

static void test_ssh_is_captured_only_where_istio_does(void **state)
{
	static const struct {
		const char *flags;
		bool captured;
	} cases[] = {
		{ "-b *", true },
		{ "-b * -d 80", true },
		{ "-b * -d 80,22", false },
		{ "-b * -d 20:30", false },
		{ "-b * -d ssh", true },
		{ "-b 80", false },
		{ "-b 1:100", true },
		{ "-b ssh", true },
		{ "-b 22 -d 22", true },
	};

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		begin(NULL);
		assert_true(use_flags(cases[i].flags));
		assert_true((strstr(documents(), "allowManagementPorts: true") != NULL) == cases[i].captured);
	}
}

static void test_what_has_no_effect_is_named(void **state)
{
	(void)state;
	assert_true(use_flags("-b 80 -d 81 -t 5 -r 6 --capture-all-dns -m NONE --run-validation --log_target x"));
	assert_silent("excludePorts");
	assert_silent("tproxy:");
	assert_says("#   -d: ");
	assert_says("#   -t: ");
	assert_says("#   -r: ");
	assert_says("#   --capture-all-dns: ");
	assert_says("#   -m: ");
	assert_says("#   --run-validation: ");
	assert_says("#   --log_target: ");
	assert_says("  mode: redirect # -m\n");
}

static void test_an_unknown_variable_is_named_with_the_nearest(void **state)
{
	(void)state;
	assert_true(read_env("x.env", "ISTIO_INBOUND_PORT=80\nISTIO_META_X=1\n"));
	assert_true(import_use_variables(&im, &files));
	assert_says("#   ISTIO_INBOUND_PORT in x.env:1: unknown; is ISTIO_INBOUND_PORTS meant?\n");
	assert_says("#   ISTIO_META_X in x.env:2: metadata of Istio's proxy\n");
}

static void test_tproxy_has_its_numbers(void **state)
{
	(void)state;
	assert_true(use_flags("-m TPROXY -t 1400"));
	assert_says("  mode: tproxy # -m\n");
	assert_says("    mark: 1400 # -t\n    table: 133\n");
}

static void test_owner_groups_are_listed_excluded_or_none(void **state)
{
	(void)state;
	assert_true(read_env("x.env", "ISTIO_OUTBOUND_OWNER_GROUPS=java,202\n"));
	assert_true(import_use_variables(&im, &files));
	assert_says("    ownerGroups: {include: [java, 202]} # ISTIO_OUTBOUND_OWNER_GROUPS in x.env:1\n");
	begin(NULL);
	assert_true(read_env("x.env", "ISTIO_OUTBOUND_OWNER_GROUPS=\n"));
	assert_true(import_use_variables(&im, &files));
	assert_says("    ownerGroups: {include: []} # ISTIO_OUTBOUND_OWNER_GROUPS in x.env:1\n");
	begin(NULL);
	assert_true(read_env("x.env", "ISTIO_OUTBOUND_OWNER_GROUPS=*\nISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE=5\n"));
	assert_true(import_use_variables(&im, &files));
	assert_says("    ownerGroups: {exclude: [5]} # ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE in x.env:2\n");
}

static void test_the_mesh_and_the_service_are_named(void **state)
{
	(void)state;
	assert_true(read_env("cluster.env",
		"ISTIO_SERVICE=web.shop\nSERVICE_ACCOUNT=web\nISTIO_SVC_IP=2001:db8::1\nTRUST_DOMAIN=td\n"
		"CA_ADDR=ca:15012\nISTIO_PILOT_PORT=15005\nISTIO_SYSTEM_NAMESPACE=mesh\nISTIO_META_NETWORK=n1\n"
		"ISTIO_METAJSON_LABELS='{\"app\":\"web\"}'\nISTIO_CUSTOM_IP_TABLES=true\nENVOY_PORT=15002\n"));
	assert_true(import_use_variables(&im, &files));
	assert_says("  name: web # ISTIO_SERVICE in cluster.env:1\n  namespace: shop # ISTIO_SERVICE in "
		    "cluster.env:1\n");
	assert_says("  serviceAccount: web # ");
	assert_says("  addresses: [\"2001:db8::1\"] # ISTIO_SVC_IP in cluster.env:3\n");
	assert_says("  families: [ipv4, ipv6] # ISTIO_SVC_IP in cluster.env:3\n");
	assert_says("  trustDomain: td # ");
	assert_says("    ca: {addresses: [\"ca:15012\"]} # ");
	assert_says(
		"    discovery: {addresses: [\"istiod.mesh.svc:15005\"]} # ISTIO_PILOT_PORT in cluster.env:6\n");
	assert_says("  network: n1 # ");
	assert_says("  labels: {\"app\":\"web\"} # ");
	assert_says("  mode: none # ISTIO_CUSTOM_IP_TABLES in cluster.env:10\n");
	assert_says("    outbound: 15002 # ENVOY_PORT in cluster.env:11\n");
}

static void test_the_proxy_user_is_looked_up(void **state)
{
	(void)state;
	im.envoy_user = 998;
	assert_says("  proxyUsers: [998]\n  proxyGroups: [998]\n");
	im.envoy_user = -1;
	assert_says("  proxyUsers: [1337]\n  proxyGroups: [1337]\n");
}

static void test_nothing_gets_out_of_its_line(void **state)
{
	(void)state;
	assert_true(read_env("x\ny.env", "ISTIO_SERVICE=web\nISTIO_LOG_DIR='a\nb: c'\nODD=1\n"));
	assert_true(import_use_variables(&im, &files));
	assert_true(use_flags("-c a,b-c,no,12 -b * -u no,_x"));
	assert_says("  excludeInterfaces: [a, b-c, \"no\", \"12\"] # -c\n");
	assert_says("  proxyUsers: [\"no\", \"_x\"] # -u\n");
	assert_silent("x\ny.env");
	assert_says("  name: web # ISTIO_SERVICE in x\\ny.env:1\n");
}

static void test_the_same_input_gives_the_same_text(void **state)
{
	const char *first;

	(void)state;
	assert_true(use_flags("-b 80,80,http,80:80,http -i 10.0.0.0/8"));
	first = documents();
	im.lines.n = 0;
	assert_string_equal(documents(), first);
	assert_says("    ports: [80, http] # -b\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_file_has_quotes_comments_and_exports),
		TEST(test_a_line_goes_on_after_a_backslash),
		TEST(test_what_is_no_assignment_is_refused_with_its_place),
		TEST(test_what_only_a_shell_knows_is_refused_where_it_counts),
		TEST(test_flags_win_over_the_environment_and_that_over_files),
		TEST(test_an_empty_flag_wins),
		TEST(test_the_later_of_two_names_wins),
		TEST(test_generic_variables_count_in_files_only),
		TEST(test_flags_are_understood_in_every_form),
		TEST(test_an_unknown_flag_is_refused_with_the_nearest),
		TEST(test_a_bad_value_names_who_gave_it),
		TEST(test_a_bad_value_of_a_file_has_its_place),
		TEST(test_ssh_is_captured_only_where_istio_does),
		TEST(test_what_has_no_effect_is_named),
		TEST(test_an_unknown_variable_is_named_with_the_nearest),
		TEST(test_tproxy_has_its_numbers),
		TEST(test_owner_groups_are_listed_excluded_or_none),
		TEST(test_the_mesh_and_the_service_are_named),
		TEST(test_the_proxy_user_is_looked_up),
		TEST(test_nothing_gets_out_of_its_line),
		TEST(test_the_same_input_gives_the_same_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
