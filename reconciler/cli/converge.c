#include "cli/converge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "pass/lock.h"
#include "report/json.h"
#include "report/markdown.h"
#include "report/status.h"
#include "report/text.h"

static bool says_text(const struct session *s)
{
	return s->args.format == FORMAT_TEXT && !s->args.quiet;
}

/* ---- while it runs ---- */

/* Of a pass after which others follow, only what it does is worth a word. */
static bool is_silent(const struct pass *p)
{
	return p->host->holds && !p->plan.changes.n;
}

static void on_planned(void *context, const struct pass *p, size_t first)
{
	struct session *s = context;

	if (says_text(s) && !is_silent(p))
		output_text(s, text_plan(p, first, output_style(s, STDOUT_FILENO), s->arena));
}

/* People at a terminal see what takes long; with --verbose, everything. */
static void on_progress(void *context, const struct change *c)
{
	struct session *s = context;
	bool slow = c->phase == PHASE_PROCESSES || c->phase == PHASE_STOP;

	if (s->args.verbose || (slow && c->result == RESULT_NONE))
		output_progress(text_progress(c, output_style(s, STDERR_FILENO), s->arena));
}

/* ---- afterwards ---- */

static void print_json(struct session *s, const struct pass *p, const struct node *json)
{
	if (!p->host->holds)
		output_json(s, json);
	else if (!is_silent(p) || s->diags->list.n)
		output_json_line(s, json);
}

static void report(struct session *s, const struct pass *p)
{
	const struct node *json = NULL;

	diag_sort(s->diags);
	if (s->args.format == FORMAT_JSON || s->args.json_into)
		json = json_plan(p, s->diags, s->arena);
	if (s->args.json_into)
		output_json_into(s, s->args.json_into, json);
	if (s->args.quiet)
		return;
	if (s->args.format == FORMAT_JSON)
		print_json(s, p, json);
	else if (s->args.format == FORMAT_MARKDOWN)
		output_text(s, markdown_plan(p, s->diags, s->arena));
	else if (!p->dry_run && !is_silent(p))
		output_text(s, text_applied(p, s->arena));
}

static enum code code_of(const struct session *s, const struct pass *p)
{
	switch (p->outcome) {
	case OUTCOME_IN_SYNC:
		return CODE_OK;
	case OUTCOME_DIFFERENT:
		return (enum code)s->args.diff_exit_code;
	case OUTCOME_CONVERGED:
		return s->args.detailed_exit_code ? CODE_DIFFERENT : CODE_OK;
	case OUTCOME_NOT_READY:
		return CODE_NOT_READY;
	case OUTCOME_STOPPED:
		return (enum code)(CODE_SIGNAL + signals_caught());
	case OUTCOME_NONE:
	case OUTCOME_FAILED:
		break;
	}
	return CODE_ERROR;
}

static const char *absolute(const char *path, struct arena *a)
{
	char *real = path ? realpath(path, NULL) : NULL;
	const char *copy = real ? arena_strdup(a, real) : path;

	free(real);
	return copy;
}

static void write_status(struct session *s, const struct pass *p)
{
	const struct node *before = NULL;
	struct pass said = *p;
	int r;

	/* One that is missing or damaged is written anew. */
	status_read(p->host->run_dir, s->arena, &before);
	diag_sort(s->diags);
	/* Whoever reads the status is in another directory. */
	said.source = absolute(p->source, s->arena);
	r = status_write(p->host->run_dir, status_after(&said, s->diags, before, s->arena), s->arena);
	if (r)
		diag_failure(s->diags, "the status cannot be written into %s: %s", p->host->run_dir, strerror(-r));
}

static bool gone(int r, struct session *s, const char *what)
{
	return !r || diag_failure(s->diags, "%s cannot be removed: %s", what, strerror(-r));
}

static int remove_if_empty(const char *dir)
{
	return rmdir(dir) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY
		       ? -errno
		       : 0;
}

/* What enmesh keeps for itself goes last. */
static bool remove_own(struct session *s, const struct pass *p, struct lock *lock)
{
	const struct host *h = p->host;

	return gone(revisions_remove(h->state_dir), s, "the last good revision") &&
	       gone(status_remove(h->run_dir), s, "the status") && gone(lock_remove(lock), s, "the lock") &&
	       gone(remove_if_empty(h->state_dir), s, h->state_dir);
}

/* ---- the state directory ---- */

/* Its records say which files are enmesh's to remove: who can write there decides what root removes. */
static bool is_state_safe(const struct host *h, struct diags *d)
{
	struct stat st;

	if (stat(h->state_dir, &st) < 0) /* it is made, or found unreadable, where it is used */
		return true;
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return diag_failure(d,
			"the state directory %s belongs to user %u, who could make enmesh remove any file; give "
			"it to "
			"user %u, or name another --state-dir",
			h->state_dir, st.st_uid, geteuid());
	if (st.st_mode & S_IWOTH)
		return diag_failure(d,
			"the state directory %s is writable by all, who could make enmesh remove any file; chmod "
			"it "
			"0700, or name another --state-dir",
			h->state_dir);
	return true;
}

/* ---- the lock ---- */

static enum code take_lock(struct session *s, const struct host *h, struct lock *lock)
{
	struct lock_wish wish = { h->run_dir, s->command->name, s->args.lock_timeout_ms, signals_stopped };
	const char *holder;
	int r = lock_take(&wish, s->arena, lock, &holder);

	if (!r)
		return CODE_OK;
	if (r == -EINTR) {
		diag_failure(s->diags, "stopped by a signal while waiting for the lock; nothing was done");
		return (enum code)(CODE_SIGNAL + signals_caught());
	}
	if (r == -EBUSY) {
		diag_failure(s->diags, "another pass holds the lock %s/lock%s%s; nothing was done", h->run_dir,
			holder ? ": " : "", holder ? holder : "");
		return CODE_NOTHING_DONE;
	}
	if (r == -EXDEV)
		diag_failure(s->diags,
			"the lock cannot be in %s: it is on a network file system; give another --run-dir",
			h->run_dir);
	else
		diag_failure(s->diags, "the lock %s/lock cannot be taken: %s", h->run_dir, strerror(-r));
	return CODE_ERROR;
}

static void run_pass(struct session *s, const struct settings *settings, struct pass *p)
{
	pass_run(p);
	settings_explain_node(s, settings, p->model);
}

static enum code run_dry(struct session *s, const struct settings *settings, struct pass *p)
{
	run_pass(s, settings, p);
	report(s, p);
	return code_of(s, p);
}

static enum code run_locked(struct session *s, const struct settings *settings, struct pass *p)
{
	struct lock lock = { NULL, -1, -1 };
	size_t errors;
	enum code code;

	if (!is_state_safe(p->host, s->diags))
		return CODE_ERROR;
	signals_catch();
	code = take_lock(s, p->host, &lock);
	if (code != CODE_OK)
		return code;
	dir_sweep(p->host->state_dir);
	dir_sweep(p->host->run_dir);
	run_pass(s, settings, p);
	errors = s->diags->errors;
	if (p->cleanup && !p->partial && (p->outcome == OUTCOME_CONVERGED || p->outcome == OUTCOME_IN_SYNC))
		remove_own(s, p, &lock);
	else
		write_status(s, p);
	code = s->diags->errors == errors ? code_of(s, p) : CODE_ERROR;
	lock_release(&lock);
	report(s, p);
	return code;
}

enum code converge(struct session *s, const struct converging *how)
{
	struct settings settings = { 0 };
	struct pass p = { .arena = s->arena, .diags = s->diags, .cleanup = how->cleanup, .dry_run = how->dry_run };
	enum code code = how->cleanup ? settings_read(s, &settings) : settings_read_source(s, &settings);

	if (code == CODE_OK)
		code = settings_targets(s, &p.targets);
	if (code != CODE_OK)
		return code;
	p.partial = p.targets != targets_all;
	settings_use(&settings, &p);
	p.remote.last_good |= how->holds;
	p.remote.good_first = how->good_first;
	settings.host.holds = how->holds;
	p.wait = s->args.wait;
	p.timeout_ms = settings.timeout_ms;
	p.planned = on_planned;
	p.context = s;
	if (says_text(s) && (s->args.verbose || isatty(STDERR_FILENO))) {
		settings.host.progress = on_progress;
		settings.host.context = s;
	}
	if (!how->dry_run)
		settings.git.stopped = settings.host.stopped = how->stopped ? how->stopped : signals_stopped;
	p.like = how->kept ? how->kept->config : NULL;
	code = how->dry_run ? run_dry(s, &settings, &p) : run_locked(s, &settings, &p);
	if (how->kept)
		how->kept->latest = p.model ? p.config : NULL;
	return code;
}
