#include <errno.h>
#include <string.h>

#include "targets/processes/files.h"
#include "targets/processes/log.h"
#include "targets/processes/run.h"

const struct target target_processes = {
	.name = "processes",
	.desire = processes_desire,
	.observe = processes_observe,
	.imagine = processes_imagine,
	.diff = processes_diff,
	.apply = processes_apply,
	.record = processes_record,
	.await = processes_await,
	.describe = processes_describe,
};

struct applying {
	struct host *host;
	struct arena *arena;
	struct diags *diags;
	struct owned owned;
	enum { UNREAD, READ, UNREADABLE } owned_state;
	struct runtime runtime;
	bool root_failed;
	/* For each wanted unit. */
	bool *started, *ready;
	bool ok;
};

static const struct work *work_of(const struct change *c)
{
	return c->data;
}

static void begin(struct applying *ap, const struct change *c)
{
	if (ap->host->progress)
		ap->host->progress(ap->host->context, c);
}

static void end(struct applying *ap, struct change *c, enum result result)
{
	c->result = result;
	ap->ok &= result == RESULT_DONE;
	if (ap->host->progress)
		ap->host->progress(ap->host->context, c);
}

static bool stopped(const struct applying *ap)
{
	return ap->host->stopped && ap->host->stopped();
}

/* ---- files ---- */

static bool need_owned(struct applying *ap)
{
	if (ap->owned_state == UNREAD)
		ap->owned_state = owned_read(ap->host->state_dir, &ap->owned, ap->diags) ? READ : UNREADABLE;
	return ap->owned_state == READ;
}

static bool save_owned(struct applying *ap)
{
	int r = owned_write(ap->host->state_dir, &ap->owned);

	return !r ||
	       diag_failure(ap->diags, "cannot write %s/files.json, the record of the files that enmesh made: %s",
		       ap->host->state_dir, strerror(-r));
}

static bool file_failed(struct applying *ap, const struct file *f, const char *why)
{
	return diag_error(ap->diags, node_pos(node_get(f->node, "path")),
		"the file %s of the %s cannot be written: %s", f->path, f->process->title, why);
}

/* Once more, since somebody may have been here after the plan was made. */
static bool may_write(struct applying *ap, const struct file *f)
{
	bool ours = owned_find(&ap->owned, f->path) != NULL;
	struct file live;
	int r = file_look(f->path, f, ap->arena, &live);
	const char *obstacle = file_obstacle(f, &live, r, ours, ap->arena);

	if (!f->user.known || !f->group.known)
		obstacle = "this machine lacks its owner";
	return !obstacle || file_failed(ap, f, obstacle);
}

static bool write_file(struct applying *ap, const struct file *f)
{
	int r = file_put(f, ap->arena);

	return !r || file_failed(ap, f, strerror(-r));
}

/* All are noted with one write before the first is made. */
static void write_files(struct applying *ap, struct change *changes, size_t n)
{
	bool saved = need_owned(ap);

	for (size_t i = 0; i < n; i++) {
		const struct file *f = work_of(&changes[i])->file;

		if (saved && may_write(ap, f))
			file_note(f->path, &ap->owned);
		else
			changes[i].result = RESULT_FAILED;
	}
	saved = saved && save_owned(ap);
	for (size_t i = 0; i < n; i++) {
		bool possible = saved && changes[i].result != RESULT_FAILED;

		changes[i].result = RESULT_NONE;
		if (stopped(ap)) {
			end(ap, &changes[i], RESULT_SKIPPED);
			continue;
		}
		begin(ap, &changes[i]);
		end(ap, &changes[i],
			possible && write_file(ap, work_of(&changes[i])->file) ? RESULT_DONE : RESULT_FAILED);
	}
}

static bool remove_one(struct applying *ap, const struct work *w)
{
	const char *path;
	int r;

	if (w->kind == WORK_REMOVE) {
		path = w->file->path;
		r = file_remove(path, w->want, &ap->owned, ap->arena);
	} else if (w->leftover->kind == LEFTOVER_DIRECTORY) {
		path = w->leftover->name;
		r = directory_remove(path, w->want, &ap->owned, ap->arena);
	} else {
		path = log_path(ap->host->state_dir, w->leftover->name, ap->arena);
		r = log_remove(ap->host->state_dir, w->leftover->name, ap->arena);
	}
	return !r || diag_failure(ap->diags, "%s cannot be removed: %s", path, strerror(-r));
}

static void remove_files(struct applying *ap, struct change *changes, size_t n)
{
	bool readable = need_owned(ap);

	for (size_t i = 0; i < n; i++) {
		if (stopped(ap)) {
			end(ap, &changes[i], RESULT_SKIPPED);
			continue;
		}
		begin(ap, &changes[i]);
		end(ap, &changes[i],
			readable && remove_one(ap, work_of(&changes[i])) ? RESULT_DONE : RESULT_FAILED);
	}
	ap->ok &= !readable || save_owned(ap);
}

/* ---- where processes run ---- */

static bool no_root(struct applying *ap, const char *path, int error)
{
	static const char help[] =
		"mount one (mount -t cgroup2 none /sys/fs/cgroup/unified), or name a directory of one "
		"with --cgroup or the setting 'cgroup'";

	ap->root_failed = true;
	if (!path)
		return diag_failure(
			ap->diags, "processes cannot be started: no cgroup v2 tree is mounted here; %s", help);
	if (error == -ENOTSUP)
		return diag_failure(
			ap->diags, "processes cannot be started: %s is not in a cgroup v2 tree; %s", path, help);
	if (error == -EROFS || error == -EACCES || error == -EPERM)
		return diag_failure(ap->diags,
			"processes cannot be started: the cgroup v2 tree is not writable (%s: %s); run as root, "
			"%s",
			path, strerror(-error), help);
	return diag_failure(ap->diags, "processes cannot be started: the cgroup directory %s: %s; %s", path,
		strerror(-error), help);
}

static bool need_root(struct applying *ap)
{
	struct runtime *rt = &ap->runtime;
	int r = 0;

	if (ap->root_failed || rt->root >= 0)
		return !ap->root_failed;
	rt->root_path = ap->host->cgroup ? ap->host->cgroup : cgroup_default(ap->arena, &r);
	if (r || !rt->root_path)
		return no_root(ap, NULL, r);
	r = cgroup_make_root(rt->root_path, &rt->root);
	return !r || no_root(ap, rt->root_path, r);
}

/* ---- starting ---- */

static size_t index_of(const struct state *want, const struct unit *u)
{
	return (size_t)(u - want->units.items);
}

static bool comes_after(const struct unit *u, const struct unit *other)
{
	vec_each (name, &u->process->after.list)
		if (!strcmp(*name, other->name))
			return true;
	return false;
}

/*
 * Waits for what `u` comes after, and, where that was only just started, for what has a lower rank. False:
 * something that it needs is not ready.
 */
static bool wait_before(struct applying *ap, const struct state *want, const struct unit *u)
{
	struct waiting *list = arena_alloc(ap->arena, (want->units.n + 1) * sizeof(*list));
	size_t n = 0;
	bool ok = true;

	vec_each (other, &want->units) {
		size_t i = index_of(want, other);
		bool earlier = ap->started[i] && other->process->rank < u->process->rank;

		if (!ap->ready[i] && (earlier || comes_after(u, other)))
			list[n++].unit = other;
	}
	if (!n)
		return true;
	units_wait(&ap->runtime, list, n);
	for (size_t i = 0; i < n; i++) {
		struct waiting *w = &list[i];

		ap->ready[index_of(want, w->unit)] = w->state == WAIT_READY;
		if (w->state == WAIT_READY || !comes_after(u, w->unit))
			continue;
		ok = false;
		if (!stopped(ap))
			diag_error(ap->diags, node_pos(u->process->node),
				"the %s is not started: it comes after the %s, which %s", u->process->title,
				w->unit->process->title, waiting_text(&ap->runtime, w));
	}
	return ok && !stopped(ap);
}

static enum result start(struct applying *ap, const struct work *w)
{
	struct ending ending = { .live = w->live_unit, .wanted = w->unit };

	if (!need_root(ap) || !unit_check(&ap->runtime, w->want, w->unit))
		return RESULT_FAILED;
	if (!wait_before(ap, w->want, w->unit))
		return RESULT_SKIPPED;
	if (ending.live && !units_stop(&ap->runtime, &ending, 1))
		return RESULT_FAILED;
	if (!unit_start(&ap->runtime, w->unit))
		return RESULT_FAILED;
	ap->started[index_of(w->want, w->unit)] = true;
	return RESULT_DONE;
}

static enum result record(struct applying *ap, const struct work *w)
{
	scoped(close_fd) int group = -1;
	int r;

	if (!need_root(ap))
		return RESULT_FAILED;
	r = cgroup_open(ap->runtime.root, w->unit->name, w->unit->group_name, &group);
	if (!r)
		r = cgroup_record(group, w->unit->record);
	if (r)
		diag_error(ap->diags, node_pos(w->unit->process->node),
			"how to stop the %s cannot be noted at its cgroup: %s", w->unit->process->title,
			strerror(-r));
	return unit_tidy(&ap->runtime, w->live_unit, w->unit->group_name) && !r ? RESULT_DONE : RESULT_FAILED;
}

/* ---- stopping ---- */

/* Of one rank, at the same time: draining takes a while. */
static void stop(struct applying *ap, struct change *changes, size_t n)
{
	struct ending *endings = arena_alloc(ap->arena, n * sizeof(*endings));
	bool possible = need_root(ap);

	for (size_t i = 0; i < n; i++) {
		begin(ap, &changes[i]);
		endings[i].live = work_of(&changes[i])->live_unit;
	}
	if (possible)
		units_stop(&ap->runtime, endings, n);
	for (size_t i = 0; i < n; i++)
		end(ap, &changes[i], endings[i].done ? RESULT_DONE : RESULT_FAILED);
}

/* ---- in order ---- */

/* Those that are done together. */
static size_t run_length(const struct change *changes, size_t n)
{
	enum work_kind kind = work_of(changes)->kind;
	size_t length = 1;

	if (kind == WORK_START || kind == WORK_RECORD)
		return 1;
	while (length < n && work_of(&changes[length])->kind == kind && changes[length].rank == changes->rank)
		length++;
	return length;
}

static void carry_out(struct applying *ap, struct change *changes, size_t n)
{
	const struct work *w = work_of(changes);

	switch (w->kind) {
	case WORK_WRITE:
		write_files(ap, changes, n);
		break;
	case WORK_REMOVE:
	case WORK_REMOVE_LEFTOVER:
		remove_files(ap, changes, n);
		break;
	case WORK_START:
		begin(ap, changes);
		end(ap, changes, start(ap, w));
		break;
	case WORK_RECORD:
		begin(ap, changes);
		end(ap, changes, record(ap, w));
		break;
	case WORK_STOP:
		stop(ap, changes, n);
		break;
	}
}

bool processes_apply(struct host *h, struct change *changes, size_t n, struct arena *a, struct diags *d)
{
	struct applying ap = {
		.host = h,
		.arena = a,
		.diags = d,
		.owned = { .arena = a },
		.runtime = { .host = h, .root = -1, .arena = a, .diags = d },
		.ok = true,
	};
	size_t units = n ? work_of(changes)->want->units.n : 0;

	ap.started = arena_alloc(a, units + 1);
	ap.ready = arena_alloc(a, units + 1);
	for (size_t i = 0, length; i < n; i += length) {
		length = stopped(&ap) ? 1 : run_length(&changes[i], n - i);
		if (stopped(&ap))
			end(&ap, &changes[i], RESULT_SKIPPED);
		else
			carry_out(&ap, &changes[i], length);
	}
	if (ap.runtime.root >= 0)
		cgroup_remove_root(ap.runtime.root_path, ap.runtime.root);
	close_fd(&ap.runtime.root);
	return ap.ok;
}
