/* The processes target on kernels and in containers that lack something. */
#include "process_bench.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "targets/processes/cgroup.h"

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

#define SLEEPER                                                                                                   \
	"- name: a\n"                                                                                             \
	"  command: [sleep, \"1000\"]\n"

static void in_child(void (*run)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		run();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

static bool start_fails_with(const char *components, const char *message)
{
	struct round r;

	round_plan(&bench, components, &r);
	round_apply(&bench, &r);
	return r.live && !r.applied && r.diags.errors == 1 && strstr(round_messages(&r), message);
}

static void without_writable_cgroups(void)
{
	const char *standard;
	struct round r;
	int error;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(3);
	bench.host.cgroup = NULL;
	while ((standard = cgroup_default(&bench.arena, &error))) {
		char *point = arena_strndup(&bench.arena, standard, strlen(standard) - strlen("/enmesh"));

		mount("none", point, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
		bench.host.cgroup = arena_printf(&bench.arena, "%s/enmesh-test", point);
		if (!start_fails_with(SLEEPER, "the cgroup v2 tree is not writable"))
			_exit(4);
		bench.host.cgroup = NULL;
		if (umount2(point, MNT_DETACH) < 0)
			_exit(5);
	}
	if (!start_fails_with(SLEEPER,
		    "no cgroup v2 tree is mounted here; mount one (mount -t cgroup2 none /sys/fs/cgroup/"))
		_exit(6);
	round_plan(&bench, NULL, &r);
	if (!r.live || r.plan.changes.n || round_await(&bench, &r) != AWAIT_READY)
		_exit(7);
}

static void test_on_a_machine_without_writable_cgroups(void **state)
{
	(void)state;
	in_child(without_writable_cgroups);
}

/* From now on two system calls of this process and its children fail. */
static void deny(int first, int second, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)first, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)second, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { array_len(code), code };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) < 0)
		_exit(3);
}

static void start_without_clone3(void)
{
	struct round r;

	deny(SYS_clone3, SYS_clone3, ENOSYS);
	round_plan(&bench, SLEEPER, &r);
	round_apply(&bench, &r);
	_exit(r.applied ? 0 : 2);
}

static void test_without_clone3_the_child_joins_its_group_by_itself(void **state)
{
	size_t groups;

	(void)state;
	in_child(start_without_clone3);
	assert_int_equal(bench_count(&bench, "a", &groups), 1);
	expect_changes(SLEEPER, "");
	assert_int_not_equal(bench_pid(&bench, "a"), 0);
}

static void pass_without_attributes(const char *components, const char *changes)
{
	struct round r;

	round_plan(&bench, components, &r);
	if (strcmp(round_changes(&r), changes) != 0)
		_exit(4);
	round_apply(&bench, &r);
	if (!r.applied)
		_exit(2);
	round_finish(&r);
}

static void live_without_attributes(void)
{
	pid_t pid;

	deny(SYS_fsetxattr, SYS_fgetxattr, EOPNOTSUPP);
	pass_without_attributes(SLEEPER, "add processes/component-a new");
	pass_without_attributes(SLEEPER, "");
	pid = bench_pid(&bench, "a");
	kill(pid, SIGKILL);
	bench_wait_gone(pid);
	pass_without_attributes(SLEEPER, "add processes/component-a drift");
	pass_without_attributes(SLEEPER, "");
	pass_without_attributes(NULL, "remove processes/component-a orphan");
	pass_without_attributes(NULL, "");
}

static void test_without_attributes_of_groups_the_oldest_process_is_the_main_one(void **state)
{
	(void)state;
	in_child(live_without_attributes);
}

static int tests(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest all[] = {
		TEST(test_on_a_machine_without_writable_cgroups),
		TEST(test_without_clone3_the_child_joins_its_group_by_itself),
		TEST(test_without_attributes_of_groups_the_oldest_process_is_the_main_one),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return bench_main(tests);
}
