#include "source/url.h"

#include "given.h"

static struct url url(const char *text)
{
	const char *problem = NULL;
	struct url out;

	if (!url_read(text, &arena, &out, &problem))
		fail_msg("%s: %s", text, problem);
	return out;
}

static void refused(const char *text, const char *words)
{
	const char *problem = NULL;
	struct url out;

	if (url_read(text, &arena, &out, &problem))
		fail_msg("%s is accepted", text);
	if (!strstr(problem, words))
		fail_msg("%s: %s", text, problem);
}

static void test_addresses(void **state)
{
	struct url u = url("https://git.example.com:8443/team/mesh.git");

	(void)state;
	assert_int_equal(u.scheme, SCHEME_HTTPS);
	assert_string_equal(u.host, "git.example.com");
	assert_int_equal(u.port, 8443);
	assert_string_equal(u.path, "/team/mesh.git");
	u = url("ssh://git@host/~team/a_b+c@d/mesh");
	assert_int_equal(u.scheme, SCHEME_SSH);
	assert_string_equal(u.user, "git");
	assert_int_equal(u.port, 0);
	u = url("ssh://[fd00::1]:2222/mesh");
	assert_string_equal(u.host, "fd00::1");
	assert_int_equal(u.port, 2222);
	assert_null(u.user);
	u = url("file:///srv/mesh.git");
	assert_int_equal(u.scheme, SCHEME_FILE);
	assert_null(u.host);
	assert_int_equal(url("git://h/a").scheme, SCHEME_GIT);
	assert_int_equal(url("http://[::1]/a").scheme, SCHEME_HTTP);
	assert_string_equal(url("https://xn--bcher-kva.example/a").host, "xn--bcher-kva.example");
}

static void test_schemes(void **state)
{
	static const char *const wrong[] = { "ext::sh -c x", "ext://sh", "ftp://h/a", "git+ssh://h/a", "host:path",
		"git@host:path", "host:-x", "/srv/mesh", "-u://h/a", "HTTPS://h/a", " https://h/a",
		"--upload-pack=x", "http", "" };

	(void)state;
	for (size_t i = 0; i < array_len(wrong); i++)
		refused(wrong[i], "write https://, ssh:// or file:///PATH");
	refused("file://host/a", "write file:///PATH");
	refused("file://a", "it names no path");
}

static void test_what_could_be_an_option(void **state)
{
	(void)state;
	refused("ssh://-oProxyCommand=x/a", "the host may have");
	refused("ssh://-x@h/a", "the user may have");
	refused("ssh://h/-x", "may begin with '-'");
	refused("ssh://h/a/--upload-pack=x", "may begin with '-'");
	refused("file:///-x", "may begin with '-'");
	refused("ssh://u@-h/a", "the host may have");
}

static void test_what_could_be_a_command(void **state)
{
	static const char *const paths[] = { "a;reboot", "$(x)", "`x`", "a'b", "a\"b", "a b", "a\nb", "a|b", "a&b",
		"a%0ab", "a?b", "a#b", "a\\b", "a*b", "{a}", "a:b", "a=b", "\xc3\xbc", "a\x7f", "\x01" };

	(void)state;
	for (size_t i = 0; i < array_len(paths); i++) {
		refused(arena_printf(&arena, "ssh://h/%s", paths[i]), "the path may have");
		refused(arena_printf(&arena, "https://h/%s", paths[i]), "the path may have");
		refused(arena_printf(&arena, "file:///%s", paths[i]), "the path may have");
	}
	refused("https://h;x/a", "the host may have");
	refused("https://h\tx/a", "the host may have");
	refused("https://b\xc3\xbc"
		"cher.example/a",
		"xn--");
	refused("ssh://a b@h/a", "the user may have");
}

static void test_credentials_belong_elsewhere(void **state)
{
	(void)state;
	refused("https://user:secret@h/a", "no credentials belong in an address");
	refused("https://token@h/a", "no credentials belong in an address");
	refused("https://@h/a", "no credentials belong in an address");
	refused("ssh://user:secret@h/a", "the user may have");
	refused("ssh://a@b@h/a", "the user may have");
	refused("ssh://a%40b@h/a", "the user may have");
	refused("ssh://@h/a", "the user may have");
}

static void test_hosts_ports_and_paths_that_are_none(void **state)
{
	static const char *const ports[] = { "", "0", "65536", "99999999999", "22x", "-1", "+1", " 22", "0x16" };

	(void)state;
	for (size_t i = 0; i < array_len(ports); i++) {
		refused(arena_printf(&arena, "https://h:%s/a", ports[i]), "the port is a number");
		refused(arena_printf(&arena, "https://[::1]:%s/a", ports[i]), "the port is a number");
	}
	refused("https:///a", "the host may have");
	refused("https://:22/a", "the host may have");
	refused("https://h", "it names no path");
	refused("https://h/", "the path may have");
	refused("https://[::1/a", "no IPv6 address");
	refused("https://[::1]x/a", "no IPv6 address");
	refused("https://[]/a", "no IPv6 address");
	refused("https://[fe80::1%eth0]/a", "no IPv6 address");
	refused("https://[h]/a", "no IPv6 address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_addresses),
		given_test(test_schemes),
		given_test(test_what_could_be_an_option),
		given_test(test_what_could_be_a_command),
		given_test(test_credentials_belong_elsewhere),
		given_test(test_hosts_ports_and_paths_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
