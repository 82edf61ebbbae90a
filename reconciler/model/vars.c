#include "model/vars.h"

#include <string.h>

#include "base/str.h"
#include "model/read.h"

/* Where a variable is known. */
enum where { ANYWHERE, IN_SIDECAR, IN_COMPONENT };

static const char *first(const struct texts *t)
{
	return t->list.n ? t->list.items[0] : NULL;
}

static const char *host_of(const struct texts *t, struct arena *a)
{
	const char *endpoint = first(t);
	size_t n = endpoint ? (size_t)(strrchr(endpoint, ':') - endpoint) : 0;

	if (!endpoint)
		return NULL;
	return endpoint[0] == '[' ? arena_strndup(a, endpoint + 1, n - 2) : arena_strndup(a, endpoint, n);
}

static const char *port_of(const struct texts *t)
{
	return t->list.n ? strrchr(t->list.items[0], ':') + 1 : NULL;
}

static const char *number(unsigned n, struct arena *a)
{
	return arena_printf(a, "%u", n);
}

/* An optional field is the empty string where its document leaves it out; a missing endpoint is an error. */
static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* clang-format off */
/* Identifier, name, where it is known, value. */
#define VARIABLES(V) \
	V(NODE_NAME, "node.name", ANYWHERE, s->node->name) \
	V(NODE_ADDRESS, "node.address", ANYWHERE, first(&s->node->addresses)) \
	V(NODE_NETWORK, "node.network", ANYWHERE, or_empty(s->node->network)) \
	V(NODE_LOCALITY, "node.locality", ANYWHERE, or_empty(s->node->locality)) \
	V(MESH_NAME, "mesh.name", ANYWHERE, s->mesh->name) \
	V(MESH_ID, "mesh.id", ANYWHERE, s->mesh->id) \
	V(MESH_TRUST_DOMAIN, "mesh.trustDomain", ANYWHERE, s->mesh->trust_domain) \
	V(MESH_API_SERVER, "mesh.apiServer", ANYWHERE, first(&s->mesh->api_servers)) \
	V(MESH_DISCOVERY, "mesh.discovery", ANYWHERE, first(&s->mesh->discovery)) \
	V(MESH_DISCOVERY_HOST, "mesh.discovery.host", ANYWHERE, host_of(&s->mesh->discovery, a)) \
	V(MESH_DISCOVERY_PORT, "mesh.discovery.port", ANYWHERE, port_of(&s->mesh->discovery)) \
	V(MESH_CA, "mesh.ca", ANYWHERE, first(s->mesh->ca.list.n ? &s->mesh->ca : &s->mesh->discovery)) \
	V(MESH_MIXER, "mesh.mixer", ANYWHERE, first(&s->mesh->mixer)) \
	V(MESH_MIXER_HOST, "mesh.mixer.host", ANYWHERE, host_of(&s->mesh->mixer, a)) \
	V(MESH_MIXER_PORT, "mesh.mixer.port", ANYWHERE, port_of(&s->mesh->mixer)) \
	V(SERVICE_NAME, "service.name", IN_SIDECAR, s->service->name) \
	V(SERVICE_NAMESPACE, "service.namespace", IN_SIDECAR, s->service->namespace) \
	V(SERVICE_SERVICE_ACCOUNT, "service.serviceAccount", IN_SIDECAR, s->service->service_account) \
	V(SIDECAR_NAME, "sidecar.name", IN_SIDECAR, s->sidecar->name) \
	V(SIDECAR_PORTS_OUTBOUND, "sidecar.ports.outbound", IN_SIDECAR, number(s->sidecar->outbound, a)) \
	V(SIDECAR_PORTS_INBOUND, "sidecar.ports.inbound", IN_SIDECAR, number(s->sidecar->inbound, a)) \
	V(SIDECAR_PORTS_TUNNEL, "sidecar.ports.tunnel", IN_SIDECAR, number(s->sidecar->tunnel, a)) \
	V(SIDECAR_PORTS_ADMIN, "sidecar.ports.admin", IN_SIDECAR, number(s->sidecar->admin, a)) \
	V(COMPONENT_NAME, "component.name", IN_COMPONENT, s->component->name)
/* clang-format on */

#define IDENTIFIER(id, name, where, value) id,
#define ROW(id, name, where, value) { name, where },
#define CASE(id, name, where, value)                                                                              \
	case id:                                                                                                  \
		return value;

enum variable_id { VARIABLES(IDENTIFIER) VARIABLE_COUNT };

static const struct variable {
	const char *name;
	enum where where;
} variables[VARIABLE_COUNT] = { VARIABLES(ROW) };

static const char *value_of(enum variable_id id, const struct scope *s, struct arena *a)
{
	switch (id) {
		VARIABLES(CASE)
	case VARIABLE_COUNT:
		break;
	}
	return NULL;
}

static bool is_known_in(const struct variable *v, bool sidecar)
{
	return v->where == ANYWHERE || v->where == (sidecar ? IN_SIDECAR : IN_COMPONENT);
}

static bool unknown(const char *name, bool sidecar, struct pos pos, struct diags *d)
{
	const char *names[array_len(variables)], *nearest;
	size_t n = 0;

	for (size_t i = 0; i < array_len(variables); i++)
		if (is_known_in(&variables[i], sidecar))
			names[n++] = variables[i].name;
	nearest = str_nearest(name, names, n);
	if (nearest)
		return diag_error(d, pos, "unknown variable ${%s}, did you mean ${%s}?", name, nearest);
	return diag_error(d, pos,
		"unknown variable ${%s}; the variables are node.*, mesh.*, %s and label:KEY, and $${ is a literal "
		"${",
		name, sidecar ? "service.*, sidecar.*" : "component.*");
}

static bool find(const char *name, bool sidecar, enum variable_id *variable, struct pos pos, struct diags *d)
{
	for (size_t i = 0; i < array_len(variables); i++) {
		if (strcmp(variables[i].name, name) || !is_known_in(&variables[i], sidecar))
			continue;
		*variable = (enum variable_id)i;
		return true;
	}
	return unknown(name, sidecar, pos, d);
}

static bool add_value(const char *name, const struct scope *s, struct pos pos, struct str *out, struct diags *d)
{
	const char *value;
	enum variable_id variable;

	if (str_starts(name, "label:")) {
		value = labels_get(&s->node->labels, name + strlen("label:"));
		if (!value)
			return diag_error(
				d, pos, "the node '%s' has no label '%s'", s->node->name, name + strlen("label:"));
	} else {
		if (!find(name, s->service != NULL, &variable, pos, d))
			return false;
		value = value_of(variable, s, out->arena);
		if (!value)
			return diag_error(
				d, pos, "${%s} has no value: the Mesh does not say it in spec.controlPlane", name);
	}
	str_add(out, value);
	return true;
}

/*
 * Goes through the text once. `s` NULL: only the names are checked. Values are appended and never looked at again,
 * so nothing in a value can be taken for a variable.
 */
static bool walk(
	const char *text, const struct scope *s, bool sidecar, struct pos pos, struct str *out, struct diags *d)
{
	bool ok = true;

	for (const char *dollar; (dollar = strstr(text, "${"));) {
		const char *end = strchr(dollar, '}');
		bool literal = dollar > text && dollar[-1] == '$';
		const char *name;
		enum variable_id variable;

		str_add_n(out, text, (size_t)(dollar - text) - literal);
		if (literal) {
			str_add(out, "${");
			text = dollar + 2;
			continue;
		}
		if (!end)
			return diag_error(d, pos, "a ${ without its }; $${ is a literal ${");
		name = arena_strndup(d->arena, dollar + 2, (size_t)(end - dollar) - 2);
		if (strstr(name, "${"))
			return diag_error(
				d, pos, "a ${ within another; variables do not nest, and $${ is a literal ${");
		if (s)
			ok &= add_value(name, s, pos, out, d);
		else if (!str_starts(name, "label:") || !name[strlen("label:")])
			ok &= find(name, sidecar, &variable, pos, d);
		text = end + 1;
	}
	str_add(out, text);
	return ok;
}

const char *vars_expand(
	const char *text, const struct scope *scope, struct pos pos, struct arena *a, struct diags *d)
{
	struct str out = { .arena = a };

	if (!strstr(text, "${"))
		return text;
	return walk(text, scope, scope->service != NULL, pos, &out, d) ? str_text(&out) : NULL;
}

bool vars_check(const char *text, bool sidecar, struct pos pos, struct diags *d)
{
	struct str out = { .arena = d->arena };

	return !strstr(text, "${") || walk(text, NULL, sidecar, pos, &out, d);
}
