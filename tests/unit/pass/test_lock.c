#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pass/lock.h"

static char dir[64], run_dir[96], path[128];
static struct arena arena;

static int start(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/enmesh-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
	snprintf(path, sizeof(path), "%s/lock", run_dir);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	unlink(path);
	rmdir(run_dir);
	rmdir(dir);
	arena_finish(&arena);
	return 0;
}

static int take_for(long long timeout_ms, struct lock *out, const char **holder)
{
	return lock_take(&(struct lock_wish){ run_dir, "test", timeout_ms, NULL }, &arena, out, holder);
}

/* A process that takes the lock and says so; ends when `go` is closed, with the lock released if `politely`. */
struct other {
	pid_t pid;
	int go;
};

static struct other start_other(bool politely)
{
	int ready[2], go[2];
	struct other other;
	char c;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	other.pid = fork();
	assert_true(other.pid >= 0);
	if (!other.pid) {
		const char *holder;
		struct lock lock;

		close(go[1]);
		close(ready[0]);
		if (take_for(0, &lock, &holder))
			_exit(1);
		if (write(ready[1], "x", 1) != 1 || read(go[0], &c, 1) < 0)
			_exit(1);
		if (politely)
			lock_release(&lock);
		_exit(0);
	}
	close(go[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	other.go = go[1];
	return other;
}

static void end_other(struct other *other)
{
	int status;

	close(other->go);
	assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
	assert_int_equal(status, 0);
}

static void test_held_lock_names_its_holder(void **state)
{
	struct other other = start_other(true);
	const char *holder = NULL;
	struct lock lock;
	char pid[32];

	(void)state;
	assert_int_equal(take_for(0, &lock, &holder), -EBUSY);
	assert_non_null(holder);
	snprintf(pid, sizeof(pid), "pid %d, enmesh test, since 2", (int)other.pid);
	assert_memory_equal(holder, pid, strlen(pid));
	end_other(&other);
}

static void test_lock_is_free_after_its_release(void **state)
{
	struct other other = start_other(true);
	const char *holder;
	struct lock lock;
	struct stat st;

	(void)state;
	end_other(&other);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(take_for(0, &lock, &holder), 0);
	lock_release(&lock);
}

static void test_dead_holder_holds_nothing(void **state)
{
	struct other other = start_other(false);
	const char *holder;
	struct lock lock;

	(void)state;
	kill(other.pid, SIGKILL);
	waitpid(other.pid, NULL, 0);
	close(other.go);
	assert_int_equal(take_for(0, &lock, &holder), 0);
	lock_release(&lock);
}

/* What a pass was starting when it was killed has inherited the lock, until its program runs. */
static void test_what_a_dead_holder_left_is_waited_for(void **state)
{
	const char *holder;
	struct lock lock;
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		if (take_for(0, &lock, &holder))
			_exit(1);
		if (!fork())
			usleep(200000);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(take_for(0, &lock, &holder), 0);
	lock_release(&lock);
}

static void test_stopped_holder_still_holds(void **state)
{
	struct other other = start_other(true);
	const char *holder;
	struct lock lock;

	(void)state;
	kill(other.pid, SIGSTOP);
	assert_int_equal(waitpid(other.pid, NULL, WUNTRACED), other.pid);
	assert_int_equal(take_for(30, &lock, &holder), -EBUSY);
	kill(other.pid, SIGCONT);
	end_other(&other);
}

static void test_waiting_gets_the_lock(void **state)
{
	struct other other = start_other(true);
	const char *holder;
	struct lock lock;

	(void)state;
	close(other.go); /* it ends at some time from now on */
	assert_int_equal(take_for(10000, &lock, &holder), 0);
	lock_release(&lock);
	waitpid(other.pid, NULL, 0);
}

static bool always(void)
{
	return true;
}

static void test_stop_ends_the_waiting(void **state)
{
	struct other other = start_other(true);
	const char *holder;
	struct lock lock;

	(void)state;
	assert_int_equal(
		lock_take(&(struct lock_wish){ run_dir, "test", 60000, always }, &arena, &lock, &holder), -EINTR);
	end_other(&other);
}

/* `cleanup` removes the file that somebody waits for: the next one must not think that it holds a file that is
 * gone. */
static void test_unlinked_file_excludes_nobody(void **state)
{
	const char *holder;
	struct lock first, second, third;

	(void)state;
	assert_int_equal(take_for(0, &first, &holder), 0);
	assert_int_equal(lock_remove(&first), 0);
	assert_int_equal(access(run_dir, F_OK), -1);
	assert_int_equal(take_for(0, &second, &holder), 0);
	assert_int_equal(take_for(0, &third, &holder), -EBUSY);
	lock_release(&first);
	assert_int_equal(take_for(0, &third, &holder), -EBUSY);
	lock_release(&second);
}

static void test_removal_leaves_what_others_put_there(void **state)
{
	const char *holder;
	struct lock lock;
	char other[128];
	int fd;

	(void)state;
	assert_int_equal(take_for(0, &lock, &holder), 0);
	snprintf(other, sizeof(other), "%s/other", run_dir);
	fd = open(other, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(lock_remove(&lock), 0);
	assert_int_equal(access(other, F_OK), 0);
	lock_release(&lock);
	unlink(other);
}

static void test_what_is_no_file_is_refused(void **state)
{
	const char *holder;
	struct lock lock;

	(void)state;
	assert_int_equal(mkdir(run_dir, 0755), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(take_for(0, &lock, &holder), -EINVAL);
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(take_for(0, &lock, &holder), -ELOOP);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_held_lock_names_its_holder),
		TEST(test_lock_is_free_after_its_release),
		TEST(test_dead_holder_holds_nothing),
		TEST(test_what_a_dead_holder_left_is_waited_for),
		TEST(test_stopped_holder_still_holds),
		TEST(test_waiting_gets_the_lock),
		TEST(test_stop_ends_the_waiting),
		TEST(test_unlinked_file_excludes_nobody),
		TEST(test_removal_leaves_what_others_put_there),
		TEST(test_what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
