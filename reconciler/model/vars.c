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
	const char *names[array_len(variables)], *suggestion;
	size_t n = 0;

	for (size_t i = 0; i < array_len(variables); i++)
		if (is_known_in(&variables[i], sidecar))
			names[n++] = variables[i].name;
	suggestion = diag_suggest(d, name, names, n);
	if (!*suggestion)
		suggestion = arena_printf(d->arena,
			"; the variables are node.*, mesh.*, %s and label:KEY, and $${ is a literal ${",
			sidecar ? "service.*, sidecar.*" : "component.*");
	return diag_error(d, pos, "unknown variable ${%s}%s", name, suggestion);
}

/* VARIABLE_COUNT: there is no such variable there. */
static enum variable_id find(const char *name, bool sidecar)
{
	for (size_t i = 0; i < array_len(variables); i++)
		if (!strcmp(variables[i].name, name) && is_known_in(&variables[i], sidecar))
			return (enum variable_id)i;
	return VARIABLE_COUNT;
}

/* mesh.discovery.host: spec.controlPlane.discovery is missing. */
static bool no_value(const char *name, struct pos pos, struct diags *d)
{
	const char *field = name + strlen("mesh.");

	return diag_error(d, pos, "${%s} has no value: the Mesh does not say spec.controlPlane.%.*s", name,
		(int)strcspn(field, "."), field);
}

/* One text, gone through once. Values are appended and never looked at again: nothing in one is taken for a
 * variable. */
struct walk {
	const struct scope *scope;      /* NULL: the text is only checked, */
	const struct vars_place *place; /* there, */
	struct process_spec *spec;      /* and this gets its labels */
	struct pos pos;
	struct arena *arena;
	struct diags *diags;
	struct str out;
	bool lacks_value; /* one such error is enough for a text: a host and its port are missing together */
};

static bool note_label(struct walk *w, const char *key)
{
	vec_each (use, &w->spec->label_uses)
		if (!strcmp(use->key, key))
			return true;
	if (w->spec->label_uses.n == VARS_LABELS_MAX)
		return diag_error(
			w->diags, w->pos, "a process takes at most %d labels from its node", VARS_LABELS_MAX);
	*vec_push(w->arena, &w->spec->label_uses) = (struct label_use){ key, w->place->node };
	return true;
}

static bool label(struct walk *w, const char *key)
{
	const struct mesh_node *node = w->scope ? w->scope->node : NULL;
	const char *value;

	if (!*key)
		return diag_error(w->diags, w->pos, "${label:} lacks the name of a label");
	if (!node)
		return note_label(w, key);
	value = labels_get(&node->labels, key);
	if (!value)
		return diag_error(w->diags, w->pos, "the node '%s' has no label '%s'", node->name, key);
	str_add(&w->out, value);
	return true;
}

static bool variable(struct walk *w, const char *name)
{
	bool sidecar = w->scope ? w->scope->service != NULL : w->place->sidecar;
	struct scope mesh_only = { .mesh = w->scope ? NULL : w->place->mesh };
	const struct scope *scope = w->scope ? w->scope : &mesh_only;
	const char *value;
	enum variable_id id;

	if (str_starts(name, "label:"))
		return label(w, name + strlen("label:"));
	id = find(name, sidecar);
	if (id == VARIABLE_COUNT)
		return unknown(name, sidecar, w->pos, w->diags);
	if (!w->scope && (!scope->mesh || !str_starts(name, "mesh.")))
		return true;
	value = value_of(id, scope, w->arena);
	if (!value && !w->lacks_value)
		no_value(name, w->pos, w->diags);
	w->lacks_value |= !value;
	str_add(&w->out, value ? value : "");
	return value != NULL;
}

/* The next "${". Not strstr: the sanitizers' measures the whole rest of the text each time. */
static const char *find_start(const char *text)
{
	while ((text = strchr(text, '$')) && text[1] != '{')
		text++;
	return text;
}

static bool walk(struct walk *w, const char *text)
{
	bool ok = true;

	for (const char *dollar; (dollar = find_start(text));) {
		bool literal = dollar > text && dollar[-1] == '$';
		const char *end, *name;

		str_add_n(&w->out, text, (size_t)(dollar - text) - literal);
		text = dollar + 2;
		if (literal) {
			str_add(&w->out, "${");
			continue;
		}
		end = strchr(
			text, '}'); /* not for a literal: without any '}', each would look through all the rest */
		if (!end)
			return diag_error(w->diags, w->pos, "a ${ without its }; $${ is a literal ${");
		name = arena_strndup(w->arena, text, (size_t)(end - text));
		if (find_start(name))
			return diag_error(w->diags, w->pos,
				"a ${ within another; variables do not nest, and $${ is a literal ${");
		ok &= variable(w, name);
		text = end + 1;
	}
	str_add(&w->out, text);
	return ok;
}

const char *vars_expand(
	const char *text, const struct scope *scope, struct pos pos, struct arena *a, struct diags *d)
{
	struct walk w = { .scope = scope, .pos = pos, .arena = a, .diags = d, .out = { .arena = a } };

	if (!find_start(text))
		return text;
	return walk(&w, text) ? str_text(&w.out) : NULL;
}

bool vars_check(const char *text, const struct vars_place *place, struct process_spec *spec, struct arena *a,
	struct diags *d)
{
	struct walk w = { .place = place, .spec = spec, .arena = a, .diags = d, .out = { .arena = a } };

	w.pos = node_pos(place->node);
	return !find_start(text) || walk(&w, text);
}
