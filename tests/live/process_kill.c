/*
 * SIGKILL at random instants of an apply: the next pass converges, with just one instance of everything running,
 * and cleanup leaves nothing. process_kill [SEED [ROUNDS]]
 */
#include "process_bench.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static unsigned seed = 1, rounds = 100;
static char marker[32]; /* an argument that only our processes have */
static struct bench bench;

static const char before[] = "- name: a\n"
			     "  command: [sleep, \"MARKER\"]\n"
			     "  files: [{path: @/etc/a, text: before}, {path: @/etc/common, text: same}]\n"
			     "- name: b\n"
			     "  after: [a]\n"
			     "  command: [sleep, \"MARKER\"]\n"
			     "  files: [{path: @/etc/only/before, text: x}]\n";
static const char after[] = "- name: a\n"
			    "  command: [sleep, \"MARKER\"]\n"
			    "  files: [{path: @/etc/a, text: after}, {path: @/etc/common, text: same}]\n"
			    "- name: c\n"
			    "  after: [a]\n"
			    "  command: [sleep, \"MARKER\"]\n"
			    "  files: [{path: @/etc/only/after, text: x}]\n";

static const char *with_marker(const char *text)
{
	char *copy = arena_strdup(&bench.arena, text);

	for (char *at; (at = strstr(copy, "MARKER"));)
		memcpy(at, marker, strlen("MARKER"));
	return copy;
}

/* As pass/lock.c does: the lock is inherited by what is forked, until a program runs. */
static int lock(void)
{
	int fd = open(bench_path(&bench, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(flock(fd, LOCK_EX), 0);
	return fd;
}

static void pass(const char *components)
{
	int fd = lock();
	struct round r;

	round_plan(&bench, components, &r);
	round_apply(&bench, &r);
	round_finish(&r);
	close(fd);
}

static void pass_killed(const char *components, long long after_us)
{
	pid_t pid = fork();
	struct timespec delay = { .tv_sec = after_us / 1000000, .tv_nsec = after_us % 1000000 * 1000 };

	if (!pid) {
		pass(components);
		_exit(0);
	}
	nanosleep(&delay, NULL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static size_t count_marked(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;

	while ((entry = readdir(proc))) {
		char path[300], text[256];
		ssize_t n;
		int fd;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		if (n <= 0)
			continue;
		text[n] = 0;
		count += !strcmp(text, "sleep") && (size_t)n > sizeof("sleep") &&
			 !strcmp(text + sizeof("sleep"), marker);
	}
	closedir(proc);
	return count;
}

static void expect_one(const char *component)
{
	size_t groups, processes = bench_count(&bench, component, &groups);

	assert_int_equal(groups, 1);
	assert_int_equal(processes, 1);
}

static void converge(const char *components)
{
	int fd = lock();

	bench_converge(&bench, components);
	close(fd);
}

static void test_killed_at_any_instant_the_next_pass_converges(void **state)
{
	const char *meshes[2];
	long long start, longest_us;

	(void)state;
	bench_init(&bench);
	snprintf(marker, sizeof(marker), "%06d", 400000 + (int)getpid() % 100000);
	meshes[0] = with_marker(before);
	meshes[1] = with_marker(after);
	converge(meshes[0]);
	start = clock_monotonic_ms();
	pass(meshes[1]);
	longest_us = (clock_monotonic_ms() - start + 2) * 1500;
	printf("killed within %lld us\n", longest_us);
	for (unsigned i = 0; i < rounds; i++) {
		/* Mostly on the way from one to the other; sometimes from nothing, or to nothing. */
		const char *to = random() % 8 ? meshes[i % 2] : NULL;

		pass_killed(to, random() % longest_us);
		to = random() % 4 ? to : meshes[(i + 1) % 2];
		converge(to);
		assert_int_equal(count_marked(), to ? 2 : 0);
		if (!to)
			continue;
		expect_one("a");
		expect_one(to == meshes[0] ? "b" : "c");
		assert_string_equal(bench_read(&bench, "etc/a"), to == meshes[0] ? "before" : "after");
	}
	converge(NULL);
	unlink(bench_path(&bench, "lock"));
	assert_int_equal(rmdir(bench.dir), 0);
	dir_sweep(bench.state_dir); /* as each pass begins */
	assert_int_equal(rmdir(bench.state_dir), 0);
	assert_int_not_equal(access(bench.cgroup, F_OK), 0);
	bench_finish(&bench);
}

static int tests(void)
{
	const struct CMUnitTest all[] = { cmocka_unit_test(test_killed_at_any_instant_the_next_pass_converges) };

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		seed = (unsigned)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		rounds = (unsigned)strtoul(argv[2], NULL, 10);
	srandom(seed);
	printf("seed %u, %u rounds\n", seed, rounds);
	return bench_main(tests);
}
