/* Readiness, the order that follows from it, and draining by request. */
#include "process_bench.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static struct bench bench;

static int set_up(void **state)
{
	(void)state;
	bench_init(&bench);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bench_converge(&bench, NULL);
	bench_finish(&bench);
	return 0;
}

/* ---- readiness ---- */

#define SERVER(port)                                                                                              \
	"- name: a\n"                                                                                             \
	"  command: [python3, -c]\n"                                                                              \
	"  args:\n"                                                                                               \
	"    - |\n"                                                                                               \
	"      import http.server, os, time\n"                                                                    \
	"      class H(http.server.BaseHTTPRequestHandler):\n"                                                    \
	"        def do_GET(self):\n"                                                                             \
	"          self.send_response(200 if os.path.exists(\"@/healthy\") else 503)\n"                           \
	"          self.end_headers()\n"                                                                          \
	"        def do_POST(self):\n"                                                                            \
	"          open(\"@/posted\", \"w\").write(self.path)\n"                                                  \
	"          self.send_response(200)\n"                                                                     \
	"          self.end_headers()\n"                                                                          \
	"        def log_message(self, *a): pass\n"                                                               \
	"      http.server.HTTPServer((\"127.0.0.1\", " port "), H).serve_forever()\n"

static void test_readiness_by_connection(void **state)
{
	static const char components[] = SERVER("8001") "  readiness: {tcpSocket: {port: 8001}}\n";
	struct round r;

	(void)state;
	round_plan(&bench, components, &r);
	round_apply(&bench, &r);
	assert_true(r.applied);
	assert_int_equal(round_await(&bench, &r), AWAIT_READY);
	round_finish(&r);
}

static void test_readiness_by_request(void **state)
{
	static const char components[] = SERVER("8002") "  readiness: {httpGet: {path: /x?y=z, port: 8002}}\n";
	long long start;
	struct round r;

	(void)state;
	round_plan(&bench, components, &r);
	round_apply(&bench, &r);
	assert_true(r.applied);
	bench.timeout_ms = 2500;
	start = clock_monotonic_ms();
	assert_int_equal(round_await(&bench, &r), AWAIT_NOT_READY);
	assert_in_range(clock_monotonic_ms() - start, 2400, 5000);
	round_expect_message(
		&r, "component a is not ready: GET http://127.0.0.1:8002/x?y=z is answered with status 503");
	bench_write(&bench, "healthy", "");
	bench.timeout_ms = 0; /* looked at once all the same */
	assert_int_equal(round_await(&bench, &r), AWAIT_READY);
	round_finish(&r);
}

static void test_a_probe_that_gets_no_answer_ends_in_time(void **state)
{
	/* A listener whose queue is full answers nothing. */
	static const char components[] = "- name: a\n"
					 "  command: [python3, -c]\n"
					 "  args:\n"
					 "    - |\n"
					 "      import socket, time\n"
					 "      s = socket.create_server((\"127.0.0.1\", 8003), backlog=0)\n"
					 "      kept = []\n"
					 "      for i in range(8):\n"
					 "        c = socket.socket(); c.setblocking(False); "
					 "c.connect_ex((\"127.0.0.1\", 8003)); kept.append(c)\n"
					 "      open(\"@/full\", \"w\").close()\n"
					 "      time.sleep(1000)\n"
					 "  readiness: {tcpSocket: {port: 8003}, timeoutSeconds: 1}\n";
	struct round r;
	long long start;

	(void)state;
	round_plan(&bench, components, &r);
	round_apply(&bench, &r);
	bench_wait_file(&bench, "full");
	bench.timeout_ms = 2000;
	start = clock_monotonic_ms();
	assert_int_equal(round_await(&bench, &r), AWAIT_NOT_READY);
	assert_in_range(clock_monotonic_ms() - start, 1900, 4500);
	round_expect_message(&r, "no connection to 127.0.0.1 port 8003: Connection timed out");
	round_finish(&r);
}

static void test_a_process_that_dies_is_reported_with_the_end_of_its_log(void **state)
{
	static const char components[] =
		"- name: a\n"
		"  command: [sh, -c, \"echo first; echo; printf 'bad \\\\033[31m config\\\\n' >&2; exit 3\"]\n"
		"  readiness: {tcpSocket: {port: 8004}}\n";
	struct round r;

	(void)state;
	round_plan(&bench, components, &r);
	round_apply(&bench, &r);
	assert_true(r.applied);
	assert_int_equal(round_await(&bench, &r), AWAIT_FAILED);
	round_expect_message(&r,
		"component a ended with exit status 3; its log ends with: \"first\", \"\", \"bad ?[31m config\"");
	round_finish(&r);
}

static void test_what_was_seen_running_is_ready_without_another_look(void **state)
{
	static const char components[] =
		"- name: b\n"
		"  command: [sleep, \"1000\"]\n" SERVER("8010") "  readiness: {tcpSocket: {port: 8010}}\n";
	struct round r;

	(void)state;
	bench_converge(&bench, components);
	round_plan(&bench, components, &r);
	assert_int_equal(r.plan.changes.n, 0);
	assert_int_equal(round_await(&bench, &r), AWAIT_READY);
	assert_int_equal(round_await_in_sync(&bench, &r), AWAIT_READY);
	round_finish(&r);
}

static void test_what_ended_since_it_was_seen_is_not_ready(void **state)
{
	static const char components[] = SERVER("8011") "  readiness: {tcpSocket: {port: 8011}}\n";
	struct round r;
	pid_t pid;

	(void)state;
	bench_converge(&bench, components);
	round_plan(&bench, components, &r);
	assert_int_equal(round_await_in_sync(&bench, &r), AWAIT_READY);
	pid = bench_pid(&bench, "a");
	kill(pid, SIGKILL);
	bench_wait_gone(pid);
	assert_int_equal(round_await_in_sync(&bench, &r), AWAIT_FAILED);
	round_expect_message(&r, "the component a ");
	round_finish(&r);
}

#define CHAIN                                                                                                     \
	"- name: first\n"                                                                                         \
	"  command: [sh, -c, \"sleep 0.5; echo > @/early; exec python3 -m http.server -b 127.0.0.1 8005\"]\n"     \
	"  readiness: {tcpSocket: {port: 8005}}\n"                                                                \
	"- name: second\n"                                                                                        \
	"  after: [first]\n"                                                                                      \
	"  command: [sh, -c, \"test -e @/early && echo > @/in-order; exec sleep 1000\"]\n"

static void test_a_component_starts_when_the_one_before_is_ready(void **state)
{
	(void)state;
	bench_converge(&bench, CHAIN);
	bench_wait_file(&bench, "in-order");
}

static void test_a_component_is_not_started_when_the_one_before_is_not_ready(void **state)
{
	static const char components[] = "- name: first\n"
					 "  command: [sleep, \"1000\"]\n"
					 "  readiness: {tcpSocket: {port: 8006}}\n"
					 "- name: second\n"
					 "  after: [first]\n"
					 "  command: [sleep, \"1000\"]\n"
					 "- name: other\n"
					 "  command: [sleep, \"1000\"]\n";
	struct round r;

	(void)state;
	bench.timeout_ms = 500;
	round_plan(&bench, components, &r);
	round_apply(&bench, &r);
	assert_false(r.applied);
	round_expect_message(&r,
		"component second is not started: it comes after the component first, which is not ready: no "
		"connection to 127.0.0.1 port 8006");
	assert_int_equal(bench_pid(&bench, "second"), 0);
	assert_int_not_equal(bench_pid(&bench, "first"), 0);
	assert_int_not_equal(bench_pid(&bench, "other"), 0);
	round_finish(&r);
}

static void test_draining_by_request_goes_to_the_port_that_runs(void **state)
{
	static const char before[] =
		SERVER("8007") "  drain: {httpPost: {path: \"/drain?graceful\", port: 8007}}\n"
			       "  readiness: {tcpSocket: {port: 8007}}\n";
	static const char after[] = SERVER("8008") "  drain: {httpPost: {path: \"/other\", port: 8008}}\n"
						   "  readiness: {tcpSocket: {port: 8008}}\n";
	struct round r;

	(void)state;
	round_plan(&bench, before, &r);
	round_apply(&bench, &r);
	assert_int_equal(round_await(&bench, &r), AWAIT_READY);
	round_finish(&r);
	bench_converge(&bench, after);
	assert_string_equal(bench_read(&bench, "posted"), "/drain?graceful");
}

static void test_a_drain_request_that_fails_does_not_keep_from_stopping(void **state)
{
	static const char components[] = "- name: a\n"
					 "  command: [sleep, \"1000\"]\n"
					 "  drain: {httpPost: {path: /drain, port: 8009}, seconds: 60}\n";
	long long start;
	struct round r;

	(void)state;
	bench_converge(&bench, components);
	start = clock_monotonic_ms();
	round_plan(&bench, NULL, &r);
	round_apply(&bench, &r);
	assert_true(r.applied);
	assert_in_range(clock_monotonic_ms() - start, 0, 5000);
	round_expect_message(
		&r, "warning: the component-a is stopped without draining: POST http://127.0.0.1:8009/drain: ");
	round_finish(&r);
}

static int tests(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest all[] = {
		TEST(test_readiness_by_connection),
		TEST(test_readiness_by_request),
		TEST(test_a_probe_that_gets_no_answer_ends_in_time),
		TEST(test_a_process_that_dies_is_reported_with_the_end_of_its_log),
		TEST(test_what_was_seen_running_is_ready_without_another_look),
		TEST(test_what_ended_since_it_was_seen_is_not_ready),
		TEST(test_a_component_starts_when_the_one_before_is_ready),
		TEST(test_a_component_is_not_started_when_the_one_before_is_not_ready),
		TEST(test_draining_by_request_goes_to_the_port_that_runs),
		TEST(test_a_drain_request_that_fails_does_not_keep_from_stopping),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return bench_main(tests);
}
