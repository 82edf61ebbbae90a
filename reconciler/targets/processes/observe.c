#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "targets/processes/files.h"
#include "targets/processes/log.h"
#include "targets/processes/state.h"

struct looking {
	struct host *host;
	const struct state *want;
	struct state *state;
	struct owned owned;
	struct arena *arena;
	struct diags *diags;
};

/* ---- files ---- */

static bool is_unreadable(int error)
{
	return error == -EACCES || error == -EPERM;
}

static bool look_wanted(struct looking *l, const struct file *wanted)
{
	bool ours = owned_find(&l->owned, wanted->path) != NULL;
	struct file f = { .path = wanted->path };
	const char *obstacle;
	int r = file_look(wanted->path, wanted, l->arena, &f);

	if (r == -ENOENT)
		return true;
	if (is_unreadable(r))
		return diag_failure(l->diags, "cannot read %s: %s", wanted->path, strerror(-r));
	f.ours = ours;
	obstacle = file_obstacle(wanted, r ? NULL : &f, r, ours, l->arena);
	f.blocked = obstacle != NULL;
	if (obstacle)
		diag_error(l->diags, node_pos(node_get(wanted->node, "path")),
			"the file %s of the %s cannot be written: %s", wanted->path, wanted->process->title,
			obstacle);
	*vec_push(l->arena, &l->state->files) = f;
	return true;
}

static bool look_unwanted(struct looking *l, const char *path)
{
	struct file f;
	int r = file_look(path, NULL, l->arena, &f);

	if (is_unreadable(r))
		return diag_failure(l->diags, "cannot read %s: %s", path, strerror(-r));
	if (r) /* gone, or something else has taken its place */
		f = (struct file){ .path = path, .missing = true };
	f.ours = true;
	*vec_push(l->arena, &l->state->files) = f;
	return true;
}

/* Whether something of ours is below, with which it will go. */
static bool has_ours(const struct owned *owned, const char *directory)
{
	size_t n = strlen(directory);

	vec_each (item, &owned->items)
		if (!strncmp(item->path, directory, n) && item->path[n] == '/')
			return true;
	return false;
}

static bool look_directory(struct looking *l, const char *path)
{
	bool used = false;
	int r;

	if (state_needs(l->want, path) || has_ours(&l->owned, path))
		return true;
	r = directory_used(path, &used);
	if (is_unreadable(r))
		return diag_failure(l->diags, "cannot read %s: %s", path, strerror(-r));
	/* What somebody else put into it keeps it. */
	if (!used)
		*vec_push(l->arena, &l->state->leftovers) = (struct leftover){ LEFTOVER_DIRECTORY, path };
	return true;
}

/* Two sorted lists become one. */
static bool look_at_files(struct looking *l)
{
	const struct state *want = l->want;
	size_t w = 0;
	bool ok = true;

	vec_each (item, &l->owned.items) {
		int order = 1;

		while (ok && w < want->files.n && (order = strcmp(want->files.items[w].path, item->path)) < 0)
			ok = look_wanted(l, &want->files.items[w++]);
		if (!ok)
			return false;
		if (w < want->files.n && !order)
			ok = look_wanted(l, &want->files.items[w++]);
		else
			ok = item->directory ? look_directory(l, item->path) : look_unwanted(l, item->path);
	}
	while (ok && w < want->files.n)
		ok = look_wanted(l, &want->files.items[w++]);
	return ok;
}

/* ---- processes ---- */

/* A container that was started anew has another namespace at the same path: what is in the old one must go. */
static bool is_elsewhere(const struct process *p, const struct process_id *id, struct arena *a)
{
	struct stat wanted, live;

	return p->netns && stat(p->netns, &wanted) == 0 &&
	       stat(arena_printf(a, "/proc/%d/ns/net", (int)id->pid), &live) == 0 &&
	       (wanted.st_dev != live.st_dev || wanted.st_ino != live.st_ino);
}

static int read_groups(struct looking *l, int root)
{
	struct group_names names = { 0 };
	int r = cgroup_list(root, l->arena, &names);

	vec_each (name, &names.list) {
		const struct unit *wanted = state_unit(l->want, *name);
		struct groups groups;
		struct unit *u;

		if (!r)
			r = cgroup_read(root, *name, wanted ? wanted->group_name : NULL, l->arena, &groups);
		if (r == -ENOENT) {
			r = 0;
			continue;
		}
		if (r)
			return r;
		u = vec_push(l->arena, &l->state->units);
		u->name = *name;
		vec_each (group, &groups.list) {
			group->ending |=
				wanted && group->runs && is_elsewhere(wanted->process, &group->main, l->arena);
			*vec_push(l->arena, &u->live) = *group;
		}
	}
	return r;
}

static bool look_at_processes(struct looking *l)
{
	scoped(close_fd) int root = -1;
	const char *path;
	int r = 0;

	path = l->host->cgroup ? l->host->cgroup : cgroup_default(l->arena, &r);
	if (r)
		return diag_failure(
			l->diags, "cannot tell where cgroups are: /proc/self/mountinfo: %s", strerror(-r));
	if (!path)
		return true; /* nothing can run; that nothing can be started is for apply to say */
	r = cgroup_open_root(path, &root);
	if (!r)
		r = read_groups(l, root);
	if (r && r != -ENOENT && r != -ENOTSUP)
		return diag_failure(l->diags, "cannot tell which processes run: cannot read the cgroups in %s: %s",
			path, strerror(-r));
	return true;
}

/* ---- logs ---- */

static bool look_at_logs(struct looking *l)
{
	struct log_names names = { 0 };
	int r = log_list(l->host->state_dir, l->arena, &names);

	if (r)
		return diag_failure(
			l->diags, "cannot read the logs in %s/log: %s", l->host->state_dir, strerror(-r));
	if (l->want->units.n && names.list.n == 1 && !**names.list.items)
		return true;
	vec_each (name, &names.list)
		if (!state_unit(l->want, *name) && !state_unit(l->state, *name))
			*vec_push(l->arena, &l->state->leftovers) = (struct leftover){ LEFTOVER_LOG, *name };
	return true;
}

const struct state *processes_observe(struct host *h, const struct state *want, struct arena *a, struct diags *d)
{
	struct looking l = {
		.host = h,
		.want = want,
		.state = arena_new(a, struct state),
		.owned = { .arena = a },
		.arena = a,
		.diags = d,
	};

	if (!owned_read(h->state_dir, &l.owned, d) || !look_at_files(&l) || !look_at_processes(&l) ||
		!look_at_logs(&l))
		return NULL;
	return l.state;
}
