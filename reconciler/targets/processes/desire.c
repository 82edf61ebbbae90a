#include "targets/processes/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"

/* ---- finding ---- */

static int by_path(const void *left, const void *right)
{
	return strcmp(((const struct file *)left)->path, ((const struct file *)right)->path);
}

static int by_name(const void *left, const void *right)
{
	return strcmp(((const struct unit *)left)->name, ((const struct unit *)right)->name);
}

const struct file *state_file(const struct state *s, const char *path)
{
	const struct file key = { .path = path };

	return s->files.n ? bsearch(&key, s->files.items, s->files.n, sizeof(key), by_path) : NULL;
}

const struct unit *state_unit(const struct state *s, const char *name)
{
	const struct unit key = { .name = name };

	return s->units.n ? bsearch(&key, s->units.items, s->units.n, sizeof(key), by_name) : NULL;
}

const struct group *unit_current(const struct unit *live, const struct unit *wanted)
{
	if (live)
		vec_each (g, &live->live)
			if (g->runs && !g->ending && !strcmp(g->name, wanted->group_name))
				return g;
	return NULL;
}

bool state_needs(const struct state *want, const char *directory)
{
	size_t n = strlen(directory);

	vec_each (f, &want->files)
		if (!strncmp(f->path, directory, n) && f->path[n] == '/')
			return true;
	return false;
}

/* Where a machine lacks a name, it is the same as itself, and as nothing else. */
static bool same_owner(const struct owner *a, const struct owner *b)
{
	if (a->known && b->known)
		return a->number == b->number;
	return !a->known && !b->known && a->name && b->name && !strcmp(a->name, b->name);
}

bool file_same(const struct file *a, const struct file *b)
{
	return a->content.data && b->content.data && a->content.size == b->content.size &&
	       !memcmp(a->content.data, b->content.data, a->content.size) && a->mode == b->mode &&
	       same_owner(&a->user, &b->user) && same_owner(&a->group, &b->group);
}

/* ---- making ---- */

static struct owner make_owner(const struct site *site, const struct account *account, bool group)
{
	struct owner o = { .name = account->name };

	o.known = site_number(site, account, group, &o.number);
	return o;
}

static struct owner make_group(const struct site *site, const struct account *user, const struct account *group)
{
	struct owner o = { .name = group->node ? group->name : NULL };

	o.known = site_group(site, user, group, &o.number);
	return o;
}

static void add_files(const struct site *site, const struct process *p, struct arena *a, struct state *out)
{
	vec_each (f, &p->files) {
		*vec_push(a, &out->files) = (struct file){
			.path = f->path,
			.content = f->content,
			.digest = digest_of(f->content.data, f->content.size, a),
			.mode = f->mode,
			.user = make_owner(site, &f->user, false),
			.group = make_group(site, &p->user, &f->group),
			.process = p,
			.node = f->node,
			.restart_on_change = f->restart_on_change,
		};
	}
}

static void digest_owner(struct digest *d, const struct owner *o)
{
	digest_add_text(d, o->known ? NULL : o->name);
	digest_add(d, &o->number, sizeof(o->number));
}

/* How many follow: without it, one list could end where another begins. */
static void digest_count(struct digest *d, size_t n)
{
	uint64_t count = n;

	digest_add(d, &count, sizeof(count));
}

static int by_key(const void *left, const void *right)
{
	return strcmp(((const struct label *)left)->key, ((const struct label *)right)->key);
}

/*
 * The identity of what runs. A new version of enmesh must come to the same digest, or it would restart everything:
 * whatever is added here later is added only where it is used.
 */
static const char *digest_unit(const struct unit *u, const struct state *s, struct arena *a)
{
	const struct process *p = u->process;
	struct label *env = arena_dup(a, p->env.list.items, p->env.list.n * sizeof(*env));
	struct digest *d = digest_start(a);

	digest_add_text(d, "process 1");
	digest_count(d, p->argv.list.n);
	vec_each (arg, &p->argv.list)
		digest_add_text(d, *arg);
	digest_count(d, p->env.list.n);
	if (p->env.list.n)
		qsort(env, p->env.list.n, sizeof(*env), by_key);
	for (size_t i = 0; i < p->env.list.n; i++) {
		digest_add_text(d, env[i].key);
		digest_add_text(d, env[i].value);
	}
	digest_owner(d, &u->user);
	digest_owner(d, &u->group);
	digest_count(d, u->groups.n);
	vec_each (g, &u->groups)
		digest_owner(d, g);
	digest_add_text(d, p->directory);
	if (p->netns)
		digest_add_text(d, p->netns);
	vec_each (i, &u->files) {
		const struct file *f = &s->files.items[*i];

		if (!f->restart_on_change)
			continue;
		digest_add_text(d, f->path);
		digest_add_text(d, f->digest);
		digest_add(d, &f->mode, sizeof(f->mode));
		digest_owner(d, &f->user);
		digest_owner(d, &f->group);
	}
	return digest_end(d, a);
}

static int by_owner(const void *left, const void *right)
{
	const struct owner *a = left, *b = right;

	if (a->number != b->number)
		return (a->number > b->number) - (a->number < b->number);
	return strcmp(a->name ? a->name : "", b->name ? b->name : "");
}

static void make_unit(const struct site *site, const struct process *p, struct arena *a, struct state *s)
{
	struct unit *u = vec_push(a, &s->units);

	*u = (struct unit){
		.name = p->name,
		.process = p,
		.user = make_owner(site, &p->user, false),
		.group = make_group(site, &p->user, &p->group),
	};
	vec_each (g, &p->groups)
		*vec_push(a, &u->groups) = make_owner(site, g, true);
	if (u->groups.n) /* a set */
		qsort(u->groups.items, u->groups.n, sizeof(*u->groups.items), by_owner);
	for (size_t i = 0; i < s->files.n; i++)
		if (s->files.items[i].process == p)
			*vec_push(a, &u->files) = i;
	u->digest = digest_unit(u, s, a);
	u->group_name = arena_strndup(a, u->digest, GROUP_NAME_SIZE);
	u->spec = print_spec(u, s, a);
	u->record = json_write(u->spec, JSON_ONE_LINE, a);
}

const struct state *processes_desire(const struct site *site, struct arena *a)
{
	struct state *s = arena_new(a, struct state);

	if (!site)
		return s;
	vec_each (p, &site->processes)
		add_files(site, *p, a, s);
	if (s->files.n)
		qsort(s->files.items, s->files.n, sizeof(*s->files.items), by_path);
	vec_each (p, &site->processes)
		make_unit(site, *p, a, s);
	if (s->units.n)
		qsort(s->units.items, s->units.n, sizeof(*s->units.items), by_name);
	return s;
}

/* ---- what was made of it ---- */

const struct state *processes_imagine(const struct state *was, const struct state *want, struct arena *a)
{
	struct state *live = arena_new(a, struct state);

	(void)want;
	vec_each (f, &was->files) {
		struct file *file = vec_push(a, &live->files);

		*file = *f;
		file->ours = true;
	}
	vec_each (u, &was->units) {
		struct unit *unit = vec_push(a, &live->units);

		*unit = *u;
		*vec_push(a, &unit->live) = (struct group){
			.name = u->group_name, .populated = true, .runs = true, .record = u->record
		};
	}
	return live;
}
