#include "fake_target.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fake alpha, beta;
char fake_log[4096];

struct state {
	const struct fake_item *items;
};

static const struct fake_item nothing[1];

static void say(const char *what, const char *of)
{
	size_t n = strlen(fake_log);

	snprintf(fake_log + n, sizeof(fake_log) - n, "%s%s", what, of);
}

static void say_line(const char *what, const char *of)
{
	say(what, of);
	say("\n", "");
}

static const struct state *state_of(const struct fake_item *items, struct arena *a)
{
	return arena_dup(a, &(struct state){ items }, sizeof(struct state));
}

static const struct fake_item *find(const struct fake_item *items, const char *address)
{
	for (; items->address; items++)
		if (!strcmp(items->address, address))
			return items;
	return NULL;
}

static const struct state *observe(struct fake *f, const char *name, struct arena *a, struct diags *d)
{
	f->observed++;
	say_line("observe ", name);
	if (f->unreadable && f->unreadable--) {
		diag_failure(d, "%s cannot be read", name);
		return NULL;
	}
	if (f->flawed)
		diag_failure(d, "one thing of %s cannot be read", name);
	return state_of(f->live, a);
}

static enum cause cause_of(struct applied *last, const struct fake_item *want)
{
	const char *digest = applied_digest(last, want->address);

	if (!digest)
		return CAUSE_NEW;
	return strcmp(digest, want->value) ? CAUSE_CHANGED : CAUSE_DRIFT;
}

static void diff(const struct target *t, const struct state *want, const struct state *live, struct applied *last,
	struct plan *plan)
{
	for (const struct fake_item *w = want->items; w->address; w++) {
		const struct fake_item *l = find(live->items, w->address);
		struct change *c;

		if (l && !strcmp(l->value, w->value))
			continue;
		c = plan_add(plan, t, l ? ACTION_CHANGE : ACTION_ADD, w->address);
		c->phase = w->phase;
		c->cause = cause_of(last, w);
		c->before = l ? plan_text(plan, l->value) : NULL;
		c->after = plan_text(plan, w->value);
	}
	for (const struct fake_item *l = live->items; l->address; l++) {
		struct change *c;

		if (find(want->items, l->address))
			continue;
		c = plan_add(plan, t, ACTION_REMOVE, l->address);
		c->phase = PHASE_STOP;
		c->cause = CAUSE_ORPHAN;
		c->before = plan_text(plan, l->value);
	}
}

static void put(struct fake *f, const struct change *c, struct arena *a)
{
	struct fake_item *it = f->live;

	while (it->address && strcmp(it->address, c->address))
		it++;
	if (c->action != ACTION_REMOVE) {
		it->address = arena_strdup(a, c->address);
		it->value = arena_strdup(a, c->after->string);
		return;
	}
	for (; it->address; it++)
		it[0] = it[1];
}

static bool apply(struct fake *f, const char *name, struct host *h, struct change *changes, size_t n,
	struct arena *a, struct diags *d)
{
	bool ok = true;

	f->applied++;
	if (f->before_apply)
		f->before_apply();
	say("apply ", name);
	say(":", "");
	for (size_t i = 0; i < n; i++) {
		say(" ", changes[i].address);
		if (!ok || (h->stopped && h->stopped())) {
			changes[i].result = RESULT_SKIPPED;
			ok = false;
		} else if (f->broken && !strcmp(f->broken, changes[i].address)) {
			changes[i].result = RESULT_FAILED;
			ok = f->silent ? false : diag_failure(d, "%s is broken", changes[i].address);
		} else {
			changes[i].result = RESULT_DONE;
			put(f, &changes[i], a);
		}
		if (h->progress)
			h->progress(h->context, &changes[i]);
	}
	say("\n", "");
	return ok;
}

static void record(const struct state *want, struct applied *out)
{
	for (const struct fake_item *w = want->items; w->address; w++)
		applied_add(out, w->address, w->value);
}

static enum await await(struct fake *f, const char *name, struct diags *d)
{
	f->awaited++;
	say_line("await ", name);
	if (f->readiness != AWAIT_READY)
		diag_failure(d, "%s is not ready", name);
	return f->readiness;
}

static const struct node *describe(const struct state *want, struct arena *a)
{
	struct node *n = arena_new(a, struct node);

	n->type = NODE_MAP;
	for (const struct fake_item *w = want->items; w->address; w++)
		node_put_text(a, n, w->address, w->value);
	return n;
}

/* The functions of a target have no context: one set for each. */
#define FAKE(it, awaiting)                                                                                        \
	static const struct state *it##_desire(const struct site *site, struct arena *a)                          \
	{                                                                                                         \
		return state_of(site ? it.want : nothing, a);                                                     \
	}                                                                                                         \
	static const struct state *it##_observe(                                                                  \
		struct host *h, const struct state *want, struct arena *a, struct diags *d)                       \
	{                                                                                                         \
		(void)h;                                                                                          \
		(void)want;                                                                                       \
		return observe(&it, #it, a, d);                                                                   \
	}                                                                                                         \
	static const struct target target_##it;                                                                   \
	static void it##_diff(                                                                                    \
		const struct state *want, const struct state *live, struct applied *last, struct plan *plan)      \
	{                                                                                                         \
		diff(&target_##it, want, live, last, plan);                                                       \
	}                                                                                                         \
	static bool it##_apply(struct host *h, struct change *c, size_t n, struct arena *a, struct diags *d)      \
	{                                                                                                         \
		return apply(&it, #it, h, c, n, a, d);                                                            \
	}                                                                                                         \
	static enum await it##_await(struct host *h, const struct state *want, const struct state *live,          \
		struct arena *a, struct diags *d)                                                                 \
	{                                                                                                         \
		(void)h;                                                                                          \
		(void)want;                                                                                       \
		it.awaited_fresh = live != NULL;                                                                  \
		(void)a;                                                                                          \
		return await(&it, #it, d);                                                                        \
	}                                                                                                         \
	static void it##_remember(struct host *h, const struct state *live, struct arena *a, struct diags *d)     \
	{                                                                                                         \
		(void)h;                                                                                          \
		(void)live;                                                                                       \
		(void)a;                                                                                          \
		(void)d;                                                                                          \
		it.remembered++;                                                                                  \
	}                                                                                                         \
	static const struct target target_##it = {                                                                \
		.name = #it,                                                                                      \
		.desire = it##_desire,                                                                            \
		.observe = it##_observe,                                                                          \
		.diff = it##_diff,                                                                                \
		.apply = it##_apply,                                                                              \
		.record = record,                                                                                 \
		.remember = it##_remember,                                                                        \
		.await = (awaiting) ? it##_await : NULL,                                                          \
		.describe = describe,                                                                             \
	};

FAKE(alpha, false)
FAKE(beta, true)

const struct target *const targets_all[] = { &target_alpha, &target_beta, NULL };

void fake_reset(void)
{
	alpha = beta = (struct fake){ 0 };
	fake_log[0] = 0;
}

void fake_write(const struct fake_pass *f, const char *name, const char *text)
{
	char path[192];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	out = fopen(path, "w");
	if (!out || fputs(text, out) < 0 || fclose(out))
		abort();
}

static void prepare(struct fake_pass *f)
{
	f->diags = (struct diags){ .arena = &f->arena };
	f->host = (struct host){ .state_dir = f->state, .run_dir = f->run };
	f->pass = (struct pass){ .arena = &f->arena,
		.diags = &f->diags,
		.host = &f->host,
		.source = f->source,
		.node = "vm",
		.targets = targets_all,
		.wait = true,
		.timeout_ms = 1000 };
}

void fake_start(struct fake_pass *f)
{
	*f = (struct fake_pass){ 0 };
	fake_reset();
	strcpy(f->dir, "/tmp/enmesh-test-XXXXXX");
	if (!mkdtemp(f->dir))
		abort();
	snprintf(f->source, sizeof(f->source), "%s/mesh", f->dir);
	snprintf(f->state, sizeof(f->state), "%s/state", f->dir);
	snprintf(f->run, sizeof(f->run), "%s/run", f->dir);
	if (mkdir(f->source, 0755) < 0)
		abort();
	fake_write(f, "mesh/mesh.yaml",
		"apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: mesh}\nspec: {}\n---\n"
		"apiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {name: vm}\nspec: {addresses: "
		"[10.0.0.1]}\n");
	prepare(f);
}

void fake_again(struct fake_pass *f)
{
	fake_log[0] = 0;
	alpha.observed = alpha.applied = alpha.awaited = alpha.remembered = 0;
	beta.observed = beta.applied = beta.awaited = beta.remembered = 0;
	prepare(f);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fake_finish(struct fake_pass *f)
{
	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	arena_finish(&f->arena);
}

bool fake_has_error(const struct fake_pass *f, const char *part)
{
	vec_each (diag, &f->diags.list)
		if (strstr(diag->message, part))
			return true;
	return false;
}
