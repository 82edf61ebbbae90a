#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/http.h"

static struct arena arena;
static char dir[] = "/tmp/enmesh-http-XXXXXX";

static const char *write_file(const char *name, const char *text, mode_t mode)
{
	const char *path = arena_printf(&arena, "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static void assert_refused(const struct http_config *config, const char *words)
{
	const char *problem = NULL;
	struct http *http = NULL;

	assert_int_equal(http_new(config, &arena, &http, &problem), -EINVAL);
	assert_null(http);
	assert_non_null(strstr(problem, words));
}

static void test_a_token_with_a_line_break_is_refused(void **state)
{
	char text[] = "abc\r\nX-Admin: yes";
	const struct secret token = { text, sizeof(text) - 1 };

	(void)state;
	assert_refused(&(struct http_config){ .token = &token }, "a character that no token has");
}

static void test_an_empty_token_is_refused(void **state)
{
	char text[] = "";
	const struct secret token = { text, 0 };

	(void)state;
	assert_refused(&(struct http_config){ .token = &token }, "empty");
}

static void test_a_ca_that_is_no_pem_is_refused(void **state)
{
	(void)state;
	assert_refused(&(struct http_config){ .ca = { "hello", 5 } }, "PEM");
	assert_refused(
		&(struct http_config){ .ca_file = write_file("ca", "hello", 0644) }, "/ca holds nothing in PEM");
	assert_refused(&(struct http_config){ .ca_file = "/nonexistent/ca" }, "No such file");
}

static void test_a_key_open_to_others_is_refused_with_its_mode(void **state)
{
	const struct http_config config = {
		.cert_file = write_file("cert", "-----BEGIN CERTIFICATE-----", 0644),
		.key_file = write_file("key", "-----BEGIN PRIVATE KEY-----", 0640),
	};

	(void)state;
	assert_refused(&config, "mode 0640");
}

static void test_only_http_urls_are_taken(void **state)
{
	static const char *const urls[] = { "file:///etc/passwd", "ftp://x/", "HTTP:/x", "", "-x" };
	scoped(http_free) struct http *http = NULL;
	const char *problem = NULL;

	(void)state;
	assert_int_equal(http_new(&(struct http_config){ .timeout_ms = 100 }, &arena, &http, &problem), 0);
	for (size_t i = 0; i < array_len(urls); i++) {
		const struct http_request request = { .method = "GET", .url = urls[i], .limit = 100 };
		struct http_response response;

		assert_int_equal(http_do(http, &request, &arena, &response, &problem), -EINVAL);
	}
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "ca", "cert", "key" };

	(void)state;
	for (size_t i = 0; i < array_len(names); i++)
		unlink(arena_printf(&arena, "%s/%s", dir, names[i]));
	arena_finish(&arena);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_with_a_line_break_is_refused),
		cmocka_unit_test(test_an_empty_token_is_refused),
		cmocka_unit_test(test_a_ca_that_is_no_pem_is_refused),
		cmocka_unit_test(test_a_key_open_to_others_is_refused_with_its_mode),
		cmocka_unit_test(test_only_http_urls_are_taken),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
