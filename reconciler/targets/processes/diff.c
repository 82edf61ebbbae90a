#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/str.h"
#include "targets/processes/state.h"

struct diffing {
	const struct state *want, *live;
	struct applied *last;
	struct plan *plan;
	struct arena *arena;
};

static const char *file_address(const char *path, struct arena *a)
{
	return arena_printf(a, "processes/file%s", path);
}

static const char *unit_address(const char *name, struct arena *a)
{
	return arena_printf(a, "processes/%s", name);
}

/* ---- what the next pass compares with ---- */

static const char *file_digest(const struct file *f, struct arena *a)
{
	struct digest *d = digest_start(a);

	digest_add_text(d, f->digest);
	digest_add(d, &f->mode, sizeof(f->mode));
	digest_add(d, &f->user.number, sizeof(f->user.number));
	digest_add(d, &f->group.number, sizeof(f->group.number));
	return digest_end(d, a);
}

static const char *unit_digest(const struct unit *u, struct arena *a)
{
	struct digest *d = digest_start(a);

	digest_add_text(d, u->digest);
	digest_add_text(d, u->record);
	return digest_end(d, a);
}

void processes_record(const struct state *want, struct applied *out)
{
	vec_each (f, &want->files)
		applied_add(out, file_address(f->path, out->arena), file_digest(f, out->arena));
	vec_each (u, &want->units)
		applied_add(out, unit_address(u->name, out->arena), unit_digest(u, out->arena));
}

/* ---- a change ---- */

/* `digest` NULL: it is not wanted. */
static enum cause find_cause(struct diffing *df, const char *address, const char *digest)
{
	const char *last = applied_digest(df->last, address);

	if (!digest)
		return last ? CAUSE_ORPHAN : CAUSE_DRIFT;
	if (!last)
		return CAUSE_NEW;
	return strcmp(last, digest) ? CAUSE_CHANGED : CAUSE_DRIFT;
}

static struct change *add_change(struct diffing *df, enum action action, const char *address, const char *digest,
	enum work_kind kind, struct work **work)
{
	struct change *c = plan_add(df->plan, &target_processes, action, address);

	*work = arena_new(df->arena, struct work);
	(*work)->kind = kind;
	(*work)->want = df->want;
	(*work)->live = df->live;
	c->cause = find_cause(df, address, digest);
	c->data = *work;
	return c;
}

/* ---- files ---- */

static void diff_file(struct diffing *df, const struct file *wanted)
{
	const struct file *live = state_file(df->live, wanted->path);
	const char *address = file_address(wanted->path, df->arena);
	struct change *c;
	struct work *work;
	if (live && (live->blocked || file_same(wanted, live)))
		return;
	c = add_change(
		df, live ? ACTION_CHANGE : ACTION_ADD, address, file_digest(wanted, df->arena), WORK_WRITE, &work);
	work->file = wanted;
	c->phase = PHASE_FILES;
	c->before = live ? print_file(live, df->arena) : NULL;
	c->after = print_file(wanted, df->arena);
	c->origin = wanted->node;
}

static void remove_file(struct diffing *df, const struct file *live)
{
	struct change *c;
	struct work *work;

	if (!live->ours || state_file(df->want, live->path))
		return;
	c = add_change(df, ACTION_REMOVE, file_address(live->path, df->arena), NULL, WORK_REMOVE, &work);
	work->file = live;
	c->phase = PHASE_SWEEP;
	c->before = print_file(live, df->arena);
}

static void remove_leftover(struct diffing *df, const struct leftover *leftover)
{
	bool log = leftover->kind == LEFTOVER_LOG;
	const char *address =
		arena_printf(df->arena, "processes/%s%s", log ? "log/" : "directory", leftover->name);
	struct change *c;
	struct work *work;

	c = add_change(df, ACTION_REMOVE, address, NULL, WORK_REMOVE_LEFTOVER, &work);
	work->leftover = leftover;
	c->phase = PHASE_SWEEP;
	c->before = plan_text(df->plan,
		!*leftover->name
			? "empty directory of logs"
			: arena_printf(df->arena, "%s %s", log ? "log of" : "empty directory", leftover->name));
}

/* ---- processes ---- */

/* Of those that are not what they should be: one that runs; else any. NULL: there is nothing. */
static const struct group *choose(const struct unit *live)
{
	const struct group *best = NULL;

	vec_each (g, &live->live)
		if (!best || (g->runs && !best->runs))
			best = g;
	return best;
}

/* An error has already said what is in the way. What runs goes on as it is. */
static bool is_blocked(const struct diffing *df, const struct unit *wanted)
{
	vec_each (i, &wanted->files) {
		const struct file *live = state_file(df->live, df->want->files.items[*i].path);

		if (live && live->blocked)
			return true;
	}
	return false;
}

static bool is_populated(const struct unit *live)
{
	vec_each (g, &live->live)
		if (g->populated)
			return true;
	return false;
}

/* It goes on running; but how it is to be stopped may have changed, or groups may be there that do not belong. */
static void diff_running(
	struct diffing *df, const struct unit *wanted, const struct unit *live, const struct group *current)
{
	const char *address = unit_address(wanted->name, df->arena);
	bool recorded = !current->record || !strcmp(current->record, wanted->record);
	struct change *c;
	struct work *work;

	if (recorded && live->live.n == 1)
		return;
	c = add_change(df, ACTION_CHANGE, address, unit_digest(wanted, df->arena), WORK_RECORD, &work);
	work->unit = wanted;
	work->live_unit = live;
	c->phase = PHASE_PROCESSES;
	c->rank = wanted->process->rank;
	c->before = print_live(live, current, df->arena);
	c->after = wanted->spec;
	c->origin = wanted->process->node;
}

static void diff_unit(struct diffing *df, const struct unit *wanted)
{
	const struct unit *live = state_unit(df->live, wanted->name);
	const struct group *current = unit_current(live, wanted);
	bool stops = live && is_populated(live);
	struct change *c;
	struct work *work;
	if (is_blocked(df, wanted))
		return;
	if (current) {
		diff_running(df, wanted, live, current);
		return;
	}
	c = add_change(df, stops ? ACTION_CHANGE : ACTION_ADD, unit_address(wanted->name, df->arena),
		unit_digest(wanted, df->arena), WORK_START, &work);
	work->unit = wanted;
	work->live_unit = live;
	c->cost = stops ? COST_RESTART : COST_IN_PLACE;
	c->phase = PHASE_PROCESSES;
	c->rank = wanted->process->rank;
	c->before = stops ? print_live(live, choose(live), df->arena) : NULL;
	c->after = wanted->spec;
	c->origin = wanted->process->node;
}

/* ---- stopping ---- */

static unsigned long long made(const struct unit *live)
{
	unsigned long long last = 0;

	vec_each (g, &live->live)
		last = g->made > last ? g->made : last;
	return last;
}

/* Sidecars first, all at once; then components, the last one that was started first. */
static int by_stop(const void *left, const void *right)
{
	const struct unit *a = *(const struct unit *const *)left, *b = *(const struct unit *const *)right;
	bool first = str_starts(a->name, "sidecar-"), second = str_starts(b->name, "sidecar-");

	if (first != second)
		return second - first;
	if (made(a) != made(b))
		return (made(a) < made(b)) - (made(a) > made(b));
	return strcmp(a->name, b->name);
}

static void stop_unit(struct diffing *df, const struct unit *live, unsigned rank)
{
	struct change *c;
	struct work *work;

	c = add_change(df, ACTION_REMOVE, unit_address(live->name, df->arena), NULL, WORK_STOP, &work);
	work->live_unit = live;
	c->phase = PHASE_STOP;
	c->rank = rank;
	c->before = print_live(live, choose(live), df->arena);
}

static void stop_units(struct diffing *df)
{
	const struct unit **units = arena_alloc(df->arena, (df->live->units.n + 1) * sizeof(*units));
	size_t n = 0;

	vec_each (u, &df->live->units)
		if (!state_unit(df->want, u->name))
			units[n++] = u;
	qsort(units, n, sizeof(*units), by_stop);
	for (size_t i = 0; i < n; i++)
		stop_unit(df, units[i], str_starts(units[i]->name, "sidecar-") ? 0 : (unsigned)i + 1);
}

void processes_diff(const struct state *want, const struct state *live, struct applied *last, struct plan *plan)
{
	struct diffing df = { want, live, last, plan, plan->arena };

	vec_each (f, &want->files)
		diff_file(&df, f);
	vec_each (u, &want->units)
		diff_unit(&df, u);
	stop_units(&df);
	vec_each (f, &live->files)
		remove_file(&df, f);
	vec_each (l, &live->leftovers)
		remove_leftover(&df, l);
}
