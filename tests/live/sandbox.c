/*
 * The sandbox of enmesh-fetch against somebody who has taken it over: each thing that he would try works outside
 * of it, else the test says nothing, and fails inside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fetch/sandbox.h"

enum { NOBODY = 65534, WORKS = 0, FAILS = 1, BROKEN = 2 };

static char home[64], outside[64], readable[64];
static struct sockaddr_un log_socket = { .sun_family = AF_UNIX }; /* to which anybody may write */
static int log_fd;
static pid_t victim; /* another process of the same user */

/* ---- what is tried; true: it worked ---- */

static bool opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd >= 0 && close(fd) == 0;
}

static bool has_socket(int family, int type)
{
	return socket(family, type, 0) >= 0;
}

static bool try_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return false;
}

static bool try_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid > 0;
}

static bool try_ptrace(void)
{
	return ptrace(PTRACE_SEIZE, victim, NULL, NULL) == 0;
}

static bool try_memory_of_another(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", victim);
	return opens(path, O_RDONLY);
}

static bool try_kill(void)
{
	return kill(victim, 0) == 0;
}

/* Who owns a descriptor gets the signal of one's choice when something is to be read there. */
static bool try_kill_by_descriptor(void)
{
	int fd = open(readable, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fd = STDIN_FILENO;
	return fcntl(fd, F_SETOWN, victim) == 0 && fcntl(fd, F_SETSIG, SIGKILL) == 0;
}

static bool try_memory_by_call(void)
{
	char local;
	struct iovec to = { &local, 1 }, from = { &from, 1 };

	return process_vm_readv(victim, &to, 1, &from, 1, 0) == 1;
}

static bool try_pidfd(void)
{
	return syscall(SYS_pidfd_open, victim, 0) >= 0;
}

static bool try_io_uring(void)
{
	char parameters[120] = { 0 };

	return syscall(SYS_io_uring_setup, 1, parameters) >= 0;
}

static bool try_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, 1) >= 0; /* UFFD_USER_MODE_ONLY */
}

static bool try_inotify(void)
{
	return syscall(SYS_inotify_init1, 0) >= 0;
}

static void *wait_for_ever(void *nothing)
{
	for (;;)
		pause();
	return nothing;
}

static bool has_threads(int n)
{
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 * 1024);
	while (n && pthread_create(&thread, &small, wait_for_ever, NULL) == 0)
		n--;
	return !n;
}

/* Names are looked up in one. */
static bool try_thread(void)
{
	return has_threads(1);
}

static bool try_many_threads(void)
{
	return has_threads(400);
}

static bool try_time_without_end(void)
{
	struct rlimit r;

	return getrlimit(RLIMIT_CPU, &r) == 0 && r.rlim_cur == RLIM_INFINITY;
}

static bool try_core(void)
{
	struct rlimit r;

	return getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_max;
}

static bool try_write_outside(void)
{
	return opens(outside, O_WRONLY | O_CREAT | O_TRUNC);
}

static bool try_chmod_outside(void)
{
	return chmod(readable, 0640) == 0 || chmod(readable, 0644) == 0;
}

/* Landlock does not look at modes and times. */
static bool try_mode_outside(void)
{
	int fd = open(readable, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && fchmod(fd, 0644) == 0;
}

static bool try_times_outside(void)
{
	return utimensat(AT_FDCWD, readable, NULL, 0) == 0;
}

static bool try_read_outside(void)
{
	return opens(readable, O_RDONLY);
}

static bool try_netlink(void)
{
	return has_socket(AF_NETLINK, SOCK_RAW);
}

static bool try_unix(void)
{
	return has_socket(AF_UNIX, SOCK_STREAM);
}

static bool try_internet(void)
{
	return has_socket(AF_INET, SOCK_STREAM) && has_socket(AF_INET6, SOCK_STREAM);
}

/* Anonymous ones connect what is within a process, but those of datagrams reach others by their names. */
static bool try_unix_by_a_pair(void)
{
	int pair[2];

	return socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 &&
	       sendto(pair[0], "x", 1, MSG_DONTWAIT, (struct sockaddr *)&log_socket, sizeof(log_socket)) == 1;
}

static bool try_pair(void)
{
	int pair[2];

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0;
}

static bool try_other_protocol(void)
{
	return socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP) >= 0;
}

static bool try_user_namespace(void)
{
	return unshare(CLONE_NEWUSER) == 0;
}

static bool try_keyring(void)
{
	return syscall(SYS_keyctl, 0, -3, 1) >= 0; /* KEYCTL_GET_KEYRING_ID of the session */
}

static bool try_memfd(void)
{
	return memfd_create("x", 0) >= 0;
}

#ifndef ENMESH_ADDRESS_SANITIZER
static bool try_much_memory(void)
{
	return mmap(NULL, 2UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) !=
	       MAP_FAILED;
}
#endif

static bool try_large_file(void)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/large", home);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd >= 0 && pwrite(fd, "x", 1, (off_t)2 << 30) == 1;
}

static bool try_many_descriptors(void)
{
	int n = 0;

	while (n < 1000 && dup(0) >= 0)
		n++;
	return n == 1000;
}

static bool try_longer_life(void)
{
	struct rlimit r = { 1 << 20, 1 << 20 };

	return setrlimit(RLIMIT_CPU, &r) == 0 && getrlimit(RLIMIT_CPU, &r) == 0 && r.rlim_cur == 1 << 20;
}

static bool try_write_at_home(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/file", home);
	return opens(path, O_WRONLY | O_CREAT);
}

static bool try_read_at_home(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/there", home);
	return opens(path, O_RDONLY);
}

static bool try_names(void)
{
	return opens("/etc/hosts", O_RDONLY);
}

static const struct attempt {
	const char *name;
	bool (*try)(void);
	bool fetch, read, look; /* where it works */
	bool may_lack;          /* a machine may forbid it to everybody: then it says nothing */
} attempts[] = {
	{ "a program", try_exec, false, false, false },
	{ "a process", try_fork, false, false, false },
	{ "ptrace", try_ptrace, false, false, false, true },
	{ "memory of another process", try_memory_of_another, false, false, false, true },
	{ "memory of another process by a call", try_memory_by_call, false, false, false, true },
	{ "a handle of another process", try_pidfd, false, false, false },
	{ "a signal to another process", try_kill, false, false, false },
	{ "a signal by way of a descriptor", try_kill_by_descriptor, false, false, false },
	{ "a thread", try_thread, true, false, false },
	{ "400 threads", try_many_threads, false, false, false },
	{ "io_uring", try_io_uring, false, false, false, true },
	{ "userfaultfd", try_userfaultfd, false, false, false, true },
	{ "a watch on files", try_inotify, false, false, false },
	{ "a write elsewhere", try_write_outside, false, false, false },
	{ "chmod elsewhere", try_chmod_outside, false, false, false },
	{ "a mode elsewhere", try_mode_outside, false, false, false },
	{ "times elsewhere", try_times_outside, false, false, false },
	{ "a read elsewhere", try_read_outside, false, false, true },
	{ "a netlink socket", try_netlink, false, false, false },
	{ "a unix socket", try_unix, false, false, false },
	{ "a unix socket by way of a pair", try_unix_by_a_pair, false, false, false },
	{ "a pair of sockets", try_pair, true, false, false },
	{ "a socket of another protocol", try_other_protocol, false, false, false, true },
	{ "an internet socket", try_internet, true, false, false },
	{ "a user namespace", try_user_namespace, false, false, false, true },
	{ "a keyring", try_keyring, false, false, false, true },
	{ "memory without a name", try_memfd, false, false, false },
#ifndef ENMESH_ADDRESS_SANITIZER
	{ "2 GiB of memory", try_much_memory, false, false, false },
#endif
	{ "a file of 2 GiB", try_large_file, false, false, false },
	{ "1000 descriptors", try_many_descriptors, false, false, false },
	{ "time without end", try_time_without_end, false, false, false, true },
	{ "a core", try_core, false, false, false, true },
	{ "more time", try_longer_life, false, false, false },
	{ "a write in the repository", try_write_at_home, true, false, false },
	{ "a read in the repository", try_read_at_home, true, true, true },
	{ "the names of hosts", try_names, true, false, true },
};

static bool try_become_another(void)
{
	return setresuid(1, 1, 1) == 0;
}

static bool try_mount(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", home, "tmpfs", 0, NULL) == 0;
}

static bool try_chroot(void)
{
	return chroot(home) == 0;
}

static bool try_passwords(void)
{
	return opens("/etc/shadow", O_RDONLY);
}

static bool try_packets(void)
{
	return has_socket(AF_PACKET, SOCK_RAW);
}

static bool try_raw_packets(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_UDP) >= 0;
}

static bool try_kill_of_parent(void)
{
	return kill(getppid(), 0) == 0;
}

/* Of root, who has nobody to become. */
static const struct attempt attempts_of_root[] = {
	{ "another user", try_become_another, false, false, false },
	{ "a mount", try_mount, false, false, false, true },
	{ "chroot", try_chroot, false, false, false },
	{ "passwords", try_passwords, false, false, true },
	{ "packets", try_packets, false, false, false, true },
	{ "raw packets", try_raw_packets, false, false, false, true },
	{ "a signal to its parent", try_kill_of_parent, false, false, false },
};

/* ---- trying ---- */

struct as {
	int kind; /* of the sandbox; -1: outside */
	bool root, no_landlock;
};

/* As a kernel without it answers. */
static bool lose_landlock(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0) == 0 &&
	       seccomp_load(filter) == 0;
}

static int attempt(const struct attempt *a, const struct as *as)
{
	const char *problem;
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (as->no_landlock && !lose_landlock())
			_exit(BROKEN);
		if (!as->root && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
					 setresuid(NOBODY, NOBODY, NOBODY) < 0))
			_exit(BROKEN);
		if (as->kind >= 0 && !sandbox_enter((enum sandbox_kind)as->kind, home, NULL, &problem)) {
			fprintf(stderr, "%s: %s\n", problem, strerror(errno));
			_exit(BROKEN);
		}
		_exit(a->try() ? WORKS : FAILS);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return FAILS;
	return WEXITSTATUS(status);
}

static bool should_work(const struct attempt *a, int kind)
{
	return kind < 0 ? true : kind == SANDBOX_FETCH ? a->fetch : kind == SANDBOX_READ ? a->read : a->look;
}

static void check_one(const struct attempt *a, const struct as *as)
{
	const struct as outside_of_it = { .kind = -1, .root = as->root };
	int result = attempt(a, as);

	if (a->may_lack && attempt(a, &outside_of_it) == FAILS)
		print_message("not tried, for this machine forbids it to all: %s\n", a->name);
	else if (result != (should_work(a, as->kind) ? WORKS : FAILS))
		fail_msg("%s: %s", a->name,
			result == WORKS   ? "works"
			: result == FAILS ? "fails"
					  : "could not be tried");
}

static void check(int kind)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
		check_one(&attempts[i], &(struct as){ .kind = kind });
	for (size_t i = 0; i < sizeof(attempts_of_root) / sizeof(*attempts_of_root); i++)
		check_one(&attempts_of_root[i], &(struct as){ .kind = kind, .root = true });
}

static void test_everything_works_outside(void **state)
{
	(void)state;
	check(-1);
}

/* But for what the user alone keeps from it. */
static void test_without_landlock_nothing_is_written_either(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
		if (attempts[i].try != try_memory_of_another)
			check_one(&attempts[i], &(struct as){ .kind = SANDBOX_LOOK, .no_landlock = true });
}

static void test_whoever_fetches_has_a_network_and_his_repository(void **state)
{
	(void)state;
	check(SANDBOX_FETCH);
}

static void test_whoever_reads_has_but_the_repository(void **state)
{
	(void)state;
	check(SANDBOX_READ);
}

static void test_whoever_looks_may_read(void **state)
{
	(void)state;
	check(SANDBOX_LOOK);
}

/* A root who has nobody to become keeps no right that others lack. */
static void test_root_has_no_rights_inside(void **state)
{
	const char *problem;
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid) {
		if (!sandbox_enter(SANDBOX_LOOK, home, NULL, &problem))
			_exit(BROKEN);
		/* Of another's, for which root needs CAP_DAC_READ_SEARCH. */
		_exit(opens(outside, O_RDONLY) ? WORKS : FAILS);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), FAILS);
}

/* ---- around ---- */

static void make(const char *path, mode_t mode, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
	assert_int_equal(chown(path, NOBODY, NOBODY), 0);
}

static int set_up(void **state)
{
	char path[128], ready;
	int pair[2];

	(void)state;
	assert_int_equal(pipe(pair), 0);
	strcpy(home, "/tmp/enmesh-sandbox-XXXXXX");
	assert_non_null(mkdtemp(home));
	assert_int_equal(chown(home, NOBODY, NOBODY), 0);
	snprintf(path, sizeof(path), "%s/there", home);
	make(path, 0600, "x");
	snprintf(readable, sizeof(readable), "/tmp/enmesh-sandbox-read-%d", getpid());
	make(readable, 0644, "x");
	snprintf(outside, sizeof(outside), "/tmp/enmesh-sandbox-out-%d", getpid());
	make(outside, 0600, "x");
	snprintf(log_socket.sun_path, sizeof(log_socket.sun_path), "/tmp/enmesh-sandbox-log-%d", getpid());
	log_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(log_fd, (struct sockaddr *)&log_socket, sizeof(log_socket)), 0);
	assert_int_equal(chmod(log_socket.sun_path, 0777), 0);
	victim = fork();
	if (!victim) {
		if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(1);
		/* Its changes of user have made it one that nobody may look into. */
		if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 || write(pair[1], "x", 1) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(pair[0], &ready, 1), 1);
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "there", "file", "large" };
	char path[128];

	(void)state;
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", home, names[i]);
		unlink(path);
	}
	rmdir(home);
	unlink(readable);
	unlink(outside);
	unlink(log_socket.sun_path);
	close(log_fd);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_works_outside),
		cmocka_unit_test(test_whoever_fetches_has_a_network_and_his_repository),
		cmocka_unit_test(test_whoever_reads_has_but_the_repository),
		cmocka_unit_test(test_whoever_looks_may_read),
		cmocka_unit_test(test_without_landlock_nothing_is_written_either),
		cmocka_unit_test(test_root_has_no_rights_inside),
	};

	if (geteuid() != 0) {
		printf("skipped: needs root, to become somebody else\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
