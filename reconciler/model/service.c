#include <inttypes.h>
#include <string.h>

#include "model/read.h"

static bool read_service_ports(const struct node *list, struct arena *a, struct mesh_service *out, struct diags *d)
{
	bool ok = true;

	node_each (it, list) {
		struct service_port port = { node_get_text(it, "name"), node_get_text(it, "protocol"), 0, 0, it };

		port.port = (uint16_t)node_get_int(it, "port", 0);
		port.target = (uint16_t)node_get_int(it, "targetPort", port.port);
		vec_each (other, &out->ports) {
			if (!strcmp(other->name, port.name))
				ok = diag_error(d, node_pos(node_get(it, "name")),
					"two ports are called '%s', the first at %s", port.name,
					pos_text(node_pos(other->node), a));
			if (other->port == port.port)
				ok = diag_error(d, node_pos(node_get(it, "port")),
					"port %u is here twice, first at %s", port.port,
					pos_text(node_pos(other->node), a));
		}
		*vec_push(a, &out->ports) = port;
	}
	return ok;
}

/* NULL: the node's own. */
static const char *read_netns(const struct node *n, struct arena *a)
{
	const char *name = node_get_text(n, "name");
	int64_t pid = node_get_int(n, "pid", 0);

	if (name)
		return arena_printf(a, "/run/netns/%s", name);
	return pid ? arena_printf(a, "/proc/%" PRId64 "/ns/net", pid) : node_get_text(n, "path");
}

bool read_service(const struct document *doc, const struct model *m, struct arena *a, struct mesh_service *out,
	struct diags *d)
{
	const struct node *spec = doc->spec, *hosts = node_get(spec, "hosts");
	const char *account = node_get_text(spec, "serviceAccount");
	bool ok = read_selector(node_get(spec, "nodes"), a, &out->nodes, d);

	(void)m;
	out->namespace = doc->namespace;
	read_labels(node_path(doc->root, "metadata", "labels", NULL), a, &out->labels);
	out->service_account = account ? account : out->name;
	read_texts(hosts, a, &out->hosts);
	if (!hosts)
		*vec_push(a, &out->hosts.list) =
			arena_printf(a, "%s.%s.svc.cluster.local", out->name, out->namespace);
	read_texts(node_get(spec, "addresses"), a, &out->addresses);
	out->user = read_account(node_path(spec, "runAs", "user", NULL));
	out->group = read_account(node_path(spec, "runAs", "group", NULL));
	out->cgroup = node_text(node_path(spec, "runAs", "cgroup", NULL));
	out->netns = read_netns(node_get(spec, "networkNamespace"), a);
	return read_service_ports(node_get(spec, "ports"), a, out, d) && ok;
}
