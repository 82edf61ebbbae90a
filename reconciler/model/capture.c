#include <string.h>

#include "model/read.h"

bool read_capture(const struct document *doc, const struct model *m, struct arena *a, struct mesh_capture *out,
	struct diags *d)
{
	const struct node *inbound = node_get(doc->spec, "inbound"), *outbound = node_get(doc->spec, "outbound");
	const struct node *ports = node_get(inbound, "ports"), *cidrs = node_get(outbound, "cidrs");
	bool ok;

	(void)m;
	out->mode = strcmp(node_get_text(doc->spec, "mode"), "none") ? CAPTURE_REDIRECT : CAPTURE_NONE;
	out->inbound = node_is(ports, NODE_LIST)         ? INBOUND_LIST
		       : strcmp(node_text(ports), "all") ? INBOUND_SERVICE
							 : INBOUND_ALL;
	read_ports(ports, a, &out->inbound_ports);
	read_ports(node_get(inbound, "excludePorts"), a, &out->inbound_exclude);
	out->outbound_all = node_is(cidrs, NODE_STRING);
	ok = read_cidrs(cidrs, a, &out->outbound_cidrs, d);
	ok &= read_cidrs(node_get(outbound, "excludeCidrs"), a, &out->outbound_exclude, d);
	read_ports(node_get(outbound, "ports"), a, &out->outbound_ports);
	read_ports(node_get(outbound, "excludePorts"), a, &out->outbound_exclude_ports);
	read_texts(node_get(doc->spec, "excludeInterfaces"), a, &out->exclude_interfaces);
	out->allow_management_ports = node_get_bool(doc->spec, "allowManagementPorts", false);
	return ok;
}
