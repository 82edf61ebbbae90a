#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "config/embedded.h"
#include "config/profile.h"
#include "config/schema.h"
#include "config/yaml.h"

static const struct kind_info {
	const char *name, *schema;
} kinds[] = {
	[KIND_MESH] = { "Mesh", "Mesh.schema.json" },
	[KIND_NODE] = { "MeshNode", "MeshNode.schema.json" },
	[KIND_SERVICE] = { "MeshService", "MeshService.schema.json" },
	[KIND_SIDECAR] = { "MeshSidecar", "MeshSidecar.schema.json" },
	[KIND_COMPONENT] = { "MeshComponent", "MeshComponent.schema.json" },
	[KIND_CAPTURE] = { "MeshCapture", "MeshCapture.schema.json" },
	[KIND_AGENT_CONFIG] = { "AgentConfig", "AgentConfig.schema.json" },
};

#define GROUP "enmesh.io"

struct reading {
	struct schema_set *schemas;
	struct arena *arena;
	struct diags *diags;
	struct config *out;
};

const char *kind_name(enum kind kind)
{
	return kind < array_len(kinds) ? kinds[kind].name : "object";
}

const char *embedded_text(const char *name)
{
	for (const struct embedded_text *t = embedded_texts; t->name; t++)
		if (!strcmp(t->name, name))
			return t->text;
	return NULL;
}

static bool find_kind(const char *name, enum kind *kind)
{
	for (size_t i = 0; i < array_len(kinds); i++) {
		if (strcmp(kinds[i].name, name))
			continue;
		*kind = (enum kind)i;
		return true;
	}
	return false;
}

static bool unknown_kind(const struct node *kind, struct diags *d)
{
	const char *names[array_len(kinds)], *nearest;

	for (size_t i = 0; i < array_len(kinds); i++)
		names[i] = kinds[i].name;
	nearest = str_nearest(kind->string, names, KIND_AGENT_CONFIG);
	return diag_error(d, node_pos(kind), "unknown kind '%s', %s'%s'%s", kind->string,
		nearest ? "did you mean " : "the kinds are ", nearest ? nearest : "Mesh",
		nearest ? "?" : ", MeshNode, MeshService, MeshSidecar, MeshComponent and MeshCapture");
}

/* The group of an apiVersion: "" for "v1". */
static const char *group_of(const char *api_version, struct arena *a)
{
	const char *slash = strchr(api_version, '/');

	return slash ? arena_strndup(a, api_version, (size_t)(slash - api_version)) : "";
}

static bool misspelt_group(const char *group)
{
	static const char *const ours[] = { GROUP };

	return strcmp(group, GROUP) && *group && str_nearest(group, ours, 1) != NULL;
}

/* One document of another group: enough is checked to name it. */
static void add_object(struct reading *r, const struct node *root)
{
	const struct node *metadata = node_get(root, "metadata"), *name = node_get(metadata, "name");
	const struct node *ns = node_get(metadata, "namespace");
	struct document *doc;

	if (!node_is(metadata, NODE_MAP) || !node_is(name, NODE_STRING) || !name->n) {
		diag_error(r->diags, node_pos(metadata ? metadata : root),
			"an object for the API server needs a name in metadata.name");
		return;
	}
	if (ns && !node_is(ns, NODE_STRING)) {
		diag_error(r->diags, node_pos(ns), "expected a namespace's name, found %s", node_kind(ns));
		return;
	}
	doc = vec_push(r->arena, &r->out->documents);
	*doc = (struct document){ KIND_OBJECT, name->string, node_text(ns), root, NULL, false };
}

static void add_ours(struct reading *r, const struct node *root, enum kind kind)
{
	const char *file = kinds[kind].schema;
	bool valid = schema_check(r->schemas, file, root, r->diags);
	const struct node *complete = root, *name = node_path(root, "metadata", "name", NULL);
	struct document *doc;

	if (valid) {
		complete = profile_apply(root, r->arena, r->diags);
		if (complete)
			complete = schema_complete(r->schemas, file, complete);
		else
			valid = false;
	}
	if (!node_is(name, NODE_STRING))
		return;
	doc = vec_push(r->arena, &r->out->documents);
	doc->kind = kind;
	doc->name = name->string;
	doc->root = valid ? complete : root;
	doc->namespace = node_text(node_path(doc->root, "metadata", "namespace", NULL));
	doc->spec = node_get(doc->root, "spec");
	doc->broken = !valid;
}

static bool text_field(const struct node *root, const char *name, const struct node **out, struct diags *d)
{
	*out = node_get(root, name);
	if (!*out)
		return diag_error(d, node_pos(root),
			"no enmesh document and no Kubernetes object: the field '%s' is missing; name the file in "
			".enmeshignore if it is something else",
			name);
	if (!node_is(*out, NODE_STRING))
		return diag_error(d, node_pos(*out), "expected a string, found %s", node_kind(*out));
	return true;
}

static void add_document(struct reading *r, const struct node *root)
{
	const struct node *version, *kind;
	const char *group;
	enum kind known;

	if (!node_is(root, NODE_MAP)) {
		diag_error(r->diags, node_pos(root),
			"expected a document with apiVersion and kind, found %s; name the file in .enmeshignore "
			"if it is "
			"something else",
			node_kind(root));
		return;
	}
	if (!text_field(root, "apiVersion", &version, r->diags) || !text_field(root, "kind", &kind, r->diags))
		return;
	group = group_of(version->string, r->arena);
	if (misspelt_group(group)) {
		diag_error(r->diags, node_pos(version),
			"unknown apiVersion '%s', did you mean '" CONFIG_API_VERSION "'?", version->string);
	} else if (strcmp(group, GROUP)) {
		add_object(r, root);
	} else if (strcmp(version->string, CONFIG_API_VERSION)) {
		diag_error(r->diags, node_pos(version),
			"unknown apiVersion '%s'; this enmesh knows " CONFIG_API_VERSION, version->string);
	} else if (!find_kind(kind->string, &known)) {
		unknown_kind(kind, r->diags);
	} else if (known == KIND_AGENT_CONFIG) {
		diag_error(r->diags, node_pos(kind),
			"an AgentConfig is the configuration of one machine and belongs into "
			"/etc/enmesh/agent.yaml");
	} else {
		add_ours(r, root, known);
	}
}

static void schemas_release(struct schema_set **set)
{
	schema_set_finish(*set);
}

bool config_read(const struct tree *tree, struct arena *a, struct config *out, struct diags *d)
{
	scoped(schemas_release) struct schema_set *schemas = schema_set_new(&embedded_schemas, a);
	struct reading r = { schemas, a, d, out };
	size_t errors = d->errors;

	for (size_t i = 0; i < tree->n_files; i++) {
		const struct source_file *f = &tree->files[i];
		struct yaml_documents documents = { 0 };

		if (!f->document)
			continue;
		yaml_read(f->shown, &f->content, a, &documents, d);
		vec_each (root, &documents.list)
			add_document(&r, *root);
		if (out->documents.n > CONFIG_DOCUMENTS_MAX)
			return diag_failure(d, "the source %s holds more than %d documents", tree->origin,
				CONFIG_DOCUMENTS_MAX);
	}
	if (d->errors == errors && !out->documents.n)
		return diag_failure(d, "the source %s holds no documents: its files are empty", tree->origin);
	return d->errors == errors;
}

const struct node *config_read_agent(const char *shown, const struct bytes *text, struct arena *a, struct diags *d)
{
	scoped(schemas_release) struct schema_set *schemas = schema_set_new(&embedded_schemas, a);
	const char *schema = kinds[KIND_AGENT_CONFIG].schema;
	struct yaml_documents documents = { 0 };

	if (!yaml_read(shown, text, a, &documents, d))
		return NULL;
	if (documents.list.n != 1) {
		diag_error(d, (struct pos){ .file = shown }, "expected one AgentConfig, found %zu documents",
			documents.list.n);
		return NULL;
	}
	if (!schema_check(schemas, schema, documents.list.items[0], d))
		return NULL;
	return schema_complete(schemas, schema, documents.list.items[0]);
}
