#include "model/mesh.h"

#include <stdlib.h>
#include <string.h>

#include "model/read.h"

/* Istio's groups, and what its objects need around them. RBAC and CRDs only when they are named. */
static void allow_default(struct mesh *mesh, struct arena *a)
{
	static const char *const groups[] = { "networking.istio.io", "security.istio.io", "telemetry.istio.io",
		"extensions.istio.io" };
	static const char *const core[] = { "Namespace", "ServiceAccount", "Service" };
	struct allowed_group *allowed;

	for (size_t i = 0; i < array_len(groups); i++)
		vec_push(a, &mesh->allow)->group = groups[i];
	allowed = vec_push(a, &mesh->allow);
	allowed->group = "";
	for (size_t i = 0; i < array_len(core); i++)
		*vec_push(a, &allowed->kinds.list) = core[i];
}

static void read_allow(const struct node *list, struct arena *a, struct mesh *mesh)
{
	if (!list)
		allow_default(mesh, a);
	node_each (it, list) {
		struct allowed_group *allowed = vec_push(a, &mesh->allow);

		allowed->group = node_get_text(it, "group");
		read_texts(node_get(it, "kinds"), a, &allowed->kinds);
	}
}

bool read_mesh(
	const struct document *doc, const struct model *m, struct arena *a, struct mesh *out, struct diags *d)
{
	const struct node *control = node_get(doc->spec, "controlPlane"), *api = node_get(control, "apiServer");
	const struct node *objects = node_get(doc->spec, "objects");
	const struct node *ca = node_get(api, "caSource");
	const char *ns = node_get_text(objects, "namespace");
	bool ok = !ca || read_source_path(ca, m, d);

	out->trust_domain = node_get_text(doc->spec, "trustDomain");
	out->id = node_get_text(doc->spec, "meshId");
	if (!out->id)
		out->id = out->trust_domain;
	out->requires = node_get_text(doc->spec, "requires");
	read_texts(node_get(api, "urls"), a, &out->api_servers);
	out->api_ca_source = node_text(ca);
	read_texts(node_path(control, "discovery", "addresses", NULL), a, &out->discovery);
	read_texts(node_path(control, "ca", "addresses", NULL), a, &out->ca);
	read_texts(node_path(control, "mixer", "addresses", NULL), a, &out->mixer);
	out->objects_namespace = ns ? ns : "istio-system";
	out->prune = node_get_bool(objects, "prune", true);
	read_allow(node_get(objects, "allow"), a, out);
	return read_selector(node_get(objects, "writers"), a, &out->writers, d) && ok;
}
