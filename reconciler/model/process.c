#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/read.h"
#include "model/vars.h"

uint16_t read_probe_port(const struct node *port, const struct mesh_sidecar *sidecar)
{
	const char *name = node_text(port);
	int64_t number = 0;

	if (!name || !sidecar) {
		node_int(port, &number);
		return (uint16_t)number;
	}
	return !strcmp(name, "inbound")    ? sidecar->inbound
	       : !strcmp(name, "outbound") ? sidecar->outbound
	       : !strcmp(name, "tunnel")   ? sidecar->tunnel
					   : sidecar->admin;
}

static void read_probe(const struct node *probe, const struct mesh_sidecar *sidecar, struct probe *out)
{
	const struct node *http = node_get(probe, "httpGet"),
			  *request = http ? http : node_get(probe, "tcpSocket");
	const char *scheme = node_get_text(http, "scheme");

	if (!probe)
		return;
	out->kind = http ? PROBE_HTTP : PROBE_TCP;
	out->host = node_get_text(request, "host");
	out->port = read_probe_port(node_get(request, "port"), sidecar);
	out->path = node_get_text(http, "path");
	out->https = scheme && !strcmp(scheme, "HTTPS");
	out->period_ms = (int)node_get_int(probe, "periodSeconds", 1) * 1000;
	out->timeout_ms = (int)node_get_int(probe, "timeoutSeconds", 1) * 1000;
}

struct checking {
	const struct model *model;
	bool sidecar;
	struct process_spec *spec;
	struct arena *arena;
	struct diags *diags;
};

static bool check_port(struct checking *c, const struct node *request)
{
	const struct node *port = node_get(request, "port");

	if (c->sidecar || !node_text(port))
		return true;
	return diag_error(
		c->diags, node_pos(port), "a component has no port '%s'; write the number", port->string);
}

static bool check_vars(struct checking *c, const struct node *n)
{
	struct vars_place place = { c->model->mesh, c->sidecar, n };
	bool ok = true;

	if (node_is(n, NODE_STRING))
		return vars_check(n->string, &place, c->spec, c->arena, c->diags);
	node_each (it, n)
		ok &= check_vars(c, it);
	return ok;
}

bool read_source_path(const struct node *field, const struct model *m, struct diags *d)
{
	const char **paths, *suggestion = "";

	if (!m->tree || source_find(m->tree, field->string))
		return true;
	if (d->errors < DIAG_SUGGESTIONS_MAX) {
		paths = arena_alloc(d->arena, m->tree->n_files * sizeof(*paths));
		for (size_t i = 0; i < m->tree->n_files; i++)
			paths[i] = m->tree->files[i].path;
		suggestion = diag_suggest(d, field->string, paths, m->tree->n_files);
	}
	return diag_error(d, node_pos(field), "the source has no file '%s'%s", field->string, suggestion);
}

/* A path without variables must name a file; what others become is seen when they are put in. */
static bool check_path(struct checking *c, const struct node *path)
{
	if (!check_vars(c, path))
		return false;
	return !str_ends(path->string, "/") ||
	       diag_error(c->diags, node_pos(path), "the path '%s' names a directory; a file is needed",
		       path->string);
}

static int by_path(const void *left, const void *right)
{
	const struct node *a = *(const struct node *const *)left, *b = *(const struct node *const *)right;
	int order = strcmp(node_get_text(a, "path"), node_get_text(b, "path"));

	return order ? order : (a > b) - (a < b);
}

static bool check_repeated(struct checking *c, const struct node *files)
{
	const struct node **order = arena_alloc(c->arena, files->n * sizeof(*order)), *first = NULL;
	bool ok = true;

	for (uint32_t i = 0; i < files->n; i++)
		order[i] = &files->items[i];
	qsort(order, files->n, sizeof(const struct node *), by_path);
	for (uint32_t i = 0; i < files->n; i++) {
		const struct node *path = node_get(order[i], "path");

		if (first && !strcmp(first->string, path->string))
			ok = diag_error(c->diags, node_pos(path), "the file %s is here twice, first at %s",
				path->string, pos_text(node_pos(first), c->arena));
		else
			first = path;
	}
	return ok;
}

static bool check_files(struct checking *c, const struct node *files)
{
	bool ok = true;

	node_each (file, files) {
		const struct node *source = node_get(file, "source");

		ok &= check_path(c, node_get(file, "path"));
		if (source)
			ok &= read_source_path(source, c->model, c->diags);
		if (node_get_bool(file, "template", false))
			ok &= check_vars(c, node_get(file, "text"));
	}
	if (files && files->n)
		ok &= check_repeated(c, files);
	return ok;
}

static bool check_process(struct checking *c)
{
	const struct process_spec *spec = c->spec;
	const struct node *probe = node_get(spec->node, "readiness"), *http = node_get(probe, "httpGet");
	bool ok = true;

	ok &= check_vars(c, spec->command);
	ok &= check_vars(c, spec->args);
	ok &= check_vars(c, spec->env);
	ok &= check_vars(c, spec->directory);
	ok &= check_vars(c, node_get(spec->drain, "command"));
	ok &= check_files(c, spec->files);
	ok &= check_port(c, http ? http : node_get(probe, "tcpSocket"));
	ok &= check_port(c, node_get(spec->drain, "httpPost"));
	return ok;
}

bool read_process(const struct node *spec, const struct mesh_sidecar *sidecar, const struct model *m,
	struct arena *a, struct process_spec *out, struct diags *d)
{
	struct checking c = { m, sidecar != NULL, out, a, d };

	out->node = spec;
	out->command = node_get(spec, "command");
	out->args = node_get(spec, "args");
	out->env = node_get(spec, "env");
	out->directory = node_get(spec, "workingDirectory");
	out->user = read_account(node_get(spec, "user"));
	out->group = read_account(node_get(spec, "group"));
	node_each (it, node_get(spec, "groups"))
		*vec_push(a, &out->groups) = read_account(it);
	out->files = node_get(spec, "files");
	out->drain = node_get(spec, "drain");
	out->stop_ms = (int)node_get_int(spec, "stopSeconds", 10) * 1000;
	read_probe(node_get(spec, "readiness"), sidecar, &out->readiness);
	return check_process(&c);
}

/*
 * Each is a listener of its own. Defaults come after what the document says, and have no place of their own.
 */
static bool check_sidecar_port(const struct node *ports, const struct node *port, struct diags *d)
{
	const struct node *other = ports->items;

	while (other != port && !node_equal(other, port))
		other++;
	if (other == port)
		return true;
	if (port->key_line)
		return diag_error(d, node_pos(port), "the ports '%s' and '%s' are both %d", other->key, port->key,
			(int)node_get_int(ports, port->key, 0));
	return diag_error(d, node_pos(other), "%d is the default of the port '%s', so '%s' needs another one",
		(int)node_get_int(ports, port->key, 0), port->key, other->key);
}

bool read_sidecar(const struct document *doc, const struct model *m, struct arena *a, struct mesh_sidecar *out,
	struct diags *d)
{
	const struct node *ports = node_get(doc->spec, "ports");
	bool ok = true;

	out->outbound = (uint16_t)node_get_int(ports, "outbound", 0);
	out->inbound = (uint16_t)node_get_int(ports, "inbound", 0);
	out->tunnel = (uint16_t)node_get_int(ports, "tunnel", 0);
	out->admin = (uint16_t)node_get_int(ports, "admin", 0);
	out->dns = (uint16_t)node_get_int(ports, "dns", 0);
	read_accounts(node_get(doc->spec, "proxyUsers"), a, &out->proxy_users);
	read_accounts(node_get(doc->spec, "proxyGroups"), a, &out->proxy_groups);
	if (!out->proxy_users.list.n && !out->proxy_groups.list.n)
		*vec_push(a, &out->proxy_users.list) = read_account(node_get(doc->spec, "user"));
	/* A proxy that somebody else runs may have one for several: Istio's had one port for both directions. */
	if (node_get(doc->spec, "command"))
		node_each (port, ports)
			ok &= check_sidecar_port(ports, port, d);
	return read_process(doc->spec, out, m, a, &out->process, d) && ok;
}

bool read_component(const struct document *doc, const struct model *m, struct arena *a, struct mesh_component *out,
	struct diags *d)
{
	bool ok = read_selector(node_get(doc->spec, "nodes"), a, &out->nodes, d);

	return read_process(doc->spec, NULL, m, a, &out->process, d) && ok;
}
