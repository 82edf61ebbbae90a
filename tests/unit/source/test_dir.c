#include "source/source.h"

#include "given.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/enmesh-test-XXXXXX";
static struct tree tree;

static void printf_like(1, 2) run(const char *format, ...)
{
	va_list args;
	const char *command;

	va_start(args, format);
	command = arena_vprintf(&arena, format, args);
	va_end(args);
	if (system(arena_printf(&arena, "cd %s && { %s; }", root, command)))
		fail_msg("%s", command);
}

static bool read_source(void)
{
	return source_read(root, &arena, &tree, &diags);
}

/* The diagnostics, with the root called ROOT. */
static const char *errors(void)
{
	const char *all = given_diags(), *at;
	size_t n = strlen(root);

	while ((at = strstr(all, root)))
		all = arena_printf(&arena, "%.*sROOT%s", (int)(at - all), all, at + n);
	return all;
}

/* "a.yaml* b/c": the files, those that are documents with a star. */
static const char *files(void)
{
	const char *all = "";

	for (size_t i = 0; i < tree.n_files; i++)
		all = arena_printf(&arena, "%s%s%s%s", all, i ? " " : "", tree.files[i].path,
			tree.files[i].document ? "*" : "");
	return all;
}

static void test_files_come_in_the_order_of_their_paths(void **state)
{
	(void)state;
	run("mkdir -p b/c; echo x >b/c/z.yml; echo y >b.yaml; echo z >b/README; echo a >a.yaml; echo "
	    ">.hidden.yaml; mkdir "
	    ".git; echo >.git/x.yaml");
	assert_true(read_source());
	assert_string_equal(files(), "a.yaml* b.yaml* b/README b/c/z.yml*");
	assert_string_equal(source_find(&tree, "b/c/z.yml")->content.data, "x\n");
	assert_string_equal(source_find(&tree, "a.yaml")->shown, arena_printf(&arena, "%s/a.yaml", root));
	assert_null(source_find(&tree, "b"));
	assert_null(source_find(&tree, ".git/x.yaml"));
}

static void test_a_file_that_is_no_document_is_read_on_demand(void **state)
{
	struct source_file *f;

	(void)state;
	run("echo x >a.yaml; mkdir conf; echo content >conf/envoy.json");
	assert_true(read_source());
	f = source_find(&tree, "conf/envoy.json");
	assert_false(f->loaded);
	assert_true(source_load(&tree, f, &arena, &diags));
	assert_string_equal(f->content.data, "content\n");
	assert_true(source_load(&tree, f, &arena, &diags));
	f = source_find(&tree, "a.yaml");
	assert_true(source_load(&tree, f, &arena, &diags));
}

static void test_the_revision_is_that_of_the_documents(void **state)
{
	const char *first, *second;

	(void)state;
	run("echo x >a.yaml; echo 1 >note");
	assert_true(read_source());
	first = tree.revision;
	assert_int_equal(strlen(first), 19);
	run("echo 2 >note; touch a.yaml");
	assert_true(read_source());
	assert_string_equal(tree.revision, first);
	run("mv a.yaml b.yaml");
	assert_true(read_source());
	second = tree.revision;
	assert_string_not_equal(second, first);
	run("echo y >b.yaml");
	assert_true(read_source());
	assert_string_not_equal(tree.revision, second);
}

static void test_ignored_files_are_no_documents(void **state)
{
	(void)state;
	run("mkdir -p charts/x .github; echo >charts/x/a.yaml; echo >values.yaml; echo x >a.yaml; mkfifo "
	    "charts/fifo; ln -s "
	    "/etc/passwd charts/link; printf 'charts/\\nvalues.yaml\\n' >.enmeshignore");
	assert_true(read_source());
	assert_string_equal(files(), "a.yaml* charts/x/a.yaml values.yaml");
	/* A process may still use one. */
	assert_true(source_load(&tree, source_find(&tree, "values.yaml"), &arena, &diags));
}

static void test_nothing_is_no_desired_state(void **state)
{
	(void)state;
	assert_false(read_source());
	run("echo x >README; echo '*.yaml' >.enmeshignore; echo >a.yaml");
	assert_false(read_source());
	assert_string_equal(errors(), "enmesh: error: the source ROOT holds no documents (*.yaml, *.yml); an "
				      "empty source is no desired state\n");
}

static void test_a_source_must_be_a_directory(void **state)
{
	(void)state;
	run("echo x >a.yaml");
	assert_false(source_read(arena_printf(&arena, "%s/a.yaml", root), &arena, &tree, &diags));
	assert_false(source_read(arena_printf(&arena, "%s/none", root), &arena, &tree, &diags));
	assert_string_equal(errors(),
		"enmesh: error: the source ROOT/a.yaml is no directory\n"
		"enmesh: error: the source ROOT/none cannot be read: No such file or directory\n");
}

/* Without openat2 (valgrind lacks it) no link is followed, wherever it leads. */
static void skip_without_openat2(void)
{
	if (syscall(SYS_openat2, AT_FDCWD, ".", NULL, 0) < 0 && errno == ENOSYS)
		skip();
}

static void test_links_are_followed_inside_only(void **state)
{
	(void)state;
	skip_without_openat2();
	run("mkdir d e; echo x >d/a.yaml; ln -s d/a.yaml in.yaml; ln -s ../d/a.yaml e/up.yaml; ln -s /etc/passwd "
	    "abs.yaml; ln "
	    "-s ../../etc/passwd e/out.yaml; ln -s loop.yaml loop.yaml; ln -s none dangling.yaml; ln -s d dir; ln "
	    "-s "
	    "/proc/self/fd/0 magic.yaml; mkfifo d/fifo; ln -s d/fifo fifo.yaml");
	assert_false(read_source());
	assert_string_equal(errors(),
		"ROOT/abs.yaml: error: this symbolic link leads out of the source; put the file here\n"
		"ROOT/d/fifo: error: this is neither a file nor a directory; remove it or name it in "
		".enmeshignore\n"
		"ROOT/dangling.yaml: error: this symbolic link leads nowhere\n"
		"ROOT/dir: error: a symbolic link to a directory is not followed; name it in .enmeshignore or put "
		"the files "
		"here\n"
		"ROOT/e/out.yaml: error: this symbolic link leads out of the source; put the file here\n"
		"ROOT/fifo.yaml: error: this is neither a file nor a directory; remove it or name it in "
		".enmeshignore\n"
		"ROOT/loop.yaml: error: this symbolic link leads to itself, or links are not followed here\n"
		"ROOT/magic.yaml: error: this symbolic link leads out of the source; put the file here\n");
}

static void test_links_inside_are_read(void **state)
{
	(void)state;
	skip_without_openat2();
	run("mkdir d e; echo x >d/a.yaml; ln -s d/a.yaml in.yaml; ln -s ../d/a.yaml e/up.yaml; ln -s in.yaml "
	    "twice.yaml");
	assert_true(read_source());
	assert_string_equal(files(), "d/a.yaml* e/up.yaml* in.yaml* twice.yaml*");
	assert_string_equal(source_find(&tree, "twice.yaml")->content.data, "x\n");
}

static void test_special_files_are_named(void **state)
{
	(void)state;
	run("echo x >a.yaml; mkfifo b.yaml; mkfifo c; python3 -c \"import socket; "
	    "socket.socket(socket.AF_UNIX).bind('s')\"");
	assert_false(read_source()); /* and does not wait for somebody to write */
	assert_string_equal(errors(),
		"ROOT/b.yaml: error: this is neither a file nor a directory; remove it or name it in "
		".enmeshignore\n"
		"ROOT/c: error: this is neither a file nor a directory; remove it or name it in .enmeshignore\n"
		"ROOT/s: error: this is neither a file nor a directory; remove it or name it in .enmeshignore\n");
}

static void test_what_cannot_be_read_is_named(void **state)
{
	pid_t child;
	int status;

	(void)state;
	run("chmod 755 .; echo x >a.yaml; echo y >b.yaml; mkdir d; chmod 0 b.yaml d");
	child = fork();
	if (!child) {
		if (!geteuid() && setuid(65534))
			_exit(2);
		_exit(read_source() || strcmp(errors(), "ROOT/b.yaml: error: cannot be read: Permission denied\n"
							"ROOT/d: error: cannot be read: Permission denied\n"));
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

static void test_size_is_limited(void **state)
{
	(void)state;
	run("head -c 1048576 /dev/zero | tr '\\0' '#' >a.yaml; cp a.yaml b.yaml; echo >>b.yaml; head -c 2000000 "
	    "/dev/zero "
	    ">large.bin");
	assert_false(read_source());
	assert_string_equal(errors(), "ROOT/b.yaml: error: the file is larger than 1024 KiB\n");
	assert_int_equal(tree.n_files, 0);
}

static void test_the_sum_of_sizes_is_limited(void **state)
{
	(void)state;
	run("head -c 1000000 /dev/zero | tr '\\0' '#' >a.yaml; for i in $(seq 70); do ln a.yaml $i.yaml; done");
	assert_false(read_source());
	assert_string_equal(errors(), "ROOT: error: the source holds more than 64 MiB of documents\n");
}

static void test_the_number_of_files_is_limited(void **state)
{
	(void)state;
	run("python3 -c \"for i in range(100001): open(str(i), 'w').close()\"");
	assert_false(read_source());
	assert_string_equal(errors(), "ROOT: error: the source holds more than 100000 files\n");
}

static void test_depth_is_limited(void **state)
{
	(void)state;
	run("p=d; for i in $(seq 33); do p=$p/d; done; mkdir -p $p; echo x >$p/a.yaml; echo x >a.yaml");
	assert_false(read_source());
	assert_non_null(strstr(errors(), "d: error: nested deeper than 32 directories\n"));
}

/* Somebody exchanges a file for a link that leads out, all the time: its target is never read. */
static void test_a_link_put_in_during_the_reading_is_not_followed(void **state)
{
	pid_t child;

	(void)state;
	run("echo inside >a.yaml; echo inside >b; ln -s /etc/passwd c");
	child = fork();
	if (!child) {
		assert_int_equal(chdir(root), 0);
		for (;;)
			renameat2(AT_FDCWD, "a.yaml", AT_FDCWD, "c", RENAME_EXCHANGE);
	}
	for (int i = 0; i < 3000; i++) {
		struct source_file *f;

		diags = (struct diags){ .arena = &arena };
		if (!read_source())
			continue;
		f = source_find(&tree, "a.yaml");
		if (f)
			assert_string_equal(f->content.data, "inside\n");
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static int make_root(void **state)
{
	given_setup(state);
	tree = (struct tree){ 0 };
	strcpy(root + strlen(root) - 6, "XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	int r = system(arena_printf(&arena, "rm -rf %s", root));

	given_teardown(state);
	return r;
}

#define dir_test(function) cmocka_unit_test_setup_teardown(function, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		dir_test(test_files_come_in_the_order_of_their_paths),
		dir_test(test_a_file_that_is_no_document_is_read_on_demand),
		dir_test(test_the_revision_is_that_of_the_documents),
		dir_test(test_ignored_files_are_no_documents),
		dir_test(test_nothing_is_no_desired_state),
		dir_test(test_a_source_must_be_a_directory),
		dir_test(test_links_are_followed_inside_only),
		dir_test(test_links_inside_are_read),
		dir_test(test_special_files_are_named),
		dir_test(test_what_cannot_be_read_is_named),
		dir_test(test_size_is_limited),
		dir_test(test_the_sum_of_sizes_is_limited),
		dir_test(test_the_number_of_files_is_limited),
		dir_test(test_depth_is_limited),
		dir_test(test_a_link_put_in_during_the_reading_is_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
