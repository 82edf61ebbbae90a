#include "base/file.h"

#include "given.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/enmesh-test-XXXXXX";
static int dir = -1;

static void printf_like(1, 2) run(const char *format, ...)
{
	va_list args;
	const char *command;

	va_start(args, format);
	command = arena_vprintf(&arena, format, args);
	va_end(args);
	if (system(command))
		fail_msg("%s", command);
}

static int write_text(const char *name, const char *text, mode_t mode)
{
	struct bytes content = given_bytes(text);
	struct file_attr attr = { mode, (uid_t)-1, (gid_t)-1, false };

	return file_write(dir, name, &content, &attr);
}

static const char *read_text(const char *path)
{
	struct bytes content;
	int r = file_read(dir, path, 1 << 20, &arena, &content);

	return r ? arena_printf(&arena, "error %d", -r) : content.data;
}

static size_t count_entries(void)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void test_a_file_is_replaced_with_mode_and_content(void **state)
{
	struct stat st;

	(void)state;
	umask(077);
	assert_int_equal(write_text("f", "one", 0644), 0);
	assert_string_equal(read_text("f"), "one");
	assert_int_equal(write_text("f", "", 0755), 0);
	assert_string_equal(read_text("f"), "");
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755); /* whatever the umask */
	assert_int_equal(count_entries(), 1);
}

static void test_a_link_is_replaced_not_followed(void **state)
{
	(void)state;
	run("cd %s; echo outside >outside; ln -sf outside link; ln -sf ../etc .enmesh-tmp-link", root);
	assert_int_equal(write_text("link", "new", 0600), 0);
	assert_string_equal(read_text("outside"), "outside\n");
	assert_string_equal(read_text("link"), "new");
	assert_int_equal(count_entries(), 2);
}

static void test_a_failed_write_leaves_the_old_file_and_nothing_else(void **state)
{
	char name[NAME_MAX + 1];

	(void)state;
	assert_int_equal(mkdirat(dir, "directory", 0700), 0);
	assert_int_equal(write_text("directory", "x", 0600), -EISDIR);
	assert_int_equal(count_entries(), 1);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	assert_int_equal(write_text(name, "x", 0600), -ENAMETOOLONG);
	assert_int_equal(count_entries(), 1);
}

/* A writer is killed again and again: the file is always one of the two, whole. */
static void test_a_killed_writer_leaves_the_old_or_the_new_file(void **state)
{
	enum { SIZE = 100000 };
	char *a = arena_alloc(&arena, SIZE + 1), *b = arena_alloc(&arena, SIZE + 1);

	(void)state;
	memset(a, 'a', SIZE);
	memset(b, 'b', SIZE);
	assert_int_equal(write_text("f", a, 0600), 0);
	for (int i = 0; i < 60; i++) {
		pid_t child = fork();
		const char *now;

		assert_true(child >= 0);
		if (!child)
			for (int k = 0;; k++)
				write_text("f", k % 2 ? a : b, 0600);
		usleep((useconds_t)(i * 137 % 3000));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		now = read_text("f");
		assert_true(!strcmp(now, a) || !strcmp(now, b));
		assert_true(count_entries() <= 2); /* at most one temporary file, */
	}
	assert_int_equal(write_text("f", "end", 0600), 0);
	assert_int_equal(count_entries(), 1); /* which the next write replaces, */
	run("cd %s; touch .enmesh-tmp-g", root);
	dir_sweep(root);
	assert_int_equal(count_entries(), 1); /* or the next pass removes */
	assert_string_equal(read_text("f"), "end");
}

/* In a mount namespace of its own. 0: as it should be. */
static int fill_the_disk(void)
{
	char *large = arena_alloc(&arena, 300001);
	int full = -1;

	memset(large, 'x', 300000);
	if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) ||
		mount("tmpfs", root, "tmpfs", 0, "size=128k"))
		return 77;
	full = open(root, O_RDONLY | O_DIRECTORY);
	dup2(full, dir);
	if (write_text("f", "old", 0600) || write_text("f", large, 0600) != -ENOSPC)
		return 1;
	return strcmp(read_text("f"), "old") || count_entries() != 1;
}

static void test_a_full_disk_leaves_the_old_file(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (!child)
		_exit(fill_the_disk());
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip(); /* no right to mount */
	assert_int_equal(status, 0);
}

static void test_owner_is_set(void **state)
{
	struct bytes content = given_bytes("x");
	struct file_attr attr = { 0640, 12345, 54321, true };
	struct stat st;

	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(file_write(dir, "f", &content, &attr), 0);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 54321);
	assert_int_equal(st.st_mode & 07777, 0640);
}

/* Without openat2 (valgrind lacks it) no link is followed, wherever it leads. */
static bool follows_links(void)
{
	long fd = syscall(SYS_openat2, dir, ".", NULL, 0);

	return fd >= 0 || errno != ENOSYS;
}

static int beneath(const char *path)
{
	int fd = file_open_beneath(dir, path, O_RDONLY);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static void test_no_path_leads_out(void **state)
{
	(void)state;
	run("cd %s; mkdir d; echo x >d/f; ln -s f d/in; ln -s ../d/f d/up; ln -s ../../etc/passwd d/out; ln -s "
	    "/etc/passwd "
	    "abs; ln -s loop loop; ln -s /proc/self/root magic",
		root);
	assert_int_equal(beneath("d/f"), 0);
	assert_int_equal(beneath("/etc/passwd"), -EXDEV);
	assert_int_equal(beneath("../etc/passwd"), -EXDEV);
	assert_int_equal(beneath("loop"), -ELOOP);
	assert_int_equal(beneath("d/none"), -ENOENT);
	if (!follows_links())
		skip();
	assert_int_equal(beneath("d/in"), 0);
	assert_int_equal(beneath("d/up"), 0);
	assert_int_equal(beneath("d/../d/f"), 0);
	assert_int_equal(beneath("d/out"), -EXDEV);
	assert_int_equal(beneath("abs"), -EXDEV);
	assert_int_equal(beneath("magic/etc/passwd"), -EXDEV);
}

static void test_reading_is_limited_to_regular_files_and_size(void **state)
{
	struct bytes content;

	(void)state;
	run("cd %s; mkfifo fifo; mkdir d; printf 12345 >five", root);
	assert_int_equal(file_read(dir, "five", 5, &arena, &content), 0);
	assert_int_equal(content.size, 5);
	assert_string_equal(content.data, "12345");
	assert_int_equal(file_read(dir, "five", 4, &arena, &content), -EFBIG);
	assert_int_equal(file_read(dir, "fifo", 5, &arena, &content), -EINVAL);
	assert_int_equal(file_read(dir, "d", 5, &arena, &content), -EINVAL);
	assert_int_equal(file_read(dir, "none", 5, &arena, &content), -ENOENT);
	/* A file of /proc says that it is empty. */
	assert_int_equal(file_read(dir, "/proc/self/status", 1 << 20, &arena, &content), 0);
	assert_true(content.size > 100);
	assert_int_equal(file_read(dir, "/proc/self/status", 100, &arena, &content), -EFBIG);
	assert_int_equal(file_read(dir, "/dev/zero", 100, &arena, &content), -EINVAL);
}

static void test_directories_are_made_without_following_links(void **state)
{
	struct stat st;
	int fd = -1;

	(void)state;
	umask(0);
	assert_int_equal(dir_make(dir, "/a//b/c/", 0750, &fd), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	close_fd(&fd);
	assert_int_equal(dir_make(dir, "a/b", 0700, &fd), 0);
	close_fd(&fd);
	assert_int_equal(dir_make(dir, "", 0700, &fd), 0);
	close_fd(&fd);
	run("cd %s; ln -s /tmp link; echo x >file", root);
	assert_int_equal(dir_make(dir, "a/../b", 0700, &fd), -EINVAL);
	assert_int_equal(dir_make(dir, "a/./b", 0700, &fd), -EINVAL);
	assert_int_equal(dir_make(dir, "link/b", 0700, &fd), -ELOOP);
	assert_int_equal(dir_make(dir, "file/b", 0700, &fd), -ENOTDIR);
	assert_int_equal(fd, -1);
}

static void test_a_directory_is_opened_where_the_caller_says(void **state)
{
	int fd = -1;

	(void)state;
	run("cd %s; mkdir real; ln -s real link; echo x >file", root);
	assert_int_equal(dir_open(arena_printf(&arena, "%s/link/x/y//", root), 0700, &fd), 0);
	close_fd(&fd);
	assert_int_equal(faccessat(dir, "real/x/y", F_OK, 0), 0);
	assert_int_equal(dir_open(arena_printf(&arena, "%s/file/x", root), 0700, &fd), -ENOTDIR);
	assert_int_equal(fd, -1);
}

static int make_root(void **state)
{
	given_setup(state);
	strcpy(root + strlen(root) - 6, "XXXXXX");
	if (!mkdtemp(root))
		return -1;
	dir = open(root, O_RDONLY | O_DIRECTORY);
	return dir < 0 ? -1 : 0;
}

static int remove_root(void **state)
{
	close(dir);
	run("rm -rf %s", root);
	return given_teardown(state);
}

#define file_test(function) cmocka_unit_test_setup_teardown(function, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		file_test(test_a_file_is_replaced_with_mode_and_content),
		file_test(test_a_link_is_replaced_not_followed),
		file_test(test_a_failed_write_leaves_the_old_file_and_nothing_else),
		file_test(test_a_killed_writer_leaves_the_old_or_the_new_file),
		file_test(test_a_full_disk_leaves_the_old_file),
		file_test(test_owner_is_set),
		file_test(test_no_path_leads_out),
		file_test(test_reading_is_limited_to_regular_files_and_size),
		file_test(test_directories_are_made_without_following_links),
		file_test(test_a_directory_is_opened_where_the_caller_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
