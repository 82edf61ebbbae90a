/* The processes target on real cgroups, processes and files. */
#include "process_bench.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
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

static void expect_changes(const char *components, const char *expected)
{
	struct round r;

	round_plan(&bench, components, &r);
	assert_non_null(r.live);
	assert_string_equal(round_changes(&r), expected);
	round_finish(&r);
}

/* ---- starting and finding ---- */

#define SLEEPER                                                                                                   \
	"- name: a\n"                                                                                             \
	"  command: [sleep, \"1000\"]\n"

#define SLEEPER_CHANGED                                                                                           \
	"- name: a\n"                                                                                             \
	"  command: [sleep, \"1001\"]\n"

static void test_a_process_is_started_and_found_again(void **state)
{
	pid_t pid;

	(void)state;
	expect_changes(SLEEPER, "add processes/component-a new");
	bench_converge(&bench, SLEEPER);
	pid = bench_pid(&bench, "a");
	assert_int_not_equal(pid, 0);
	expect_changes(SLEEPER, "");
	bench_converge(&bench, SLEEPER);
	assert_int_equal(bench_pid(&bench, "a"), pid);
}

static void test_what_the_program_gets(void **state)
{
	static const char components[] =
		"- name: a\n"
		"  command: [sh, -c]\n"
		"  args:\n"
		"    - |\n"
		"      { id -u; id -g; id -G; pwd; umask; echo \"$WORD $PATH\"; ls /proc/self/fd | wc -l; cat;\n"
		"      grep -E '^Sig(Blk|Ign)|NoNewPrivs' /proc/self/status; ps -o sid= -p $$ | grep -cw $$; } > "
		"@/out/now\n"
		"      mv @/out/now @/out/done; echo to stdout; echo through its name >> /dev/stdout; exec sleep "
		"1000\n"
		"  env: {WORD: \"a b=c\"}\n"
		"  user: 1337\n"
		"  group: 1338\n"
		"  groups: [1400, 1339]\n"
		"  workingDirectory: /usr\n";
	const char *log;

	(void)state;
	assert_int_equal(mkdir(bench_path(&bench, "out"), 0755), 0);
	assert_int_equal(chown(bench_path(&bench, "out"), 1337, 1337), 0);
	bench_converge(&bench, components);
	bench_wait_file(&bench, "out/done");
	assert_string_equal(bench_read(&bench, "out/done"),
		"1337\n1338\n1338 1339 1400\n/usr\n0022\n"
		"a b=c /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
		"4\n" /* three, and the directory that ls reads */
		"SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nNoNewPrivs:\t0\n1\n");
	for (int i = 0; i < 500; i++) {
		struct bytes text = { 0 };

		log = arena_printf(&bench.arena, "%s/log/component-a.log", bench.state_dir);
		assert_int_equal(file_read(AT_FDCWD, log, 4096, &bench.arena, &text), 0);
		if (!strcmp(text.data, "to stdout\nthrough its name\n"))
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	fail_msg("the log lacks its output");
}

static void start_and_end(const char *components)
{
	struct round r;

	round_plan(&bench, components, &r);
	round_apply(&bench, &r);
	bench_wait_file(&bench, "asked");
	_exit(r.applied ? 0 : 1);
}

/* Envoy does so, unless told otherwise. */
static void test_a_program_that_asks_to_end_with_its_parent_outlives_the_pass(void **state)
{
	static const char components[] =
		"- name: a\n"
		"  command: [setpriv, --pdeathsig, KILL, sh, -c, \"echo > @/asked; exec sleep 1000\"]\n";
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid)
		start_and_end(components);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	expect_changes(components, "");
	assert_int_not_equal(bench_pid(&bench, "a"), 0);
}

static void test_a_changed_spec_restarts(void **state)
{
	struct round r;
	pid_t pid;

	(void)state;
	bench_converge(&bench, SLEEPER);
	pid = bench_pid(&bench, "a");
	round_plan(&bench, SLEEPER_CHANGED, &r);
	assert_string_equal(round_changes(&r), "change processes/component-a changed");
	assert_int_equal(r.plan.changes.items[0].cost, COST_RESTART);
	assert_string_equal(node_get(r.plan.changes.items[0].before, "command")->items[1].string, "1000");
	assert_string_equal(node_get(r.plan.changes.items[0].after, "command")->items[1].string, "1001");
	round_finish(&r);
	bench_converge(&bench, SLEEPER_CHANGED);
	assert_int_not_equal(bench_pid(&bench, "a"), pid);
	bench_wait_gone(pid);
}

static void test_a_killed_process_is_repaired(void **state)
{
	pid_t pid;

	(void)state;
	bench_converge(&bench, SLEEPER);
	pid = bench_pid(&bench, "a");
	kill(pid, SIGKILL);
	bench_wait_gone(pid);
	expect_changes(SLEEPER, "add processes/component-a drift");
	bench_converge(&bench, SLEEPER);
	assert_int_not_equal(bench_pid(&bench, "a"), 0);
	assert_int_not_equal(bench_pid(&bench, "a"), pid);
}

static void test_a_group_without_its_main_process_does_not_count_as_running(void **state)
{
	static const char components[] =
		"- name: a\n"
		"  command: [sh, -c, \"sleep 1000 & echo > @/started; exec sleep 1000\"]\n";
	size_t groups;
	pid_t pid;

	(void)state;
	bench_converge(&bench, components);
	bench_wait_file(&bench, "started");
	assert_int_equal(bench_count(&bench, "a", &groups), 2);
	pid = bench_pid(&bench, "a");
	kill(pid, SIGKILL);
	bench_wait_gone(pid);
	assert_int_equal(bench_count(&bench, "a", &groups), 1);
	unlink(bench_path(&bench, "started"));
	expect_changes(components, "change processes/component-a drift");
	bench_converge(&bench, components);
	bench_wait_file(&bench, "started");
	assert_int_equal(bench_count(&bench, "a", &groups), 2);
	assert_int_equal(groups, 1);
}

/* ---- stopping ---- */

static void test_a_group_beside_the_right_one_is_seen_and_removed(void **state)
{
	const char *other;
	size_t groups;
	pid_t pid;

	(void)state;
	bench_converge(&bench, SLEEPER);
	pid = bench_pid(&bench, "a");
	other = arena_printf(&bench.arena, "%s/component-a/%s", bench.cgroup, "0123456789abcdef0123456789abcdef");
	assert_int_equal(mkdir(other, 0700), 0);
	expect_changes(SLEEPER, "change processes/component-a drift");
	bench_converge(&bench, SLEEPER);
	assert_int_equal(bench_count(&bench, "a", &groups), 1);
	assert_int_equal(groups, 1);
	assert_int_equal(bench_pid(&bench, "a"), pid);
}

static void test_the_whole_group_is_ended_whatever_it_does(void **state)
{
	/* Ignores SIGTERM, has a child in a session of its own, and one whose parent is gone. */
	static const char components[] = "- name: a\n"
					 "  command: [sh, -c]\n"
					 "  args:\n"
					 "    - trap '' TERM; setsid sleep 1000 & (sleep 1000 & exit); echo > "
					 "@/started; while :; do sleep 1; done\n"
					 "  stopSeconds: 1\n";
	long long start;
	size_t groups;

	(void)state;
	bench_converge(&bench, components);
	bench_wait_file(&bench, "started");
	start = clock_monotonic_ms();
	bench_converge(&bench, NULL);
	assert_in_range(clock_monotonic_ms() - start, 900, 4000);
	assert_int_equal(bench_count(&bench, "a", &groups), 0);
	assert_int_equal(groups, 0);
	assert_int_not_equal(access(bench.cgroup, F_OK), 0);
}

static void test_a_process_that_ends_at_once_is_not_waited_for(void **state)
{
	static const char components[] = "- name: a\n"
					 "  command: [sleep, \"1000\"]\n"
					 "  stopSeconds: 30\n";
	long long start;

	(void)state;
	bench_converge(&bench, components);
	start = clock_monotonic_ms();
	bench_converge(&bench, NULL);
	assert_in_range(clock_monotonic_ms() - start, 0, 2000);
}

static void test_draining_comes_before_the_end(void **state)
{
	static const char components[] =
		"- name: a\n"
		"  command: [sh, -c]\n"
		"  args:\n"
		"    - trap 'echo term >> @/order; exit' TERM; echo > @/started; while :; do sleep 0.05; done\n"
		"  drain: {command: [sh, -c, \"echo drain $WORD >> @/order\"], seconds: 1}\n"
		"  env: {WORD: as it was}\n";
	long long start;

	(void)state;
	bench_converge(&bench, components);
	bench_wait_file(&bench, "started");
	start = clock_monotonic_ms();
	bench_converge(&bench, NULL); /* the source does not say any more how to drain: its group does */
	assert_in_range(clock_monotonic_ms() - start, 1000, 4000);
	assert_string_equal(bench_read(&bench, "order"), "drain as it was\nterm\n");
}

static void test_draining_ends_when_the_process_is_gone(void **state)
{
	static const char components[] =
		"- name: a\n"
		"  command: [sh, -c, \"echo > @/started; while test ! -e @/end; do sleep 0.02; done\"]\n"
		"  drain: {command: [touch, @/end], seconds: 60}\n";
	long long start;

	(void)state;
	bench_converge(&bench, components);
	bench_wait_file(&bench, "started");
	start = clock_monotonic_ms();
	bench_converge(&bench, NULL);
	assert_in_range(clock_monotonic_ms() - start, 0, 5000);
}

static void test_changed_draining_is_noted_without_a_restart(void **state)
{
	static const char changed[] = "- name: a\n"
				      "  command: [sleep, \"1000\"]\n"
				      "  drain: {seconds: 2}\n";
	struct round r;
	pid_t pid;

	(void)state;
	bench_converge(&bench, SLEEPER);
	pid = bench_pid(&bench, "a");
	round_plan(&bench, changed, &r);
	assert_string_equal(round_changes(&r), "change processes/component-a changed");
	assert_int_equal(r.plan.changes.items[0].cost, COST_IN_PLACE);
	round_finish(&r);
	bench_converge(&bench, changed);
	assert_int_equal(bench_pid(&bench, "a"), pid);
	bench_converge(&bench, SLEEPER);
}

static bool asked_to_stop(void)
{
	return true;
}

static void test_a_request_to_end_skips_what_is_left(void **state)
{
	struct round r;

	(void)state;
	round_plan(&bench, SLEEPER "- name: b\n  command: [sleep, \"1\"]\n", &r);
	bench.host.stopped = asked_to_stop;
	round_apply(&bench, &r);
	bench.host.stopped = NULL;
	assert_false(r.applied);
	assert_int_equal(r.plan.changes.items[0].result, RESULT_SKIPPED);
	assert_int_equal(r.plan.changes.items[1].result, RESULT_SKIPPED);
	assert_int_equal(bench_pid(&bench, "a"), 0);
	round_finish(&r);
}

static long long asked_at;

static bool asked_after_a_while(void)
{
	return clock_monotonic_ms() >= asked_at;
}

static void test_a_request_to_end_cuts_draining_short_and_ends_the_change(void **state)
{
	static const char components[] = "- name: a\n"
					 "  command: [sleep, \"1000\"]\n"
					 "  drain: {seconds: 60}\n";
	struct round r;

	(void)state;
	bench_converge(&bench, components);
	round_plan(&bench, SLEEPER_CHANGED, &r);
	asked_at = clock_monotonic_ms() + 300;
	bench.host.stopped = asked_after_a_while;
	round_apply(&bench, &r);
	bench.host.stopped = NULL;
	assert_true(r.applied);
	assert_in_range(clock_monotonic_ms() - asked_at, 0, 2000);
	assert_int_equal(r.plan.changes.items[0].result, RESULT_DONE);
	assert_int_not_equal(bench_pid(&bench, "a"), 0);
	round_finish(&r);
}

/* ---- failing to start ---- */

static void expect_failure(const char *components, const char *message)
{
	struct round r;
	size_t groups;

	round_plan(&bench, components, &r);
	round_apply(&bench, &r);
	assert_false(r.applied);
	round_expect_message(&r, message);
	round_expect_message(&r, "component a ");
	round_expect_message(&r, "mesh.yaml:");
	assert_int_equal(r.diags.errors, 1);
	assert_int_equal(bench_count(&bench, "a", &groups), 0);
	assert_int_equal(groups, 0);
	round_finish(&r);
}

static void test_a_program_that_cannot_be_executed_is_named(void **state)
{
	(void)state;
	bench_write(&bench, "text", "no program\n");
	bench_write(&bench, "orphan", "#!/no/such/interpreter\n");
	chmod(bench_path(&bench, "orphan"), 0755);
	bench_write(&bench, "strange", "neither ELF nor script\n");
	chmod(bench_path(&bench, "strange"), 0755);
	expect_failure("- name: a\n  command: [no-such-program]\n",
		"its program 'no-such-program' is in no directory of its PATH, /usr/local/sbin:");
	expect_failure("- name: a\n  command: [/no/such/program]\n", "No such file");
	expect_failure("- name: a\n  command: [@/text]\n", "it is not executable");
	expect_failure("- name: a\n  command: [@/orphan]\n", "its interpreter or loader is missing");
	expect_failure("- name: a\n  command: [@/strange]\n", "nor a script that begins with #!");
	expect_failure("- name: a\n  command: [@]\n", "Is a directory");
	expect_failure("- name: a\n  command: [sleep, \"1\"]\n  workingDirectory: /no/such/directory\n",
		"could not enter its working directory '/no/such/directory'");
}

static void test_a_start_that_failed_leaves_nothing_after_cleanup(void **state)
{
	struct round r;

	(void)state;
	round_plan(&bench, "- name: a\n  command: [sleep, \"1\"]\n  workingDirectory: /no/such/directory\n", &r);
	round_apply(&bench, &r);
	assert_false(r.applied);
	round_finish(&r);
	bench_converge(&bench, NULL);
	assert_int_not_equal(access(bench.cgroup, F_OK), 0);
	assert_int_equal(rmdir(bench.state_dir), 0);
}

static void test_what_a_boot_leaves_of_unwanted_processes_is_removed(void **state)
{
	size_t groups;
	pid_t pid;

	(void)state;
	bench_converge(&bench, SLEEPER);
	/* A boot takes groups and processes away. */
	pid = bench_pid(&bench, "a");
	kill(pid, SIGKILL);
	bench_wait_gone(pid);
	assert_int_equal(
		system(arena_printf(&bench.arena, "find %s -depth -type d -exec rmdir {} +", bench.cgroup)), 0);
	assert_int_equal(bench_count(&bench, "a", &groups), 0);
	expect_changes(SLEEPER, "add processes/component-a drift");
	expect_changes(NULL, "remove processes/log/component-a drift");
	unlink(arena_printf(&bench.arena, "%s/log/component-a.log", bench.state_dir));
	expect_changes(NULL, "remove processes/log/ drift");
	bench_converge(&bench, NULL);
	assert_int_equal(rmdir(bench.state_dir), 0);
}

static void test_a_mistyped_program_leaves_the_old_one_running(void **state)
{
	struct round r;
	pid_t pid;

	(void)state;
	bench_converge(&bench, SLEEPER);
	pid = bench_pid(&bench, "a");
	round_plan(&bench, "- name: a\n  command: [slep, \"1000\"]\n", &r);
	round_apply(&bench, &r);
	assert_false(r.applied);
	round_finish(&r);
	assert_int_equal(bench_pid(&bench, "a"), pid);
}

static void test_without_a_cgroup_tree_the_message_says_what_to_mount(void **state)
{
	const char *cgroup = bench.host.cgroup;
	struct round r;

	(void)state;
	bench.host.cgroup = bench_path(&bench, "nothing/enmesh");
	round_plan(&bench, SLEEPER, &r);
	assert_string_equal(round_changes(&r), "add processes/component-a new");
	round_apply(&bench, &r);
	assert_false(r.applied);
	assert_int_equal(r.diags.errors, 1);
	round_expect_message(&r, "No such file or directory");
	round_finish(&r);
	bench.host.cgroup = bench_path(&bench, "enmesh");
	round_plan(&bench, SLEEPER "- name: b\n  command: [sleep, \"1\"]\n", &r);
	round_apply(&bench, &r);
	assert_false(r.applied);
	assert_int_equal(r.diags.errors, 1);
	round_expect_message(&r, "is not in a cgroup v2 tree");
	round_expect_message(&r, "mount -t cgroup2 none /sys/fs/cgroup/unified");
	round_expect_message(&r, "--cgroup");
	assert_null(bench_read(&bench, "enmesh"));
	round_finish(&r);
	bench.host.cgroup = cgroup;
}

/* ---- a network namespace of its own ---- */

#define NETNS_FILE "netns"

/* In place of the one that is there, as a container does it that is started anew. */
static void put_netns(void)
{
	const char *path = bench_path(&bench, NETNS_FILE);
	int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	umount2(path, MNT_DETACH);
	bench_write(&bench, NETNS_FILE, "");
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(system("ip link set lo up"), 0);
	assert_int_equal(mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL), 0);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	close(here);
}

static bool is_in(pid_t pid, const char *netns)
{
	struct stat wanted, live;

	assert_int_equal(stat(netns, &wanted), 0);
	assert_int_equal(stat(arena_printf(&bench.arena, "/proc/%d/ns/net", (int)pid), &live), 0);
	return wanted.st_ino == live.st_ino;
}

static pid_t sidecar_in(const char *documents, const char *changes)
{
	struct round r;
	pid_t pid;

	round_plan_mesh(&bench, documents, &r);
	assert_string_equal(round_changes(&r), changes);
	round_apply(&bench, &r);
	assert_int_equal(round_await(&bench, &r), AWAIT_READY);
	round_finish(&r);
	pid = bench_pid(&bench, "sidecar-test.s");
	assert_true(is_in(pid, bench_path(&bench, NETNS_FILE)));
	return pid;
}

static void test_a_sidecar_runs_and_is_asked_in_the_namespace_of_its_service(void **state)
{
	const char *documents = arena_printf(&bench.arena,
		"---\napiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: test}\nspec: {}\n"
		"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {name: node}\n"
		"spec: {addresses: [10.0.0.1]}\n"
		"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshSidecar\nmetadata: {name: proxy}\n"
		"spec:\n  command: [python3, -m, http.server, --bind, 127.0.0.1, \"15021\"]\n  workingDirectory: "
		"%s\n"
		"  readiness: {httpGet: {port: 15021, path: /}, periodSeconds: 1}\n"
		"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshService\nmetadata: {name: s, namespace: test}\n"
		"spec: {nodes: all, networkNamespace: {path: %s}, sidecar: proxy}\n",
		bench.dir, bench_path(&bench, NETNS_FILE));
	pid_t first, second;

	(void)state;
	put_netns();
	first = sidecar_in(documents, "add processes/sidecar-test.s new");
	put_netns();
	second = sidecar_in(documents, "change processes/sidecar-test.s drift");
	assert_int_not_equal(first, second);
	bench_wait_gone(first);
	bench_converge(&bench, NULL);
	umount2(bench_path(&bench, NETNS_FILE), MNT_DETACH);
	unlink(bench_path(&bench, NETNS_FILE));
}

static int tests(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest all[] = {
		TEST(test_a_process_is_started_and_found_again),
		TEST(test_what_the_program_gets),
		TEST(test_a_program_that_asks_to_end_with_its_parent_outlives_the_pass),
		TEST(test_a_changed_spec_restarts),
		TEST(test_a_killed_process_is_repaired),
		TEST(test_a_group_without_its_main_process_does_not_count_as_running),
		TEST(test_a_group_beside_the_right_one_is_seen_and_removed),
		TEST(test_the_whole_group_is_ended_whatever_it_does),
		TEST(test_a_process_that_ends_at_once_is_not_waited_for),
		TEST(test_draining_comes_before_the_end),
		TEST(test_draining_ends_when_the_process_is_gone),
		TEST(test_changed_draining_is_noted_without_a_restart),
		TEST(test_a_request_to_end_skips_what_is_left),
		TEST(test_a_request_to_end_cuts_draining_short_and_ends_the_change),
		TEST(test_a_program_that_cannot_be_executed_is_named),
		TEST(test_a_start_that_failed_leaves_nothing_after_cleanup),
		TEST(test_what_a_boot_leaves_of_unwanted_processes_is_removed),
		TEST(test_a_mistyped_program_leaves_the_old_one_running),
		TEST(test_without_a_cgroup_tree_the_message_says_what_to_mount),
		TEST(test_a_sidecar_runs_and_is_asked_in_the_namespace_of_its_service),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return bench_main(tests);
}
