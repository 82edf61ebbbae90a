#include <string.h>

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

static bool check_port(const struct node *request, bool sidecar, struct diags *d)
{
	const struct node *port = node_get(request, "port");

	if (sidecar || !node_text(port))
		return true;
	return diag_error(d, node_pos(port), "a component has no port '%s'; write the number", port->string);
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

static bool check_vars(const struct node *n, bool sidecar, struct diags *d)
{
	bool ok = true;

	if (node_is(n, NODE_STRING))
		return vars_check(n->string, sidecar, node_pos(n), d);
	node_each(it, n) ok &= check_vars(it, sidecar, d);
	return ok;
}

static bool check_files(const struct node *files, bool sidecar, struct arena *a, struct diags *d)
{
	bool ok = true;

	node_each(file, files)
	{
		const struct node *path = node_get(file, "path");

		ok &= check_vars(path, sidecar, d);
		if (node_get_bool(file, "template", false))
			ok &= check_vars(node_get(file, "text"), sidecar, d);
		for (const struct node *other = files->items; other != file; other++) {
			if (strcmp(node_get_text(other, "path"), path->string))
				continue;
			ok = diag_error(d, node_pos(path), "the file %s is here twice, first at %s", path->string,
				pos_text(node_pos(other), a));
		}
	}
	return ok;
}

bool read_process(const struct node *spec, const struct mesh_sidecar *sidecar, struct arena *a,
	struct process_spec *out, struct diags *d)
{
	const struct node *probe = node_get(spec, "readiness"), *http = node_get(probe, "httpGet");
	bool own_ports = sidecar != NULL, ok = true;

	out->node = spec;
	out->command = node_get(spec, "command");
	out->args = node_get(spec, "args");
	out->env = node_get(spec, "env");
	out->directory = node_get(spec, "workingDirectory");
	out->user = read_account(node_get(spec, "user"));
	out->group = read_account(node_get(spec, "group"));
	node_each(it, node_get(spec, "groups")) * vec_push(a, &out->groups) = read_account(it);
	out->files = node_get(spec, "files");
	out->drain = node_get(spec, "drain");
	out->stop_ms = (int)node_get_int(spec, "stopSeconds", 10) * 1000;
	read_probe(probe, sidecar, &out->readiness);

	ok &= check_vars(out->command, own_ports, d);
	ok &= check_vars(out->args, own_ports, d);
	ok &= check_vars(out->env, own_ports, d);
	ok &= check_vars(out->directory, own_ports, d);
	ok &= check_vars(node_get(out->drain, "command"), own_ports, d);
	ok &= check_files(out->files, own_ports, a, d);
	ok &= check_port(http ? http : node_get(probe, "tcpSocket"), own_ports, d);
	ok &= check_port(node_get(out->drain, "httpPost"), own_ports, d);
	return ok;
}

bool read_sidecar(const struct document *doc, struct arena *a, struct mesh_sidecar *out, struct diags *d)
{
	const struct node *ports = node_get(doc->spec, "ports");
	bool ok = true;

	out->outbound = (uint16_t)node_get_int(ports, "outbound", 0);
	out->inbound = (uint16_t)node_get_int(ports, "inbound", 0);
	out->tunnel = (uint16_t)node_get_int(ports, "tunnel", 0);
	out->admin = (uint16_t)node_get_int(ports, "admin", 0);
	for (uint32_t i = 0; i < ports->n; i++)
		for (uint32_t j = 0; j < i; j++)
			if (ports->items[i].integer == ports->items[j].integer)
				ok = diag_error(d, node_pos(&ports->items[i]),
					"the ports '%s' and '%s' are both %d", ports->items[j].key,
					ports->items[i].key, (int)ports->items[i].integer);
	return read_process(doc->spec, out, a, &out->process, d) && ok;
}

bool read_component(const struct document *doc, struct arena *a, struct mesh_component *out, struct diags *d)
{
	bool ok = read_selector(node_get(doc->spec, "nodes"), a, &out->nodes, d);

	return read_process(doc->spec, NULL, a, &out->process, d) && ok;
}
