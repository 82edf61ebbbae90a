#include "model/site.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "model/place.h"
#include "model/read.h"
#include "model/vars.h"

struct making {
	struct site *site;
	const struct tree *tree;
	struct arena *arena;
	struct diags *diags;
	bool ok;
};

static const char *expand(struct making *m, const struct node *n, const struct scope *scope)
{
	const char *s = vars_expand(n->string, scope, node_pos(n), m->arena, m->diags);

	m->ok &= s != NULL;
	return s ? s : "";
}

static void expand_list(struct making *m, const struct node *list, const struct scope *scope, struct texts *out)
{
	node_each (it, list)
		*vec_push(m->arena, &out->list) = expand(m, it, scope);
}

/* ---- files ---- */

static const char *source_path(const struct node *file)
{
	return node_get_text(file, "source");
}

static bool file_content(struct making *m, const struct node *file, const struct scope *scope, struct bytes *out)
{
	const struct node *text = node_get(file, "text"), *source = node_get(file, "source");
	const char *expanded;

	if (text) {
		*out = (struct bytes){ text->string, text->n };
	} else {
		*out = source_find(m->tree, source->string)->content; /* model_load has seen that it is there */
	}
	if (!node_get_bool(file, "template", false))
		return true;
	if (memchr(out->data, 0, out->size))
		return diag_error(m->diags, node_pos(source), "a template must not contain NUL characters");
	expanded = vars_expand(out->data, scope, node_pos(text ? text : source), m->arena, m->diags);
	if (expanded)
		*out = (struct bytes){ expanded, strlen(expanded) };
	return expanded != NULL;
}

static const char *file_path(struct making *m, const struct node *file, const struct scope *scope)
{
	const struct node *path = node_get(file, "path");
	const char *expanded = expand(m, path, scope);

	if (strstr(expanded, "/../") || strstr(expanded, "/./") || str_ends(expanded, "/..") ||
		str_ends(expanded, "/"))
		m->ok = diag_error(m->diags, node_pos(path), "the path '%s' does not name a file", expanded);
	return expanded;
}

static void make_file(struct making *m, const struct node *file, const struct scope *scope,
	const struct process_spec *spec, struct process *p)
{
	struct site_file f = { .node = file };
	const struct node *user = node_get(file, "user"), *group = node_get(file, "group");

	f.path = file_path(m, file, scope);
	m->ok &= file_content(m, file, scope, &f.content);
	f.mode = (uint32_t)strtoul(node_get_text(file, "mode"), NULL, 8);
	f.user = user ? read_account(user) : spec->user;
	f.group = group ? read_account(group) : spec->group;
	f.restart_on_change = !strcmp(node_get_text(file, "onChange"), "restart");
	*vec_push(m->arena, &p->files) = f;
}

/* ---- processes ---- */

static void make_drain(struct making *m, const struct node *drain, const struct scope *scope, struct drain *out)
{
	const struct node *post = node_get(drain, "httpPost");

	out->post = post != NULL;
	out->host = node_get_text(post, "host");
	out->path = node_get_text(post, "path");
	out->port = post ? read_probe_port(node_get(post, "port"), scope->sidecar) : 0;
	expand_list(m, node_get(drain, "command"), scope, &out->command);
	out->wait_ms = (int)node_get_int(drain, "seconds", 0) * 1000;
}

static struct process *make_process(struct making *m, const struct process_spec *spec, const struct scope *scope)
{
	struct process *p = arena_new(m->arena, struct process);

	p->node = spec->node;
	expand_list(m, spec->command, scope, &p->argv);
	expand_list(m, spec->args, scope, &p->argv);
	node_each (it, spec->env)
		*vec_push(m->arena, &p->env.list) = (struct label){ it->key, expand(m, it, scope) };
	p->user = spec->user;
	p->group = spec->group;
	vec_each (g, &spec->groups)
		*vec_push(m->arena, &p->groups) = *g;
	p->directory = expand(m, spec->directory, scope);
	p->readiness = spec->readiness;
	make_drain(m, spec->drain, scope, &p->drain);
	p->stop_ms = spec->stop_ms;
	node_each (it, spec->files)
		make_file(m, it, scope, spec, p);
	*vec_push(m->arena, &m->site->processes) = p;
	return p;
}

/* Components come in the order of rank: those that this one waits for, if they run on this node, are there
 * already. */
static void make_after(struct making *m, const struct mesh_component *c, struct process *p)
{
	vec_each (after, &c->after) {
		const char *name = arena_printf(m->arena, "component-%s", (*after)->name);

		vec_each (other, &m->site->processes)
			if ((*other)->name && !strcmp((*other)->name, name))
				*vec_push(m->arena, &p->after.list) = (*other)->name;
	}
}

static void make_component(struct making *m, const struct mesh_component *c)
{
	struct scope scope = { .mesh = m->site->model->mesh, .node = m->site->node, .component = c };
	struct process *p = make_process(m, &c->process, &scope);

	make_after(m, c, p);
	p->name = arena_printf(m->arena, "component-%s", c->name);
	p->title = arena_printf(m->arena, "component %s", c->name);
	p->rank = c->rank;
}

enum { RANK_SIDECAR = 1000000 };

static void make_workload(struct making *m, const struct mesh_service *s)
{
	struct workload *w = vec_push(m->arena, &m->site->workloads);
	struct scope scope = {
		.mesh = m->site->model->mesh, .node = m->site->node, .service = s, .sidecar = s->sidecar
	};
	struct process *p;

	*w = (struct workload){ s, s->sidecar, s->capture, NULL };
	if (!s->sidecar || !s->sidecar->process.command)
		return;
	p = make_process(m, &s->sidecar->process, &scope);
	p->name = arena_printf(m->arena, "sidecar-%s.%s", s->namespace, s->name);
	p->title = arena_printf(m->arena, "sidecar of %s/%s", s->namespace, s->name);
	p->rank = RANK_SIDECAR;
	p->netns = s->netns;
	w->process = p;
}

/* ---- the site ---- */

/* A machine may call itself vm1.example.com where the source calls it vm1, or the other way round. */
static bool same_first_label(const char *name, const char *other)
{
	size_t n = strcspn(name, ".");

	return n == strcspn(other, ".") && !strncasecmp(name, other, n);
}

static const char *suggest_node(const struct model *m, const char *name, const struct diags *d)
{
	const char **names = arena_alloc(d->arena, m->nodes.n * sizeof(*names));

	for (size_t i = 0; i < m->nodes.n; i++) {
		names[i] = m->nodes.items[i].name;
		if (same_first_label(name, names[i]))
			return arena_printf(d->arena, ", did you mean '%s'?", names[i]);
	}
	return diag_suggest(d, name, names, m->nodes.n);
}

static const struct mesh_node *find_node(const struct model *m, const char *name, struct diags *d)
{
	const struct mesh_node *node = model_find_node(m, name);

	if (!node)
		diag_failure(d, "nothing is done for this node: the source has no MeshNode '%s'%s", name,
			suggest_node(m, name, d));
	return node;
}

static void add_sources(const struct process_spec *spec, struct arena *a, struct texts *out)
{
	node_each (file, spec->files)
		if (source_path(file))
			*vec_push(a, &out->list) = source_path(file);
}

bool site_sources(const struct model *m, const char *node_name, const struct tree *tree, struct arena *a,
	struct texts *out, struct diags *d)
{
	const struct mesh_node *node = find_node(m, node_name, d);
	struct placed placed;

	(void)tree;
	if (!node)
		return false;
	placed = place_of(m, node);
	for (size_t i = 0; i < placed.n_services; i++)
		if (placed.services[i]->sidecar)
			add_sources(&placed.services[i]->sidecar->process, a, out);
	for (size_t i = 0; i < placed.n_components; i++)
		add_sources(&placed.components[i]->process, a, out);
	if (m->mesh->api_ca_source)
		*vec_push(a, &out->list) = m->mesh->api_ca_source;
	return true;
}

static void read_api_ca(struct making *m)
{
	const char *path = m->site->model->mesh->api_ca_source;

	if (path)
		m->site->api_ca = source_find(m->tree, path)->content;
}

struct site *site_make(
	const struct model *model, const char *node, const struct tree *tree, struct arena *a, struct diags *d)
{
	struct site *site = arena_new(a, struct site);
	struct making m = { site, tree, a, d, true };
	struct placed placed;

	site->model = model;
	site->node = find_node(model, node, d);
	if (!site->node)
		return NULL;
	site->writes_mesh = model->mesh->writers.node ? selector_matches(&model->mesh->writers, site->node) : true;
	placed = place_of(model, site->node);
	for (size_t i = 0; i < placed.n_components; i++)
		make_component(&m, placed.components[i]);
	for (size_t i = 0; i < placed.n_services; i++)
		make_workload(&m, placed.services[i]);
	read_api_ca(&m);
	return m.ok ? site : NULL;
}
