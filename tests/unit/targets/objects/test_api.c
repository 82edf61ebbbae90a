#include "objects_case.h"

#include <errno.h>
#include <string.h>

#include "targets/objects/api.h"
#include "targets/objects/retry.h"

static void test_paths_are_built_from_encoded_parts(void **state)
{
	const struct resource core = { "", "v1", "ConfigMap", "configmaps", true };
	const struct resource cluster = { "", "v1", "Namespace", "namespaces", false };
	const struct resource istio = { "networking.istio.io", "v1", "ServiceEntry", "serviceentries", true };
	const struct resource evil = { "a/../b", "v1?x", "K", "p#q", true };

	(void)state;
	assert_string_equal(api_path(&core, "ns", "n", &arena), "/api/v1/namespaces/ns/configmaps/n");
	assert_string_equal(api_path(&cluster, "", "n", &arena), "/api/v1/namespaces/n");
	assert_string_equal(api_path(&cluster, "ignored", NULL, &arena), "/api/v1/namespaces");
	assert_string_equal(
		api_path(&istio, "ns", NULL, &arena), "/apis/networking.istio.io/v1/namespaces/ns/serviceentries");
	assert_string_equal(api_path(&istio, "", NULL, &arena), "/apis/networking.istio.io/v1/serviceentries");
	assert_string_equal(api_path(&istio, "a/b", "../x y%?#\n\xc3\xa9", &arena),
		"/apis/networking.istio.io/v1/namespaces/a%2Fb/serviceentries/..%2Fx%20y%25%3F%23%0A%C3%A9");
	assert_string_equal(api_path(&evil, "n", "x", &arena), "/apis/a%2F..%2Fb/v1%3Fx/namespaces/n/p%23q/x");
}

static void test_a_selector_survives_encoding(void **state)
{
	(void)state;
	assert_string_equal(api_encode("a.b/c in (x,y-_~)", &arena), "a.b%2Fc%20in%20%28x%2Cy-_~%29");
	assert_string_equal(api_encode("", &arena), "");
}

static void test_names_that_lead_elsewhere_are_no_segments(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "a%2fb", "/" };
	static const char *const good[] = { "a", "...", "a.b", "A_b-c", "system:node" };

	(void)state;
	for (size_t i = 0; i < array_len(bad); i++)
		assert_false(api_is_segment(bad[i]));
	for (size_t i = 0; i < array_len(good); i++)
		assert_true(api_is_segment(good[i]));
}

static void test_what_follows_an_attempt(void **state)
{
	static const struct {
		struct attempt attempt;
		enum verdict verdict;
	} cases[] = {
		{ { .status = 200, .whole = true }, VERDICT_ANSWER },
		{ { .status = 201, .whole = true }, VERDICT_ANSWER },
		{ { .status = 200 }, VERDICT_NEXT }, /* half an answer */
		{ { .status = 302 }, VERDICT_ANSWER },
		{ { .status = 400, .whole = true }, VERDICT_ANSWER },
		{ { .status = 401 }, VERDICT_ANSWER },
		{ { .status = 403 }, VERDICT_ANSWER },
		{ { .status = 404 }, VERDICT_ANSWER },
		{ { .status = 409, .whole = true }, VERDICT_ANSWER },
		{ { .status = 410, .whole = true }, VERDICT_ANSWER },
		{ { .status = 429, .whole = true }, VERDICT_BUSY },
		{ { .status = 429, .retry_after_s = 10 }, VERDICT_BUSY },
		{ { .status = 429, .retry_after_s = 11 }, VERDICT_ANSWER },
		{ { .status = 500, .whole = true }, VERDICT_NEXT },
		{ { .status = 500, .whole = true, .final = true }, VERDICT_ANSWER },
		{ { .status = 503 }, VERDICT_NEXT },
		{ { .status = 504 }, VERDICT_NEXT },
		{ { .error = -ECONNREFUSED }, VERDICT_NEXT },
		{ { .error = -ECONNRESET }, VERDICT_NEXT },
		{ { .error = -ETIMEDOUT }, VERDICT_NEXT },
		{ { .error = -EHOSTUNREACH }, VERDICT_NEXT },
		{ { .error = -EPROTO }, VERDICT_NEXT },
		{ { .error = -EKEYREJECTED }, VERDICT_NEXT },
		{ { .error = -EINVAL }, VERDICT_NEXT },
		{ { .error = -EFBIG }, VERDICT_GIVE_UP },
	};

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++)
		if (retry_verdict(&cases[i].attempt) != cases[i].verdict)
			fail_msg("status %d, error %d", cases[i].attempt.status, cases[i].attempt.error);
}

static void test_only_what_cannot_change_is_lasting(void **state)
{
	(void)state;
	assert_true(retry_is_lasting(-EKEYREJECTED));
	assert_true(retry_is_lasting(-EINVAL));
	assert_false(retry_is_lasting(-ECONNREFUSED));
	assert_false(retry_is_lasting(-EPROTO));
	assert_false(retry_is_lasting(0));
}

static void test_waits_grow_and_retry_after_is_the_least(void **state)
{
	(void)state;
	assert_int_equal(retry_wait_ms(1, 0), 100);
	assert_int_equal(retry_wait_ms(2, 0), 200);
	assert_int_equal(retry_wait_ms(3, 0), 400);
	assert_int_equal(retry_wait_ms(100, 0), 3200);
	assert_int_equal(retry_wait_ms(1, 3), 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_paths_are_built_from_encoded_parts, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_a_selector_survives_encoding, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_names_that_lead_elsewhere_are_no_segments, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_what_follows_an_attempt, case_start, case_finish),
		cmocka_unit_test_setup_teardown(test_only_what_cannot_change_is_lasting, case_start, case_finish),
		cmocka_unit_test_setup_teardown(
			test_waits_grow_and_retry_after_is_the_least, case_start, case_finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
