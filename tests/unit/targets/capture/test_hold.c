#include "targets/capture/hold.h"

#include "given.h"

static void test_kernels_that_can_hold_a_table(void **state)
{
	static const struct {
		const char *release;
		bool supported;
	} rows[] = {
		{ "6.9.0", true },
		{ "6.18.5+", true },
		{ "7.0-rc1", true },
		{ "6.8.0-45-generic", false },
		{ "6.1.0-18-amd64", false },
		{ "5.15.0", false },
		{ "", false },
		{ "linux", false },
	};

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++)
		assert_int_equal(hold_supported(rows[i].release), rows[i].supported);
}

/* Flags: 2 owner, 4 persist, 1 dormant. */
static void test_who_does_not_hold_leaves_what_others_do(void **state)
{
	static const struct {
		bool present;
		uint32_t flags, keep;
	} rows[] = {
		{ false, 0, 0 },
		{ true, 0, 0 },
		{ true, 4, 4 },
		{ true, 6, 6 },
		{ true, 1, 0 },
		{ true, 5, 4 },
	};
	const struct host host = { .holds = false };

	(void)state;
	for (size_t i = 0; i < array_len(rows); i++) {
		struct ruleset live = { .present = rows[i].present, .flags = rows[i].flags };

		hold_judge(&host, &live);
		assert_int_equal(live.keep, rows[i].keep);
		assert_false(live.remade);
	}
}

static void test_a_held_table_is_foreign_to_who_holds_nothing(void **state)
{
	const struct ruleset held = { .present = true, .flags = 6, .owner = 4711 };
	const struct ruleset orphan = { .present = true, .flags = 4 };

	(void)state;
	assert_true(hold_foreign(NULL, &held));
	assert_false(hold_foreign(NULL, &orphan));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given_test(test_kernels_that_can_hold_a_table),
		given_test(test_who_does_not_hold_leaves_what_others_do),
		given_test(test_a_held_table_is_foreign_to_who_holds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
