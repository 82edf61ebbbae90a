/*
 * One pass of the objects target alone, as the command line makes it:
 *     objects_driver plan|apply SOURCE node=NAME state=DIR [token=FILE] [cert=FILE] [key=FILE] [ca=FILE]
 *                    [deadline=MS] [no_prune=1] [prune_all=1]
 *     objects_driver plan_cleanup|cleanup state=DIR … [mesh=1]
 * Prints {changes, diags, ok} as JSON. Ends with 0 if there were no errors.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "config/config.h"
#include "model/site.h"
#include "targets/target.h"

struct run {
	struct host host;
	const char *node;
	struct arena arena;
	struct diags diags;
	struct plan plan;
	struct applied applied;
};

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void read_option(struct run *r, const char *arg)
{
	const struct {
		const char *name;
		const char **text;
		bool *flag;
	} options[] = {
		{ "node", &r->node, NULL },
		{ "state", &r->host.state_dir, NULL },
		{ "token", &r->host.token_file, NULL },
		{ "cert", &r->host.cert_file, NULL },
		{ "key", &r->host.key_file, NULL },
		{ "ca", &r->host.ca_file, NULL },
		{ "no_prune", NULL, &r->host.no_prune },
		{ "prune_all", NULL, &r->host.prune_all },
		{ "mesh", NULL, &r->host.cleanup_mesh },
	};
	size_t n = strcspn(arg, "=");

	if (!strncmp(arg, "deadline=", 9))
		r->host.deadline_ms = now_ms() + atoll(arg + 9);
	for (size_t i = 0; i < array_len(options); i++) {
		if (strncmp(arg, options[i].name, n) || options[i].name[n] || arg[n] != '=')
			continue;
		if (options[i].text)
			*options[i].text = arg + n + 1;
		else
			*options[i].flag = true;
	}
}

/* Of a single file, too: Debian 12's valgrind does not know openat2(2), by which directories are read. */
static bool read_source(struct run *r, const char *source, struct tree *out)
{
	size_t n = strlen(source);
	struct source_file *f;

	if (n < 5 || strcmp(source + n - 5, ".yaml") != 0)
		return source_read(source, &r->arena, out, &r->diags);
	f = arena_new(&r->arena, struct source_file);
	*f = (struct source_file){ .path = source, .shown = source, .document = true, .loaded = true };
	*out = (struct tree){ .origin = source, .revision = "", .files = f, .n_files = 1 };
	return !file_read(AT_FDCWD, source, SOURCE_FILE_MAX, &r->arena, &f->content) ||
	       diag_failure(&r->diags, "source");
}

static const struct site *load(struct run *r, const char *source)
{
	struct tree tree = { 0 };
	struct config config = { 0 };
	struct texts sources = { 0 };
	const struct model *model;

	if (!read_source(r, source, &tree) || !config_read(&tree, &r->arena, &config, &r->diags))
		return NULL;
	model = model_load(&config, &r->arena, &r->diags);
	if (!model || !site_sources(model, r->node, &tree, &r->arena, &sources, &r->diags))
		return NULL;
	vec_each (path, &sources.list) {
		struct source_file *f = source_find(&tree, *path);

		if (f && !source_load(&tree, f, &r->arena, &r->diags))
			return NULL;
	}
	return site_make(model, r->node, &tree, &r->arena, &r->diags);
}

static void print(struct run *r, bool ok)
{
	static const char *const results[] = { "", "done", "failed", "skipped" };
	struct arena *a = &r->arena;
	struct node out = { .type = NODE_MAP }, *list = node_put_list(a, &out, "changes");

	vec_each (c, &r->plan.changes) {
		struct node *n = node_add_map(a, list);

		node_put_text(a, n, "address", c->address);
		node_put_text(a, n, "action", action_word(c->action));
		node_put_text(a, n, "cause", cause_word(c->cause));
		node_put_text(a, n, "result", results[c->result]);
		node_put_node(a, n, "before", c->before);
		node_put_node(a, n, "after", c->after);
	}
	list = node_put_list(a, &out, "diags");
	vec_each (d, &r->diags.list)
		node_add_text(a, list, diag_line(d, a));
	node_put_bool(a, &out, "ok", ok);
	puts(json_write(&out, JSON_INDENTED, a));
}

static bool pass(struct run *r, const char *command, const char *source)
{
	const struct target *t = &target_objects;
	bool cleanup = strstr(command, "cleanup") != NULL, dry = strstr(command, "plan") != NULL;
	const struct site *site = cleanup ? NULL : load(r, source);
	const struct state *want, *live;
	struct applied now = { .arena = &r->arena };
	bool ok;

	if (!cleanup && !site)
		return false;
	if (applied_read(r->host.state_dir, &r->applied))
		return diag_failure(&r->diags, "applied.json");
	want = t->desire(site, &r->arena);
	t->describe(want, &r->arena);
	live = t->observe(&r->host, want, &r->arena, &r->diags);
	if (!live)
		return false;
	t->diff(want, live, &r->applied, &r->plan);
	plan_order(&r->plan);
	ok = dry || t->apply(&r->host, r->plan.changes.items, r->plan.changes.n, &r->arena, &r->diags);
	if (!dry)
		t->remember(&r->host, live, &r->arena, &r->diags);
	if (!ok)
		return false;
	if (dry || r->diags.errors)
		return !r->diags.errors;
	if (cleanup)
		return !applied_remove(r->host.state_dir);
	t->record(want, &now);
	return !applied_write(r->host.state_dir, &now);
}

int main(int argc, char **argv)
{
	struct run r = { .host.deadline_ms = now_ms() + 20000, .node = "" };
	bool ok;

	r.diags.arena = r.plan.arena = r.applied.arena = &r.arena;
	if (argc < 3)
		return 64;
	for (int i = 2; i < argc; i++)
		read_option(&r, argv[i]);
	ok = pass(&r, argv[1], argv[2]);
	print(&r, ok);
	arena_finish(&r.arena);
	return ok ? 0 : 1;
}
