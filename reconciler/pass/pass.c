#include "pass/pass.h"

#include <string.h>

#include "base/clock.h"
#include "pass/apply.h"
#include "pass/facts.h"
#include "pass/part.h"
#include "pass/revision.h"

static bool read_tree(struct pass *p)
{
	if (p->remote.git)
		return revision_load(p);
	if (p->at)
		return source_read_revision(p->source, *p->at ? p->at : NULL, p->arena, &p->tree, p->diags);
	return source_read(p->source, p->arena, &p->tree, p->diags);
}

bool pass_load(struct pass *p)
{
	struct config *config = arena_new(p->arena, struct config);
	size_t errors = p->diags->errors;

	if (!read_tree(p))
		return false;
	/* Documents that were refused do not keep the model from checking the others: all errors are shown at
	 * once. */
	config_read_like(&p->tree, p->like, p->arena, config, p->diags);
	p->config = config;
	p->upgrade_needed = config->requires;
	/* Of a source for another version nothing else is looked at. */
	if (!config->requires)
		p->model = model_load(config, p->arena, p->diags);
	if (p->diags->errors != errors)
		p->model = NULL;
	return p->model != NULL;
}

static bool load_sources(struct pass *p, const char *node)
{
	struct texts paths = { 0 };
	bool ok = true, more = false;

	if (!site_sources(p->model, node, &p->tree, p->arena, &paths, p->diags))
		return false;
	vec_each (path, &paths.list) {
		struct source_file *f = source_find(&p->tree, *path);

		/* One that is missing is the model's to report: it knows the place that names it. */
		if (!f || f->loaded)
			continue;
		ok &= source_load(&p->tree, f, p->arena, p->diags);
		more = true;
	}
	if (more)
		source_revise(&p->tree, p->arena);
	return ok;
}

struct site *pass_make_site(struct pass *p, const char *node, struct arena *a)
{
	return load_sources(p, node) ? site_make(p->model, node, &p->tree, a, p->diags) : NULL;
}

bool pass_site(struct pass *p, bool needed)
{
	struct diags unheard = { .arena = p->arena };

	p->site = pass_make_site(p, p->node, p->arena);
	if (!p->site)
		return false;
	p->site->facts.fetcher.name = p->remote.user;
	site_facts(p->site, p->arena, &p->site->facts);
	/* Where names may stay names, a user database that cannot be asked is as good as one that lacks them. */
	if (!facts_look_up(&p->site->facts, p->arena, needed ? p->diags : &unheard) && needed)
		return false;
	if (needed)
		facts_look_around(&p->site->facts);
	return site_check(p->site, needed, p->diags);
}

static void read_last(struct pass *p)
{
	int r = 0;

	p->last = (struct applied){ .arena = p->arena };
	r = applied_read(p->host->state_dir, &p->last);
	if (r)
		diag_warning(p->diags, (struct pos){ 0 },
			"what the last pass applied cannot be read from %s: %s; drift cannot be told from changes "
			"of the source",
			p->host->state_dir, strerror(-r));
}

static void plan_all(struct pass *p)
{
	p->plan = (struct plan){ .arena = p->arena };
	for (const struct target *const *t = p->targets; *t; t++) {
		struct part *part = vec_push(p->arena, &p->parts);

		part->target = *t;
		part->want = (*t)->desire(p->site, p->arena);
		p->cut |= p->host->stopped && p->host->stopped();
		if (!p->cut)
			part_plan(part, p, &p->plan);
	}
	plan_order(&p->plan);
	vec_each (part, &p->parts)
		if (!part->planned)
			*vec_push(p->arena, &p->plan.unknown) = part->target;
}

static enum outcome dry_outcome(const struct pass *p)
{
	bool flawed = p->plan.unknown.n > 0;

	vec_each (part, &p->parts)
		flawed |= part->flawed;
	if (p->cut)
		return OUTCOME_STOPPED;
	if (flawed)
		return OUTCOME_FAILED;
	return p->plan.changes.n ? OUTCOME_DIFFERENT : OUTCOME_IN_SYNC;
}

static enum outcome run(struct pass *p)
{
	read_last(p);
	p->accepted = p->cleanup || revision_accept(p);
	if (!p->accepted)
		return p->host->stopped && p->host->stopped() ? OUTCOME_STOPPED : OUTCOME_FAILED;
	plan_all(p);
	if (p->planned && !p->cut)
		p->planned(p->context, p, 0);
	if (!p->dry_run && !p->cut)
		return pass_apply(p);
	part_report_trouble(p);
	return dry_outcome(p);
}

enum outcome pass_run(struct pass *p)
{
	long long began = clock_monotonic_us();

	p->started = clock_now();
	p->host->deadline_ms = began / 1000 + p->timeout_ms;
	p->outcome = run(p);
	p->took_us = clock_monotonic_us() - began;
	return p->outcome;
}

const char *outcome_word(enum outcome outcome)
{
	static const char *const words[] = {
		[OUTCOME_NONE] = "Failed",
		[OUTCOME_IN_SYNC] = "InSync",
		[OUTCOME_DIFFERENT] = "Drifted",
		[OUTCOME_CONVERGED] = "Converged",
		[OUTCOME_NOT_READY] = "Failed",
		[OUTCOME_FAILED] = "Failed",
		[OUTCOME_STOPPED] = "Failed",
	};

	return words[outcome];
}
