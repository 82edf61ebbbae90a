#include "given.h"

#include <arpa/inet.h>

#include "model/connection.h"

static void test_addresses_are_read_and_written_alike(void **state)
{
	static const char *const texts[] = { "10.0.0.7", "10.0.0.7:443", "fd00::1", "[fd00::1]:443", "::1" };
	struct endpoint e;

	(void)state;
	for (size_t i = 0; i < array_len(texts); i++) {
		assert_true(endpoint_read(texts[i], &e));
		assert_string_equal(endpoint_text(&e, &arena), texts[i]);
	}
	assert_true(endpoint_read("[fd00::1]", &e));
	assert_int_equal(e.port, 0);
}

static void test_other_texts_are_no_addresses(void **state)
{
	static const char *const texts[] = { "", ":", "10.0.0", "10.0.0.7:", "10.0.0.7:0", "10.0.0.7:65536",
		"10.0.0.7:+80", "10.0.0.7: 80", "10.0.0.7:80x", "[fd00::1", "[fd00::1]x",
		"[fd00::1]:", "[10.0.0.7]:80", "fd00::1]:80", "uid:5", "example.com:80",
		"[00000000000000000000000000000000000000000000000000000000]:1" };
	struct endpoint e;

	(void)state;
	for (size_t i = 0; i < array_len(texts); i++)
		assert_false(endpoint_read(texts[i], &e));
}

static void test_loopback_is_this_machine(void **state)
{
	static const char *const local[] = { "127.0.0.1", "127.8.0.1", "::1", "10.0.0.1" }, *const other[] = {
		"10.0.0.2", "128.0.0.1", "::2"
	};
	struct network n = { 0 };
	struct endpoint e;

	(void)state;
	assert_true(endpoint_read("10.0.0.1", vec_push(&arena, &n.addresses)));
	for (size_t i = 0; i < array_len(local); i++)
		assert_true(endpoint_read(local[i], &e) && network_is_local(&n, &e));
	for (size_t i = 0; i < array_len(other); i++)
		assert_true(endpoint_read(other[i], &e) && !network_is_local(&n, &e));
}

static void test_somebody_waits_where_the_machine_says_so_unless_closed(void **state)
{
	struct network n = { 0 };
	struct endpoint e;

	(void)state;
	assert_true(endpoint_read("127.0.0.1:80", &e));
	assert_true(network_waits(&n, 6, &e, false));
	n.surveyed = true;
	assert_false(network_waits(&n, 6, &e, false));
	*vec_push(&arena, &n.listeners) = (struct listener){ 6, { .family = 2, .port = 80 }, false };
	assert_true(network_waits(&n, 6, &e, false));
	assert_false(network_waits(&n, 6, &e, true));
	*vec_push(&arena, &n.closed) = 80;
	assert_false(network_waits(&n, 6, &e, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_addresses_are_read_and_written_alike),
		given_test(test_other_texts_are_no_addresses),
		given_test(test_loopback_is_this_machine),
		given_test(test_somebody_waits_where_the_machine_says_so_unless_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
