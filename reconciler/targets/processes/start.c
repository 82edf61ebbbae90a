#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "targets/processes/files.h"
#include "targets/processes/log.h"
#include "targets/processes/run.h"

const char *unit_title(const struct unit *u)
{
	return u->process ? u->process->title : u->name;
}

/* ---- what a spec says ---- */

/* 1337, or "1337 (istio-proxy)". */
static bool read_number(const struct node *n, uint32_t *out)
{
	const char *text = node_text(n);
	int64_t number;
	char *end;

	if (node_int(n, &number) && number >= 0 && number <= UINT32_MAX) {
		*out = (uint32_t)number;
		return true;
	}
	if (!text || *text < '0' || *text > '9')
		return false;
	*out = (uint32_t)strtoul(text, &end, 10);
	return str_starts(end, " (");
}

static const char *const *read_command(const struct node *list, struct arena *a)
{
	const char **argv = arena_alloc(a, ((node_is(list, NODE_LIST) ? list->n : 0) + 1) * sizeof(*argv));
	size_t n = 0;

	node_each (it, list)
		if (node_text(it))
			argv[n++] = it->string;
	return argv;
}

static const char *const *read_env(const struct node *map, struct arena *a)
{
	const char **env = arena_alloc(a, ((node_is(map, NODE_MAP) ? map->n : 0) + 2) * sizeof(*env));
	size_t n = 0;

	node_each (it, map)
		if (node_text(it))
			env[n++] = arena_printf(a, "%s=%s", it->key, it->string);
	if (!node_get(map, "PATH"))
		env[n++] = "PATH=" CHILD_PATH;
	return env;
}

bool spec_read(const struct node *spec, struct arena *a, struct child_spec *out)
{
	const struct node *groups = node_get(spec, "groups");
	gid_t *list = arena_alloc(a, ((node_is(groups, NODE_LIST) ? groups->n : 0) + 1) * sizeof(*list));
	uint32_t uid, gid;

	*out = (struct child_spec){ .output = -1, .cgroup = -1 };
	if (!read_number(node_get(spec, "user"), &uid) || !read_number(node_get(spec, "group"), &gid))
		return false;
	out->uid = uid;
	out->gid = gid;
	node_each (it, groups) {
		if (!read_number(it, &gid))
			return false;
		list[out->n_groups++] = gid;
	}
	out->groups = list;
	out->argv = read_command(node_get(spec, "command"), a);
	out->env = read_env(node_get(spec, "env"), a);
	out->directory = node_get_text(spec, "workingDirectory");
	out->netns = node_get_text(spec, "networkNamespace");
	return out->argv[0] && out->directory;
}

/* ---- before ---- */

static struct pos place(const struct unit *u)
{
	return node_pos(u->process->node);
}

static struct pos command_place(const struct unit *u)
{
	const struct node *command = node_get(u->process->node, "command");

	return node_pos(command ? command : u->process->node);
}

static bool check_file(struct runtime *rt, const struct unit *u, const struct file *wanted)
{
	struct file live;
	int r = file_look(wanted->path, wanted, rt->arena, &live);

	if (!r && file_same(&live, wanted))
		return true;
	return diag_error(rt->diags, place(u), "the %s is not started, because its file %s is not %s",
		unit_title(u), wanted->path, r ? "there" : "as it should be");
}

static const char *path_of(const struct child_spec *spec)
{
	for (const char *const *e = spec->env; *e; e++)
		if (str_starts(*e, "PATH="))
			return *e + strlen("PATH=");
	return "";
}

static bool check_program(struct runtime *rt, const struct unit *u, const struct child_spec *spec)
{
	const char *program = spec->argv[0];
	int error;

	if (child_find(spec, rt->arena, &error))
		return true;
	if (!strchr(program, '/') && error == -ENOENT)
		return diag_error(rt->diags, command_place(u),
			"the %s cannot be started: its program '%s' is in no directory of its PATH, %s",
			unit_title(u), program, path_of(spec));
	return diag_error(rt->diags, command_place(u), "the %s cannot be started: its program %s: %s",
		unit_title(u), program, error == -EACCES ? "it is not executable" : strerror(-error));
}

bool unit_check(struct runtime *rt, const struct state *want, const struct unit *u)
{
	struct child_spec spec;
	bool ok = true;

	vec_each (i, &u->files)
		ok &= check_file(rt, u, &want->files.items[*i]);
	if (!ok)
		return false;
	if (!spec_read(u->spec, rt->arena, &spec))
		return diag_error(rt->diags, place(u),
			"the %s cannot be started: this machine lacks its user or a group of it", unit_title(u));
	return check_program(rt, u, &spec);
}

/* ---- starting ---- */

static bool cannot(struct runtime *rt, const struct unit *u, const char *what, int error)
{
	return diag_error(
		rt->diags, place(u), "the %s cannot be started: %s: %s", unit_title(u), what, strerror(-error));
}

static bool start_failed(
	struct runtime *rt, const struct unit *u, const struct child_spec *spec, enum child_step step, int error)
{
	const char *object = step == CHILD_EXEC        ? spec->argv[0]
			     : step == CHILD_DIRECTORY ? spec->directory
			     : step == CHILD_NETWORK   ? spec->netns
						       : NULL;
	const char *hint = "";

	/* It was found before. */
	if (step == CHILD_EXEC && error == -ENOENT)
		hint = " (its interpreter or loader is missing)";
	if (step == CHILD_EXEC && error == -ENOEXEC)
		hint = " (it is neither a program of this machine's kind nor a script that begins with #!)";
	if (step == CHILD_FORK && (error == -EINVAL || error == -EOPNOTSUPP))
		hint = " (Linux 5.14 or newer is needed, and a cgroup that may have groups with processes)";
	return diag_error(rt->diags, step == CHILD_EXEC ? command_place(u) : place(u),
		"the %s cannot be started: could not %s%s%s%s: %s%s", unit_title(u), child_step_text(step),
		object ? " '" : "", object ? object : "", object ? "'" : "", strerror(-error), hint);
}

/*
 * How a process ended can only be asked of a descriptor that was opened while it lived: so those of the last
 * starts are kept, for when one of them ends at once.
 */
enum { STARTED_MAX = 64 };

static struct {
	struct process_id id;
	int pidfd;
} started[STARTED_MAX];
static size_t n_started;

static void remember(struct runtime *rt, const struct unit *u)
{
	size_t i = n_started % STARTED_MAX;
	struct group group;
	int pidfd;

	if (cgroup_read_one(rt->root, u->name, u->group_name, rt->arena, &group) || !group.runs)
		return;
	pidfd = process_open(&group.main);
	if (pidfd < 0)
		return;
	if (n_started >= STARTED_MAX)
		close(started[i].pidfd);
	started[i].id = group.main;
	started[i].pidfd = pidfd;
	n_started++;
}

int started_pidfd(const struct process_id *id)
{
	for (size_t i = 0; i < n_started && i < STARTED_MAX; i++)
		if (started[i].id.pid == id->pid && started[i].id.start == id->start)
			return started[i].pidfd;
	return -1;
}

bool unit_start(struct runtime *rt, const struct unit *u)
{
	scoped(close_fd) int group = -1, log = -1;
	enum child_step step;
	struct child_spec spec;
	pid_t pid;
	int r;

	if (!spec_read(u->spec, rt->arena, &spec))
		return cannot(rt, u, "its user", -EINVAL);
	spec.detached = true;
	spec.mark = CGROUP_MARK;
	r = log_open(rt->host->state_dir, u->name, spec.uid, spec.gid, rt->arena, &spec.note, &log);
	if (r)
		return cannot(rt, u, log_path(rt->host->state_dir, u->name, rt->arena), r);
	r = cgroup_make(rt->root, u->name, u->group_name, u->record, &group);
	if (r)
		return cannot(rt, u, arena_printf(rt->arena, "its cgroup %s/%s", rt->root_path, u->name), r);
	spec.output = log;
	spec.cgroup = group;
	r = child_start(&spec, rt->arena, &pid, &step);
	if (r) {
		cgroup_destroy(rt->root, u->name, u->group_name);
		cgroup_remove_outer(rt->root, u->name);
		return start_failed(rt, u, &spec, step, r);
	}
	remember(rt, u);
	return true;
}
