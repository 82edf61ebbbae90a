#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/schedule.h"

enum { INTERVAL_MS = 300 * 1000, NOW_MS = 1700000000 % 86400 * 1000 + 123 };

static struct schedule of(unsigned node, struct arena *a)
{
	char name[32];

	snprintf(name, sizeof(name), "vm-%u.example.com", node);
	return schedule_of(name, INTERVAL_MS, a);
}

/* A million machines that come up at one moment, or have been up for ever: the same, for only the name counts. */
static void test_looks_of_a_fleet_come_evenly(void **state)
{
	enum { NODES = 1000 * 1000, SECONDS = INTERVAL_MS / 1000 };
	static unsigned arrivals[SECONDS];
	unsigned fair = NODES / SECONDS;

	(void)state;
	for (unsigned i = 0; i < NODES; i++) {
		struct arena a = { 0 };
		struct schedule s = of(i, &a);
		long long wait = schedule_wait(&s, NOW_MS, 0);

		assert_true(wait > 0 && wait <= INTERVAL_MS);
		arrivals[(wait - 1) / 1000]++;
		arena_finish(&a);
	}
	/* A tenth of 3333 is nearly six standard deviations. */
	for (size_t i = 0; i < SECONDS; i++)
		assert_in_range(arrivals[i], fair - fair / 10, fair + fair / 10);
}

static void test_each_node_keeps_its_moment(void **state)
{
	struct arena a = { 0 };
	struct schedule s = of(1, &a);
	long long at = NOW_MS + schedule_wait(&s, NOW_MS, 0);

	(void)state;
	assert_int_equal(schedule_wait(&s, at, 0), INTERVAL_MS);
	assert_int_equal(schedule_wait(&s, at + 1, 0), INTERVAL_MS - 1);
	assert_int_equal(schedule_wait(&s, at - 1, 0), 1);
	assert_int_equal((at - s.offset_ms) % INTERVAL_MS, 0);
	/* A clock that is before 1970 is no reason to wait for years. */
	assert_in_range(schedule_wait(&s, -5, 0), 1, INTERVAL_MS);
	arena_finish(&a);
}

static void test_what_failed_is_tried_again_less_and_less_often(void **state)
{
	struct arena a = { 0 };
	struct schedule s = { .interval_ms = INTERVAL_MS, .offset_ms = (NOW_MS - 1) % INTERVAL_MS, .spread = 512 };
	static const long long waits[] = { 5000, 10000, 20000, 40000, 80000, 160000, INTERVAL_MS - 1,
		INTERVAL_MS - 1 };

	(void)state;
	for (unsigned i = 0; i < sizeof(waits) / sizeof(*waits); i++)
		assert_int_equal(schedule_wait(&s, NOW_MS, i + 1), waits[i]);
	assert_int_equal(schedule_wait(&s, NOW_MS, 1000000), INTERVAL_MS - 1);
	for (unsigned i = 0; i < 1000; i++) {
		s.spread = of(i, &a).spread;
		assert_in_range(schedule_wait(&s, NOW_MS, 1), SCHEDULE_RETRY_MS / 2, SCHEDULE_RETRY_MS * 3 / 2);
	}
	arena_finish(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_looks_of_a_fleet_come_evenly),
		cmocka_unit_test(test_each_node_keeps_its_moment),
		cmocka_unit_test(test_what_failed_is_tried_again_less_and_less_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
