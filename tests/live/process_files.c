/* The files of the processes target, on a real file system. */
#include "process_bench.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

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

#define TWO(first, second)                                                                                        \
	"- name: a\n"                                                                                             \
	"  command: [sleep, \"1000\"]\n"                                                                          \
	"  files: [{path: @/etc/deep/a.conf, text: \"" first "\"}]\n"                                             \
	"- name: b\n"                                                                                             \
	"  command: [sleep, \"1000\"]\n"                                                                          \
	"  files: [{path: @/etc/b.conf, text: \"" second "\", mode: \"0640\", user: 1337, group: 1338},\n"        \
	"    {path: @/b.extra, text: \"" second "\", onChange: none}]\n"

#define FILE_B "- name: a\n  command: [sleep, \"1000\"]\n  files: [{path: @/b, text: ours}]\n"

static void expect_changes(const char *components, const char *expected)
{
	const char *dir = bench.dir;
	struct round r;
	char *text;

	round_plan(&bench, components, &r);
	if (!r.live)
		fail_msg("%s", round_messages(&r));
	/* Without the bench's directory, for reading. */
	text = arena_strdup(&r.arena, round_changes(&r));
	for (char *at; (at = strstr(text, dir));)
		memmove(at, at + strlen(dir), strlen(at + strlen(dir)) + 1);
	assert_string_equal(text, expected);
	round_finish(&r);
}

static void expect_refused(const char *components, const char *message)
{
	struct round r;

	round_plan(&bench, components, &r);
	assert_non_null(r.live);
	assert_int_equal(r.diags.errors, 1);
	assert_string_equal(round_changes(&r), "");
	if (!strstr(round_messages(&r), message))
		fail_msg("'%s' is not in:\n%s", message, round_messages(&r));
	if (!strstr(round_messages(&r), "mesh.yaml:"))
		fail_msg("no place in:\n%s", round_messages(&r));
	assert_int_equal(bench_pid(&bench, "a"), 0);
	round_finish(&r);
}

static struct stat look(const char *name)
{
	struct stat st = { 0 };

	assert_int_equal(lstat(bench_path(&bench, name), &st), 0);
	return st;
}

static bool exists(const char *name)
{
	return faccessat(AT_FDCWD, bench_path(&bench, name), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- writing ---- */

static void test_files_have_content_mode_and_owner(void **state)
{
	struct stat st;

	(void)state;
	umask(077);
	expect_changes(TWO("1", "2"), "add processes/file/b.extra new; add processes/file/etc/b.conf new; "
				      "add processes/file/etc/deep/a.conf new; add processes/component-a new; "
				      "add processes/component-b new");
	bench_converge(&bench, TWO("1", "2"));
	umask(022);
	assert_string_equal(bench_read(&bench, "etc/deep/a.conf"), "1");
	assert_string_equal(bench_read(&bench, "etc/b.conf"), "2");
	st = look("etc/deep/a.conf");
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(st.st_uid, 0);
	st = look("etc/b.conf");
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_uid, 1337);
	assert_int_equal(st.st_gid, 1338);
	st = look("etc/deep");
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_uid, 0);
}

static void test_a_file_belongs_to_the_user_of_its_process(void **state)
{
	struct stat st;

	(void)state;
	bench_converge(&bench,
		"- name: a\n  command: [sleep, \"1000\"]\n  user: 1337\n  files: [{path: @/x, text: y}]\n");
	st = look("x");
	assert_int_equal(st.st_uid, 1337);
	assert_int_equal(st.st_gid, 1337); /* no such user here: the group of the same number */
}

static void test_a_changed_file_restarts_its_process_alone(void **state)
{
	pid_t a, b;

	(void)state;
	bench_converge(&bench, TWO("1", "2"));
	a = bench_pid(&bench, "a");
	b = bench_pid(&bench, "b");
	expect_changes(TWO("3", "2"),
		"change processes/file/etc/deep/a.conf changed; change processes/component-a changed");
	bench_converge(&bench, TWO("3", "2"));
	assert_string_equal(bench_read(&bench, "etc/deep/a.conf"), "3");
	assert_int_not_equal(bench_pid(&bench, "a"), a);
	assert_int_equal(bench_pid(&bench, "b"), b);
}

static void test_a_changed_file_with_on_change_none_restarts_nothing(void **state)
{
	static const char before[] = "- name: a\n  command: [sleep, \"1000\"]\n"
				     "  files: [{path: @/x, text: before, onChange: none}]\n";
	static const char after[] = "- name: a\n  command: [sleep, \"1000\"]\n"
				    "  files: [{path: @/x, text: after, onChange: none}]\n";
	pid_t pid;

	(void)state;
	bench_converge(&bench, before);
	pid = bench_pid(&bench, "a");
	bench_converge(&bench, after);
	assert_string_equal(bench_read(&bench, "x"), "after");
	assert_int_equal(bench_pid(&bench, "a"), pid);
}

static void test_a_file_edited_by_hand_is_repaired(void **state)
{
	struct round r;
	pid_t pid;

	(void)state;
	bench_converge(&bench, TWO("1", "2"));
	pid = bench_pid(&bench, "a");
	bench_write(&bench, "etc/deep/a.conf", "edited\n");
	round_plan(&bench, TWO("1", "2"), &r);
	assert_int_equal(r.plan.changes.n, 1);
	assert_int_equal(r.plan.changes.items[0].cause, CAUSE_DRIFT);
	assert_string_equal(node_get_text(r.plan.changes.items[0].before, "content"), "edited\n");
	assert_string_equal(node_get_text(r.plan.changes.items[0].after, "content"), "1");
	round_finish(&r);
	bench_converge(&bench, TWO("1", "2"));
	assert_string_equal(bench_read(&bench, "etc/deep/a.conf"), "1");
	assert_int_equal(bench_pid(&bench, "a"), pid);
	chmod(bench_path(&bench, "etc/b.conf"), 0777);
	expect_changes(TWO("1", "2"), "change processes/file/etc/b.conf drift");
	bench_converge(&bench, TWO("1", "2"));
	assert_int_equal(chown(bench_path(&bench, "etc/b.conf"), 1, 1), 0);
	bench_converge(&bench, TWO("1", "2"));
	unlink(bench_path(&bench, "etc/b.conf"));
	expect_changes(TWO("1", "2"), "add processes/file/etc/b.conf drift");
	bench_converge(&bench, TWO("1", "2"));
}

/* ---- what is not ours ---- */

static void test_a_foreign_file_is_refused_and_kept(void **state)
{
	(void)state;
	bench_write(&bench, "b", "theirs");
	expect_refused(
		FILE_B, "another file is there, which enmesh did not make and will not overwrite; move it away");
	assert_string_equal(bench_read(&bench, "b"), "theirs");
	bench_converge(&bench, NULL);
	assert_string_equal(bench_read(&bench, "b"), "theirs");
}

static void test_a_foreign_file_that_is_as_wanted_is_used_and_kept(void **state)
{
	(void)state;
	bench_write(&bench, "b", "ours");
	chmod(bench_path(&bench, "b"), 0644);
	expect_changes(FILE_B, "add processes/component-a new");
	bench_converge(&bench, FILE_B);
	assert_int_not_equal(bench_pid(&bench, "a"), 0);
	bench_converge(&bench, NULL);
	assert_string_equal(bench_read(&bench, "b"), "ours");
}

static void test_one_refused_file_does_not_keep_others_back(void **state)
{
	struct round r;

	(void)state;
	bench_write(&bench, "b.extra", "theirs");
	round_plan(&bench, TWO("1", "2"), &r);
	assert_int_equal(r.diags.errors, 1);
	round_apply(&bench, &r);
	assert_true(r.applied);
	assert_int_not_equal(bench_pid(&bench, "a"), 0);
	assert_int_equal(bench_pid(&bench, "b"), 0);
	assert_string_equal(bench_read(&bench, "etc/b.conf"), "2");
	round_finish(&r);
}

static void test_links_in_a_path_are_not_followed(void **state)
{
	static const char in_path[] =
		"- name: a\n  command: [sleep, \"1000\"]\n  files: [{path: @/link/b, text: x}]\n";
	const char *real = bench_path(&bench, "real");

	(void)state;
	assert_int_equal(mkdir(real, 0755), 0);
	assert_int_equal(symlink("real", bench_path(&bench, "link")), 0);
	expect_refused(
		in_path, arena_printf(&bench.arena,
				 "is a symbolic link to %s, and links are not followed; write %s/b", real, real));
	assert_false(exists("real/b"));
	bench_write(&bench, "real/target", "theirs");
	assert_int_equal(symlink("real/target", bench_path(&bench, "b")), 0);
	expect_refused(FILE_B, "it is a symbolic link, and links are not followed");
	assert_string_equal(bench_read(&bench, "real/target"), "theirs");
	unlink(bench_path(&bench, "b"));
	assert_int_equal(symlink("nowhere", bench_path(&bench, "dangling")), 0);
	expect_refused("- name: a\n  command: [sleep, \"1000\"]\n  files: [{path: @/dangling/x/b, text: x}]\n",
		"is a symbolic link that leads nowhere");
}

static void test_what_is_no_file_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(bench_path(&bench, "b"), 0755), 0);
	expect_refused(FILE_B, "something that is not a regular file is there");
	rmdir(bench_path(&bench, "b"));
	assert_int_equal(mkfifo(bench_path(&bench, "b"), 0644), 0);
	expect_refused(FILE_B, "something that is not a regular file is there");
	unlink(bench_path(&bench, "b"));
	bench_write(&bench, "b", "x");
	expect_refused("- name: a\n  command: [sleep, \"1000\"]\n  files: [{path: @/b/c, text: x}]\n",
		"a part of its path is not a directory");
}

static void test_a_file_that_appears_after_the_plan_is_kept(void **state)
{
	struct round r;

	(void)state;
	round_plan(&bench, FILE_B, &r);
	bench_write(&bench, "b", "theirs");
	round_apply(&bench, &r);
	assert_false(r.applied);
	assert_string_equal(bench_read(&bench, "b"), "theirs");
	assert_int_equal(bench_pid(&bench, "a"), 0);
	assert_non_null(strstr(round_messages(&r), "enmesh did not make"));
	assert_non_null(strstr(round_messages(&r), "component a is not started, because its file"));
	round_finish(&r);
}

/* ---- removing ---- */

static void test_cleanup_removes_what_enmesh_made_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(mkdir(bench_path(&bench, "etc"), 0700), 0);
	bench_converge(&bench, TWO("1", "2"));
	bench_write(&bench, "etc/theirs", "theirs");
	bench_write(&bench, "etc/deep/a.conf", "edited by hand");
	expect_changes(NULL, "remove processes/component-b orphan; remove processes/component-a orphan; "
			     "remove processes/file/b.extra orphan; remove processes/file/etc/b.conf orphan; "
			     "remove processes/file/etc/deep/a.conf orphan");
	bench_converge(&bench, NULL);
	assert_false(exists("b.extra"));
	assert_false(exists("etc/b.conf"));
	assert_false(exists("etc/deep"));
	assert_string_equal(bench_read(&bench, "etc/theirs"), "theirs");
	assert_int_equal(look("etc").st_mode & 07777, 0700);
	assert_int_not_equal(access(bench.cgroup, F_OK), 0);
	assert_int_not_equal(access(arena_printf(&bench.arena, "%s/files.json", bench.state_dir), F_OK), 0);
	assert_int_not_equal(access(arena_printf(&bench.arena, "%s/log", bench.state_dir), F_OK), 0);
}

static void test_a_directory_that_others_use_is_kept_until_it_is_empty(void **state)
{
	(void)state;
	bench_converge(&bench, TWO("1", "2"));
	bench_write(&bench, "etc/deep/theirs", "theirs");
	bench_converge(&bench, NULL);
	assert_true(exists("etc/deep/theirs"));
	assert_false(exists("etc/deep/a.conf"));
	expect_changes(NULL, "");
	unlink(bench_path(&bench, "etc/deep/theirs"));
	expect_changes(NULL, "remove processes/directory/etc/deep drift");
	bench_converge(&bench, NULL);
	assert_false(exists("etc"));
}

static void test_a_file_that_left_the_source_is_removed(void **state)
{
	pid_t pid;

	(void)state;
	bench_converge(&bench, TWO("1", "2"));
	pid = bench_pid(&bench, "b");
	bench_converge(&bench,
		"- name: b\n  command: [sleep, \"1000\"]\n"
		"  files: [{path: @/etc/b.conf, text: \"2\", mode: \"0640\", user: 1337, group: 1338}]\n");
	assert_int_equal(bench_pid(&bench, "b"), pid);
	assert_int_equal(bench_pid(&bench, "a"), 0);
	assert_false(exists("b.extra"));
	assert_false(exists("etc/deep"));
	assert_true(exists("etc/b.conf"));
}

static void test_a_file_made_anew_by_others_after_ours_was_removed_is_kept(void **state)
{
	(void)state;
	bench_converge(&bench, FILE_B);
	unlink(bench_path(&bench, "b"));
	expect_changes(NULL, "remove processes/component-a orphan; remove processes/file/b orphan");
	bench_converge(&bench, NULL);
	bench_write(&bench, "b", "theirs");
	bench_converge(&bench, NULL);
	assert_string_equal(bench_read(&bench, "b"), "theirs");
}

static void test_a_link_in_place_of_ours_is_kept(void **state)
{
	(void)state;
	bench_converge(&bench, FILE_B);
	bench_write(&bench, "target", "theirs");
	unlink(bench_path(&bench, "b"));
	assert_int_equal(symlink("target", bench_path(&bench, "b")), 0);
	bench_converge(&bench, NULL);
	assert_true(exists("b"));
	assert_string_equal(bench_read(&bench, "target"), "theirs");
}

static void test_a_write_that_was_killed_leaves_nothing(void **state)
{
	(void)state;
	bench_converge(&bench, FILE_B);
	bench_write(&bench, ".enmesh-tmp-b", "half");
	bench_converge(&bench, NULL);
	assert_false(exists(".enmesh-tmp-b"));
}

static void test_a_damaged_inventory_stops_everything(void **state)
{
	const char *inventory = arena_printf(&bench.arena, "%s/files.json", bench.state_dir);
	struct round r;
	FILE *f;

	(void)state;
	bench_converge(&bench, FILE_B);
	f = fopen(inventory, "we");
	fputs("{\"files\": [", f);
	fclose(f);
	round_plan(&bench, FILE_B, &r);
	assert_null(r.live);
	assert_int_equal(r.diags.errors, 1);
	assert_non_null(strstr(round_messages(&r), "is damaged: line 1"));
	round_finish(&r);
	unlink(inventory);
	expect_changes(FILE_B, "");
	unlink(bench_path(&bench, "b"));
}

/* ---- looking ---- */

static void test_looking_makes_nothing(void **state)
{
	(void)state;
	expect_changes(NULL, "");
	expect_changes(FILE_B, "add processes/file/b new; add processes/component-a new");
	assert_int_not_equal(access(bench.state_dir, F_OK), 0);
	assert_int_not_equal(access(bench.cgroup, F_OK), 0);
	assert_false(exists("b"));
}

static void test_without_rights_the_state_is_unknown(void **state)
{
	struct round r;

	(void)state;
	bench_converge(&bench, FILE_B);
	assert_int_equal(seteuid(1337), 0);
	round_plan(&bench, FILE_B, &r);
	assert_int_equal(seteuid(0), 0);
	assert_null(r.live);
	assert_int_equal(r.diags.errors, 1);
	assert_non_null(strstr(round_messages(&r), "files.json"));
	assert_non_null(strstr(round_messages(&r), "Permission denied"));
	round_finish(&r);
	chmod(bench.state_dir, 0755);
	chmod(arena_printf(&bench.arena, "%s/files.json", bench.state_dir), 0644);
	assert_int_equal(seteuid(1337), 0);
	round_plan(&bench, FILE_B, &r);
	assert_int_equal(seteuid(0), 0);
	assert_null(r.live);
	assert_non_null(strstr(round_messages(&r), "cannot tell which processes run"));
	round_finish(&r);
}

static int tests(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest all[] = {
		TEST(test_files_have_content_mode_and_owner),
		TEST(test_a_file_belongs_to_the_user_of_its_process),
		TEST(test_a_changed_file_restarts_its_process_alone),
		TEST(test_a_changed_file_with_on_change_none_restarts_nothing),
		TEST(test_a_file_edited_by_hand_is_repaired),
		TEST(test_a_foreign_file_is_refused_and_kept),
		TEST(test_a_foreign_file_that_is_as_wanted_is_used_and_kept),
		TEST(test_one_refused_file_does_not_keep_others_back),
		TEST(test_a_file_that_appears_after_the_plan_is_kept),
		TEST(test_links_in_a_path_are_not_followed),
		TEST(test_what_is_no_file_is_refused),
		TEST(test_cleanup_removes_what_enmesh_made_and_no_more),
		TEST(test_a_directory_that_others_use_is_kept_until_it_is_empty),
		TEST(test_a_file_that_left_the_source_is_removed),
		TEST(test_a_file_made_anew_by_others_after_ours_was_removed_is_kept),
		TEST(test_a_link_in_place_of_ours_is_kept),
		TEST(test_a_write_that_was_killed_leaves_nothing),
		TEST(test_a_damaged_inventory_stops_everything),
		TEST(test_looking_makes_nothing),
		TEST(test_without_rights_the_state_is_unknown),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return bench_main(tests);
}
