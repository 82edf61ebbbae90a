#include "process_bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "model/site.h"
#include "targets/processes/cgroup.h"

static char cgroup_top[512], dir_top[256];

/* ---- before and after ---- */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	return (flag == FTW_DP ? rmdir(path) : unlink(path)) < 0 ? -1 : 0;
}

static int remove_group(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (flag == FTW_DP)
		rmdir(path);
	return 0;
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return;
	fputs(text, f);
	fclose(f);
}

static void remove_traces(void)
{
	char kill_file[600];

	snprintf(kill_file, sizeof(kill_file), "%s/cgroup.kill", cgroup_top);
	write_text(kill_file, "1");
	for (int i = 0; i < 100 && access(cgroup_top, F_OK) == 0; i++) {
		nftw(cgroup_top, remove_group, 16, FTW_DEPTH | FTW_PHYS);
		if (access(cgroup_top, F_OK) == 0)
			nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	nftw(dir_top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool raise_loopback(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r;
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	r = ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return r == 0;
}

static int cannot_run(const char *reason)
{
	fprintf(stderr, "skipped: %s\n", reason);
	return 77;
}

int bench_main(int (*tests)(void))
{
	struct arena a = { 0 };
	int error, status;
	const char *standard = cgroup_default(&a, &error);
	pid_t child;

	if (!standard)
		return cannot_run("no cgroup v2 tree is mounted");
	snprintf(cgroup_top, sizeof(cgroup_top), "%.*s-test-%d", (int)strlen(standard), standard, (int)getpid());
	arena_finish(&a);
	if (mkdir(cgroup_top, 0755) < 0)
		return cannot_run("cgroups cannot be made here; run as root");
	strcpy(dir_top, "/tmp/enmesh-test-XXXXXX");
	if (!mkdtemp(dir_top) || chmod(dir_top, 0755) < 0 || unshare(CLONE_NEWNET) < 0 || !raise_loopback()) {
		remove_traces();
		return cannot_run("no network namespace can be made here; run as root");
	}
	child = fork();
	if (!child) {
		/* What a pass that was killed leaves behind comes to this process, not to the machine's init. */
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exit(tests());
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	remove_traces();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

void bench_init(struct bench *b)
{
	static int number;

	*b = (struct bench){ .timeout_ms = 15000 };
	b->dir = arena_printf(&b->arena, "%s/%d", dir_top, ++number);
	b->state_dir = arena_printf(&b->arena, "%s/%d.state", dir_top, number);
	b->cgroup = arena_printf(&b->arena, "%s/%d", cgroup_top, number);
	assert_int_equal(mkdir(b->dir, 0755), 0);
	b->host = (struct host){ .state_dir = b->state_dir, .run_dir = b->state_dir, .cgroup = b->cgroup };
	b->last.arena = &b->arena;
}

void bench_finish(struct bench *b)
{
	arena_finish(&b->arena);
}

const char *bench_path(struct bench *b, const char *name)
{
	return arena_printf(&b->arena, "%s/%s", b->dir, name);
}

void bench_write(struct bench *b, const char *name, const char *text)
{
	write_text(bench_path(b, name), text);
}

const char *bench_read(struct bench *b, const char *name)
{
	struct bytes text;

	return file_read(AT_FDCWD, bench_path(b, name), 1 << 20, &b->arena, &text) ? NULL : text.data;
}

/* ---- a pass ---- */

/* What pass/facts.c does on a machine. */
static void look_up(struct facts *facts)
{
	vec_each (f, &facts->accounts) {
		f->found = !strcmp(f->name, "root");
		f->number = 0;
		f->primary_group = 0;
	}
}

static const struct site *load(struct bench *b, struct round *r, const char *documents)
{
	const char *source = arena_printf(&r->arena, "%s.source", b->dir);
	struct config config = { 0 };
	struct texts files = { 0 };
	const struct model *model;
	struct tree tree;
	struct site *site;

	mkdir(source, 0755);
	write_text(arena_printf(&r->arena, "%s/mesh.yaml", source), documents);
	assert_true(source_read(source, &r->arena, &tree, &r->diags));
	config_read(&tree, &r->arena, &config, &r->diags);
	model = model_load(&config, &r->arena, &r->diags);
	if (r->diags.errors)
		fail_msg("%s", round_messages(r));
	assert_true(site_sources(model, "node", &tree, &r->arena, &files, &r->diags));
	vec_each (f, &files.list)
		assert_true(source_load(&tree, source_find(&tree, *f), &r->arena, &r->diags));
	site = site_make(model, "node", &tree, &r->arena, &r->diags);
	if (!site)
		fail_msg("%s", round_messages(r));
	site_facts(site, &r->arena, &site->facts);
	look_up(&site->facts);
	return site;
}

void round_plan_mesh(struct bench *b, const char *documents, struct round *r)
{
	*r = (struct round){ 0 };
	r->diags.arena = &r->arena;
	r->plan.arena = &r->arena;
	r->site = documents ? load(b, r, documents) : NULL;
	r->want = target_processes.desire(r->site, &r->arena);
	r->live = target_processes.observe(&b->host, r->want, &r->arena, &r->diags);
	if (!r->live)
		return;
	target_processes.diff(r->want, r->live, &b->last, &r->plan);
	plan_order(&r->plan);
}

static const char head[] = "{apiVersion: enmesh.io/v1alpha1, kind: Mesh, metadata: {name: test}, spec: {}}\n"
			   "---\n"
			   "{apiVersion: enmesh.io/v1alpha1, kind: MeshNode, metadata: {name: node}, spec: "
			   "{addresses: [127.0.0.1]}}\n";

void round_plan(struct bench *b, const char *components, struct round *r)
{
	struct arena scratch = { 0 };
	struct str out = { .arena = &scratch };

	if (!components) {
		round_plan_mesh(b, NULL, r);
		return;
	}
	str_add(&out, head);
	for (const char *line = components; *line; line += strcspn(line, "\n") + 1) {
		size_t n = strcspn(line, "\n");

		if (str_starts(line, "- name: "))
			str_printf(&out,
				"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshComponent\nmetadata: {name: "
				"%.*s}\nspec:\n"
				"  nodes: all\n",
				(int)n - 8, line + 8);
		for (size_t i = 0; i < n && !str_starts(line, "- name: "); i++)
			str_add_n(&out, line[i] == '@' ? b->dir : &line[i], line[i] == '@' ? strlen(b->dir) : 1);
		str_add(&out, "\n");
		if (!line[n])
			break;
	}
	round_plan_mesh(b, str_text(&out), r);
	arena_finish(&scratch);
}

/* In runs of one phase, as the pass does it. */
void round_apply(struct bench *b, struct round *r)
{
	struct change *c = r->plan.changes.items;
	size_t n = r->plan.changes.n;

	b->host.deadline_ms = clock_monotonic_ms() + b->timeout_ms;
	r->applied = true;
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && c[end].phase == c[i].phase; end++)
			;
		r->applied &= target_processes.apply(&b->host, &c[i], end - i, &r->arena, &r->diags);
	}
	if (r->applied) {
		b->last = (struct applied){ .arena = &b->arena };
		target_processes.record(r->want, &b->last);
	}
}

enum await round_await(struct bench *b, struct round *r)
{
	b->host.deadline_ms = clock_monotonic_ms() + b->timeout_ms;
	return target_processes.await(&b->host, r->want, NULL, &r->arena, &r->diags);
}

enum await round_await_in_sync(struct bench *b, struct round *r)
{
	b->host.deadline_ms = clock_monotonic_ms() + b->timeout_ms;
	return target_processes.await(&b->host, r->want, r->live, &r->arena, &r->diags);
}

void round_finish(struct round *r)
{
	arena_finish(&r->arena);
}

void bench_converge(struct bench *b, const char *components)
{
	struct round r;

	round_plan(b, components, &r);
	round_apply(b, &r);
	if (!r.applied)
		fail_msg("%s", round_messages(&r));
	round_finish(&r);
	round_plan(b, components, &r);
	if (!r.live || r.plan.changes.n)
		fail_msg("not in sync afterwards: %s\n%s", round_changes(&r), round_messages(&r));
	round_finish(&r);
}

const char *round_messages(struct round *r)
{
	struct str out = { .arena = &r->arena };

	vec_each (d, &r->diags.list)
		str_printf(&out, "%s\n", diag_line(d, &r->arena));
	return str_text(&out);
}

const char *round_changes(struct round *r)
{
	struct str out = { .arena = &r->arena };

	vec_each (c, &r->plan.changes)
		str_printf(&out, "%s%s %s %s", out.n ? "; " : "", action_word(c->action), c->address,
			cause_word(c->cause));
	return str_text(&out);
}

void round_expect_message(struct round *r, const char *part)
{
	if (!strstr(round_messages(r), part))
		fail_msg("'%s' is not in:\n%s", part, round_messages(r));
}

/* ---- what runs ---- */

static void read_component(struct bench *b, const char *component, struct groups *out)
{
	bool sidecar = !strncmp(component, "sidecar-", strlen("sidecar-"));
	const char *name = arena_printf(&b->arena, "%s%s", sidecar ? "" : "component-", component);
	int root, r;

	*out = (struct groups){ 0 };
	if (cgroup_open_root(b->cgroup, &root))
		return;
	r = cgroup_read(root, name, NULL, &b->arena, out);
	assert_true(!r || r == -ENOENT);
	close(root);
}

pid_t bench_pid(struct bench *b, const char *component)
{
	struct groups groups;
	pid_t pid = 0;

	read_component(b, component, &groups);
	vec_each (g, &groups.list)
		if (g->runs)
			pid = g->main.pid;
	return pid;
}

size_t bench_count(struct bench *b, const char *component, size_t *n_groups)
{
	struct groups groups;
	size_t count = 0;

	read_component(b, component, &groups);
	*n_groups = groups.list.n;
	vec_each (g, &groups.list) {
		const char *path =
			arena_printf(&b->arena, "%s/component-%s/%s/cgroup.procs", b->cgroup, component, g->name);
		struct bytes text;

		assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &b->arena, &text), 0);
		for (size_t i = 0; i < text.size; i++)
			count += text.data[i] == '\n';
	}
	return count;
}

void bench_wait_file(struct bench *b, const char *name)
{
	for (int i = 0; i < 1000; i++) {
		if (access(bench_path(b, name), F_OK) == 0)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	fail_msg("%s does not appear", name);
}

/* Waits for the end of a process, whoever's child it is. */
void bench_wait_gone(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 1000; i++) {
		char text[256] = "";
		FILE *f = fopen(path, "re");

		waitpid(pid, NULL, WNOHANG);
		if (!f)
			return;
		if (!fgets(text, sizeof(text), f) || strstr(text, ") Z ")) {
			fclose(f);
			return;
		}
		fclose(f);
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	fail_msg("process %d does not end", (int)pid);
}
