#include "model/read.h"

bool read_node(
	const struct document *doc, const struct model *m, struct arena *a, struct mesh_node *out, struct diags *d)
{
	(void)m;
	read_labels(node_path(doc->root, "metadata", "labels", NULL), a, &out->labels);
	read_texts(node_get(doc->spec, "addresses"), a, &out->addresses);
	out->network = node_get_text(doc->spec, "network");
	out->locality = node_get_text(doc->spec, "locality");
	read_texts(node_get(doc->spec, "adopt"), a, &out->adopt);
	return read_ports(node_get(doc->spec, "managementPorts"), a, &out->management_ports, d);
}
