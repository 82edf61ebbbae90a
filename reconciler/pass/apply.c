#include "pass/apply.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/version.h"
#include "pass/part.h"

/* A pass that waited longer than this may find there now what it could not reach when it began. */
enum { WAITED_US = 50 * 1000 };

static struct part *part_of(struct pass *p, const struct target *target)
{
	vec_each (part, &p->parts)
		if (part->target == target)
			return part;
	return NULL;
}

static bool stopped(struct pass *p)
{
	p->cut |= p->host->stopped && p->host->stopped();
	return p->cut;
}

/* ---- changes ---- */

/* Something that an earlier target may still send traffic to must not be stopped while that target is not as
 * wanted. */
static const struct part *holder_back(struct pass *p, const struct change *c)
{
	if (c->phase < PHASE_STOP)
		return NULL;
	vec_each (part, &p->parts) {
		if (part->target == c->target)
			break;
		if (!part->planned || part->flawed || part->failed)
			return part;
	}
	return NULL;
}

static void settle(struct part *part, struct change *run, size_t n, bool ok)
{
	part->failed |= !ok;
	for (size_t i = 0; i < n; i++) {
		if (run[i].result == RESULT_NONE)
			run[i].result = ok ? RESULT_DONE : RESULT_SKIPPED;
		part->failed |= run[i].result != RESULT_DONE;
	}
}

static void carry_out(struct pass *p, struct change *run, size_t n)
{
	struct part *part = part_of(p, run->target);
	const struct part *back = holder_back(p, run);
	size_t first = p->diags->list.n;
	bool ok;

	/* After a failure nothing is taken away. What a change needs, its own target knows: one file that can't be
	 * written keeps the process that reads it from starting, not the others. */
	if (stopped(p) || (part->failed && run->phase >= PHASE_STOP)) {
		settle(part, run, n, false);
		return;
	}
	if (back) {
		diag_failure(p->diags,
			"%s: what is no longer wanted was left running, since %s is not as it should be and may "
			"still send traffic there",
			part->target->name, back->target->name);
		settle(part, run, n, false);
		return;
	}
	ok = part->target->apply(p->host, run, n, p->arena, p->diags);
	settle(part, run, n, ok);
	if (!part->problem)
		part->problem = part_first_error(p->diags, first);
	if (!stopped(p) && part->failed && !part->problem)
		diag_failure(p->diags, "%s: not all changes were made", part->target->name);
}

/* In runs of one target and phase, which is what a target can do at once. */
static void carry_out_all(struct pass *p, struct change *changes, size_t n)
{
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n; end++)
			if (changes[end].target != changes[i].target || changes[end].phase != changes[i].phase)
				break;
		carry_out(p, &changes[i], end - i);
	}
}

/* ---- readiness ---- */

static void await(struct pass *p, struct part *part)
{
	size_t first = p->diags->list.n;

	if (!p->wait || p->cleanup || !part->planned || part->failed || part->awaited || !part->target->await)
		return;
	if (stopped(p))
		return;
	part->readiness = part->target->await(
		p->host, part->want, p->plan.changes.n ? NULL : part->live, p->arena, p->diags);
	part->awaited = true;
	if (!part->problem)
		part->problem = part_first_error(p->diags, first);
	if (part->readiness != AWAIT_READY)
		stopped(p);
}

static void await_all(struct pass *p)
{
	vec_each (part, &p->parts)
		await(p, part);
}

/* ---- what could not be read ---- */

static bool anything_done(const struct pass *p)
{
	vec_each (c, &p->plan.changes)
		if (c->result == RESULT_DONE)
			return true;
	return false;
}

static void append(struct pass *p, const struct plan *late)
{
	size_t first = p->plan.changes.n;

	vec_each (c, &late->changes)
		*vec_push(p->arena, &p->plan.changes) = *c;
	if (p->planned)
		p->planned(p->context, p, first);
	carry_out_all(p, &p->plan.changes.items[first], late->changes.n);
}

/* An API server that this very pass started may be there now. */
static void look_again(struct pass *p)
{
	struct plan late = { .arena = p->arena };

	vec_each (part, &p->parts)
		if (!part->planned && !stopped(p))
			part_plan(part, p, &late);
	plan_order(&late);
	if (late.changes.n)
		append(p, &late);
	await_all(p);
}

/* ---- the end ---- */

static void remember(struct pass *p)
{
	vec_each (part, &p->parts)
		if (part->planned && part->target->remember)
			part->target->remember(p->host, part->live, p->arena, p->diags);
}

static bool belongs(const char *address, const struct target *target)
{
	size_t n = strlen(target->name);

	return !strncmp(address, target->name, n) && address[n] == '/';
}

static bool replaced(struct pass *p, const char *address)
{
	vec_each (part, &p->parts)
		if (part->recorded && belongs(address, part->target))
			return true;
	return false;
}

static const char *basis_address(const struct part *part, struct arena *a)
{
	return arena_printf(a, "%s/source", part->target->name);
}

static const char *basis_of(const struct pass *p)
{
	return p->tree.revision ? arena_printf(p->arena, "%s by %s", p->tree.revision, version_text) : "";
}

static bool has_changes(const struct pass *p, const struct part *part)
{
	vec_each (c, &p->plan.changes)
		if (c->target == part->target)
			return true;
	return false;
}

/* In sync with a source that was recorded before: there is nothing new to say, and the digests need not be made.
 */
static bool is_known(struct pass *p, const struct part *part)
{
	return !has_changes(p, part) && applied_has(&p->last, basis_address(part, p->arena), basis_of(p));
}

/* Targets that failed, did not take part, or have nothing new, keep what was recorded of them. */
static void record(struct pass *p)
{
	struct applied now = { .arena = p->arena };
	bool anything = false;
	int r;

	vec_each (part, &p->parts) {
		part->recorded = part->planned && !part->flawed && !part->failed && !is_known(p, part);
		if (!part->recorded)
			continue;
		anything = true;
		part->target->record(part->want, &now);
		if (!p->cleanup)
			applied_add(&now, basis_address(part, p->arena), basis_of(p));
	}
	if (!anything)
		return;
	applied_load(&p->last);
	vec_each (item, &p->last.items)
		if (!replaced(p, item->address))
			applied_add(&now, item->address, item->digest);
	r = p->cleanup && !now.items.n ? applied_remove(p->host->state_dir)
				       : applied_write(p->host->state_dir, &now);
	if (r)
		diag_failure(p->diags, "what was applied cannot be recorded in %s: %s", p->host->state_dir,
			strerror(-r));
}

static void report_cut(struct pass *p)
{
	size_t done = 0;

	vec_each (c, &p->plan.changes)
		done += c->result == RESULT_DONE;
	diag_failure(p->diags, "stopped by a signal: %zu of %zu changes were made", done, p->plan.changes.n);
}

static enum outcome outcome(const struct pass *p, bool recorded)
{
	bool failed = !recorded, ready = true;

	vec_each (part, &p->parts) {
		failed |= !part->planned || part->flawed || part->failed ||
			  (part->awaited && part->readiness == AWAIT_FAILED);
		ready &= !part->awaited || part->readiness == AWAIT_READY;
	}
	if (p->cut)
		return OUTCOME_STOPPED;
	if (failed)
		return OUTCOME_FAILED;
	if (!ready)
		return OUTCOME_NOT_READY;
	return p->plan.changes.n ? OUTCOME_CONVERGED : OUTCOME_IN_SYNC;
}

enum outcome pass_apply(struct pass *p)
{
	long long began = clock_monotonic_us();
	size_t errors;

	p->host->deadline_ms = began / 1000 + p->timeout_ms;
	carry_out_all(p, p->plan.changes.items, p->plan.changes.n);
	await_all(p);
	if (p->plan.unknown.n && (anything_done(p) || clock_monotonic_us() - began > WAITED_US))
		look_again(p);
	part_report_trouble(p);
	remember(p);
	errors = p->diags->errors;
	record(p);
	if (p->cut)
		report_cut(p);
	return outcome(p, p->diags->errors == errors);
}
