#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/version.h"
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
#define OR_IGNORE "; name the file in .enmeshignore if it is something else"

struct reading {
	struct schema_set *schemas;
	struct profiles profiles;
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
	const char *names[array_len(kinds)], *suggestion;

	for (size_t i = 0; i < array_len(kinds); i++)
		names[i] = kinds[i].name;
	suggestion = diag_suggest(d, kind->string, names, KIND_AGENT_CONFIG);
	if (!*suggestion) /* "Service" for MeshService */
		suggestion =
			diag_suggest(d, arena_printf(d->arena, "Mesh%s", kind->string), names, KIND_AGENT_CONFIG);
	if (!*suggestion)
		suggestion =
			"; the kinds are Mesh, MeshNode, MeshService, MeshSidecar, MeshComponent and MeshCapture";
	return diag_error(d, node_pos(kind), "unknown kind '%s'%s", kind->string, suggestion);
}

/* The group of an apiVersion: "" for "v1". */
static const char *group_of(const char *api_version, struct arena *a)
{
	const char *slash = strchr(api_version, '/');

	return slash ? arena_strndup(a, api_version, (size_t)(slash - api_version)) : "";
}

/* One document of another group: enough is checked to name it. */
static bool add_object(struct reading *r, const struct node *root)
{
	const struct node *metadata = node_get(root, "metadata"), *name = node_get(metadata, "name");
	const struct node *ns = node_get(metadata, "namespace");

	if (!node_is(name, NODE_STRING) || !name->n)
		return diag_error(r->diags, node_pos(metadata ? metadata : root),
			"an object for the API server needs a name in metadata.name" OR_IGNORE);
	if (ns && !node_is(ns, NODE_STRING))
		return diag_error(r->diags, node_pos(ns), "expected a namespace's name, found %s", node_kind(ns));
	*vec_push(r->arena, &r->out->documents) =
		(struct document){ KIND_OBJECT, name->string, node_text(ns), root, NULL, false };
	return true;
}

static bool add_ours(struct reading *r, const struct node *root, enum kind kind)
{
	const char *file = kinds[kind].schema;
	bool valid = schema_check(r->schemas, file, root, r->diags);
	const struct node *complete = root, *name = node_path(root, "metadata", "name", NULL);
	struct document *doc;

	if (valid)
		complete = profile_apply(&r->profiles, root, r->diags);
	valid &= complete != NULL;
	if (valid)
		complete = schema_complete(r->schemas, file, complete);
	if (!node_is(name, NODE_STRING))
		return false;
	doc = vec_push(r->arena, &r->out->documents);
	doc->kind = kind;
	doc->name = name->string;
	doc->root = valid ? complete : root;
	if (kind == KIND_SERVICE) {
		doc->namespace = node_text(node_path(doc->root, "metadata", "namespace", NULL));
		if (!doc->namespace)
			doc->namespace = "default"; /* of a broken one, which is not complete */
	}
	doc->spec = node_get(doc->root, "spec");
	doc->broken = !valid;
	return true;
}

/* Closer than str_nearest asks for: other people's files have fields of their own, such as version. */
static bool is_misspelt(const char *key, const char *name)
{
	size_t n = strlen(key), m = strlen(name);

	return n + 1 >= m && n <= m + 1 && str_nearest(key, &name, 1);
}

/* A field without which nobody knows what the document is. */
static bool missing_field(const struct node *root, const char *name, struct diags *d)
{
	node_each (it, root)
		if (is_misspelt(it->key, name))
			return diag_error(
				d, node_key_pos(it), "unknown field '%s', did you mean '%s'?", it->key, name);
	return diag_error(d, node_pos(root),
		"no enmesh document and no Kubernetes object: the field '%s' is missing" OR_IGNORE, name);
}

static bool text_field(const struct node *root, const char *name, const struct node **out, struct diags *d)
{
	*out = node_get(root, name);
	if (!*out)
		return missing_field(root, name, d);
	if ((*out)->broken)
		return false;
	if (!node_is(*out, NODE_STRING))
		return diag_error(d, node_pos(*out), "expected a string, found %s", node_kind(*out));
	return true;
}

/* An apiVersion that was meant to be ours: of a group that looks like it, or without group and of a kind of ours.
 */
static bool misspelt_version(const char *version, const char *group, const char *kind)
{
	static const char *const ours = GROUP;
	enum kind known;

	if (!*group)
		return find_kind(kind, &known) || !strcmp(version, GROUP);
	return strcmp(group, GROUP) && str_nearest(group, &ours, 1) != NULL;
}

/* False: nobody knows what the document is. */
static bool add_document(struct reading *r, const struct node *root)
{
	const struct node *version, *kind;
	const char *group;
	enum kind known;

	if (!node_is(root, NODE_MAP)) {
		if (!root->broken)
			diag_error(r->diags, node_pos(root),
				"expected a document with apiVersion and kind, found %s" OR_IGNORE,
				node_kind(root));
		return false;
	}
	if (!text_field(root, "apiVersion", &version, r->diags) || !text_field(root, "kind", &kind, r->diags))
		return false;
	group = group_of(version->string, r->arena);
	if (misspelt_version(version->string, group, kind->string))
		return diag_error(r->diags, node_pos(version),
			"unknown apiVersion '%s', did you mean '" CONFIG_API_VERSION "'?", version->string);
	if (strcmp(group, GROUP))
		return add_object(r, root);
	if (strcmp(version->string, CONFIG_API_VERSION))
		return diag_error(r->diags, node_pos(version),
			"unknown apiVersion '%s'; this enmesh knows " CONFIG_API_VERSION, version->string);
	if (!find_kind(kind->string, &known))
		return unknown_kind(kind, r->diags);
	if (known == KIND_AGENT_CONFIG)
		return diag_error(r->diags, node_pos(kind),
			"an AgentConfig is the configuration of one machine and belongs into "
			"/etc/enmesh/agent.yaml");
	return add_ours(r, root, known);
}

/* The condition of a Mesh, of whatever version of the format, that this enmesh does not meet; or NULL. */
static const struct node *unmet(const struct node *root, struct arena *a)
{
	const char *version = node_get_text(root, "apiVersion"), *kind = node_get_text(root, "kind");
	const struct node *requires = node_path(root, "spec", "requires", NULL);
	bool meets;

	if (!version || strcmp(group_of(version, a), GROUP) || !kind || strcmp(kind, kinds[KIND_MESH].name))
		return NULL;
	if (!node_is(requires, NODE_STRING) || !version_meets(version_text, requires->string, &meets) || meets)
		return NULL;
	return requires;
}

static void schemas_release(struct schema_set **set)
{
	schema_set_finish(*set);
}

/* What one file holds. */
struct part {
	const struct source_file *file;
	const struct config_file *shared; /* NULL: it was read here */
	struct yaml_documents documents;
	bool read; /* all of it is known */
};

struct parts {
	vec_of(struct part) list;
	size_t n_documents;
};

/* Both are in the order of paths. `at` is where the last one was found. */
static const struct config_file *find_same(const struct config *like, const struct source_file *f, size_t *at)
{
	for (; like && *at < like->files.n; (*at)++) {
		const struct config_file *other = &like->files.items[*at];
		int order = strcmp(other->file->path, f->path);

		if (order > 0)
			return NULL;
		if (!order)
			return other->whole && other->file->content.size == f->content.size &&
					       !memcmp(other->file->content.data, f->content.data, f->content.size)
				       ? other
				       : NULL;
	}
	return NULL;
}

/* Stops early where there are more mistakes than anybody reads. */
static bool read_files(
	const struct tree *tree, const struct config *like, struct parts *out, struct arena *a, struct diags *d)
{
	size_t at = 0;

	for (size_t i = 0; i < tree->n_files && !d->dropped; i++) {
		const struct source_file *f = &tree->files[i];
		struct part *part;

		if (!f->document)
			continue;
		part = vec_push(a, &out->list);
		part->file = f;
		part->shared = find_same(like, f, &at);
		part->read = part->shared || yaml_read(f->shown, &f->content, a, &part->documents, d);
		out->n_documents += part->shared ? part->shared->n : part->documents.list.n;
		if (out->n_documents > CONFIG_DOCUMENTS_MAX)
			return diag_failure(d, "the source %s holds more than %d documents", tree->origin,
				CONFIG_DOCUMENTS_MAX);
	}
	return !d->errors;
}

static bool is_met(const struct parts *parts, struct config *out, struct arena *a, struct diags *d)
{
	vec_each (part, &parts->list)
		vec_each (root, &part->documents.list) {
			const struct node *requires = unmet(*root, a);

			if (!requires)
				continue;
			out->requires = requires->string;
			return diag_error(d, node_pos(requires),
				"this source requires enmesh %s, and this is enmesh %s; nothing else of it was "
				"looked at",
				requires->string, version_text);
		}
	return true;
}

static void add_part(struct reading *r, struct part *part, const struct config *like)
{
	struct config_file file = { .file = part->file, .first = r->out->documents.n };

	for (size_t i = 0; part->shared && i < part->shared->n; i++)
		*vec_push(r->arena, &r->out->documents) = like->documents.items[part->shared->first + i];
	for (size_t i = 0; i < part->documents.list.n && !r->diags->dropped; i++)
		part->read &= add_document(r, part->documents.list.items[i]);
	file.n = r->out->documents.n - file.first;
	file.whole = part->read;
	r->out->n_read += !part->shared;
	*vec_push(r->arena, &r->out->files) = file;
	if (!part->read)
		*vec_push(r->arena, &r->out->unread) = part->file;
}

bool config_read_like(
	const struct tree *tree, const struct config *like, struct arena *a, struct config *out, struct diags *d)
{
	scoped(schemas_release) struct schema_set *schemas = schema_set_new(&embedded_schemas, a);
	struct reading r = { schemas, { .arena = a }, a, d, out };
	struct diags yaml = { .arena = a };
	struct parts parts = { 0 };
	size_t errors;
	bool ok;

	out->tree = tree;
	ok = read_files(tree, like, &parts, a, &yaml);
	if (!is_met(&parts, out, a, d))
		return false;
	diag_append(d, &yaml);
	errors = d->errors;
	if (ok && !parts.n_documents)
		return diag_failure(d, "the source %s holds no documents: its files are empty", tree->origin);
	vec_each (part, &parts.list)
		add_part(&r, part, like);
	return ok && d->errors == errors;
}

bool config_read(const struct tree *tree, struct arena *a, struct config *out, struct diags *d)
{
	return config_read_like(tree, NULL, a, out, d);
}

bool config_may_hold(const struct config *config, const char *name)
{
	vec_each (f, &config->unread)
		if (memmem((*f)->content.data, (*f)->content.size, name, strlen(name)))
			return true;
	return false;
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
