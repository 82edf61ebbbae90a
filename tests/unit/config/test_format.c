#include "config/schema.h"

#include "given.h"

static bool (*find(const char *name))(const char *)
{
	for (const struct schema_format *f = schema_formats; f->name; f++)
		if (!strcmp(f->name, name))
			return f->valid;
	fail_msg("no format %s", name);
	return NULL;
}

static void check(const char *format, const char *const *good, const char *const *bad)
{
	bool (*valid)(const char *) = find(format);

	for (; *good; good++)
		if (!valid(*good))
			fail_msg("%s: %s is good", format, *good);
	for (; *bad; bad++)
		if (valid(*bad))
			fail_msg("%s: %s is bad", format, *bad);
}

#define GOOD (const char *const[])
#define BAD (const char *const[])

static void test_ip(void **state)
{
	(void)state;
	check("ip", GOOD{ "10.0.0.1", "::1", "fd00::1", "::ffff:10.0.0.1", "255.255.255.255", NULL },
		BAD{ "", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1/8", "fe80::1%eth0", "[::1]", "a.b.c.d",
			" 10.0.0.1", "10.0.0.1 ", "1:2:3:4:5:6:7:8:9", NULL });
}

static void test_cidr(void **state)
{
	(void)state;
	check("cidr",
		GOOD{ "10.0.0.0/8", "0.0.0.0/0", "10.0.0.1", "10.0.0.1/32", "fd00::/8", "::/0", "::1/128", NULL },
		BAD{ "", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8/8", "fd00::/129",
			"/8", "10/8", "10.0.0.0/ 8", "all",
			"1111111111111111111111111111111111111111111111111111111111111111111111111111111.0.0.0/8",
			NULL });
}

static void test_host(void **state)
{
	(void)state;
	check("host", GOOD{ "localhost", "a.b-c.d", "10.0.0.1", "fd00::1", NULL },
		BAD{ "", "-a", ".a", "a b", "a\n", "a/b", "a:80", "[::1]", "a\"b", "é", NULL });
}

static void test_host_port(void **state)
{
	(void)state;
	check("host-port", GOOD{ "istiod.istio-system.svc:15012", "10.0.0.1:1", "[fd00::1]:65535", NULL },
		BAD{ "", "istiod", "istiod:", ":15012", "istiod:0", "istiod:65536", "istiod:015", "fd00::1:15012",
			"[fd00::1]", "[10.0.0.1]:80", "[]:80", "a b:80", "a/b:80", "istiod:80 ",
			"http://istiod:80", NULL });
}

static void test_http_url(void **state)
{
	(void)state;
	check("http-url",
		GOOD{ "https://10.0.0.1:6443", "http://api", "https://api.example/", "https://[fd00::1]:6443/",
			"https://[fd00::1]", NULL },
		BAD{ "", "/", "https://", "https:///", "http:/a", "ftp://a", "https://a/b", "https://a?b",
			"https://u:p@a", "https://a:", "https://a:99999", "https://fd00::1", "https://a b",
			"https://a//", "HTTPS://a", "https://[]", NULL });
}

static void test_paths(void **state)
{
	char *deep = arena_alloc(&arena, 5000);

	(void)state;
	memset(deep, 'a', 4998);
	deep[0] = '/';
	check("absolute-path", GOOD{ "/", "/a", "/a/b.c/..d", "/a//b/", NULL },
		BAD{ "", "a", "/a/../b", "/..", "/a/.", "/./a", "/a\nb", deep, NULL });
	check("relative-path", GOOD{ "a", "a/b.yaml", "..a", NULL },
		BAD{ "", "/a", "../a", "a/..", "./a", "a/./b", "a\tb", deep + 1, NULL });
}

static void test_interface(void **state)
{
	(void)state;
	check("interface", GOOD{ "eth0", "br-1234567890ab", "wg0.1", "veth@x", "a+", NULL },
		BAD{ "", "sixteen-letters-", ".", "..", "a b", "a/b", "a*", "a\n", "a\"b", "a\\b", "a:b",
			"\xc3\xa9", NULL });
}

static void test_duration(void **state)
{
	(void)state;
	check("go-duration", GOOD{ "30s", "1h30m", NULL }, BAD{ "", "30", "PT30S", NULL });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_ip),
		given_test(test_cidr),
		given_test(test_host),
		given_test(test_host_port),
		given_test(test_http_url),
		given_test(test_paths),
		given_test(test_interface),
		given_test(test_duration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
