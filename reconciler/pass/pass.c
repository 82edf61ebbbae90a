#include "pass/pass.h"

#include "pass/facts.h"

long long pass_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool pass_load(struct pass *p)
{
	struct config config = { 0 };
	size_t errors = p->diags->errors;

	if (!source_read(p->source, p->arena, &p->tree, p->diags))
		return false;
	/* Documents that were refused do not keep the model from checking the others: all errors are shown at
	 * once. */
	config_read(&p->tree, p->arena, &config, p->diags);
	p->model = model_load(&config, p->arena, p->diags);
	if (p->diags->errors != errors)
		p->model = NULL;
	return p->model != NULL;
}

static bool load_sources(struct pass *p, const char *node)
{
	struct texts paths = { 0 };
	bool ok = true;

	if (!site_sources(p->model, node, &p->tree, p->arena, &paths, p->diags))
		return false;
	vec_each (path, &paths.list) {
		struct source_file *f = source_find(&p->tree, *path);

		/* One that is missing is site_make's to report: it knows the place that names it. */
		if (f)
			ok &= source_load(&p->tree, f, p->arena, p->diags);
	}
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
	site_accounts(p->site, p->arena, &p->site->facts);
	/* Where names may stay names, a user database that cannot be asked is as good as one that lacks them. */
	if (!facts_look_up(&p->site->facts, needed ? p->diags : &unheard) && needed)
		return false;
	return site_check(p->site, needed, p->diags);
}
