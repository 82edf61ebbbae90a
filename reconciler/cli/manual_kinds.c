#include <string.h>

#include "base/json.h"
#include "cli/generate.h"
#include "config/config.h"
#include "config/embedded.h"

enum { NESTING_MAX = 12 };

struct place {
	const struct node *file; /* the schema that "#/…" is in */
	const struct node *schema;
};

/* Follows "$ref"; a description and default beside it win. */
static struct place follow(struct place p)
{
	const char *ref = node_get_text(p.schema, "$ref"), *hash = ref ? strchr(ref, '#') : NULL;
	struct place to = p;

	if (!hash)
		return p;
	if (hash != ref) {
		node_each (it, &embedded_schemas)
			if (!strncmp(it->key, ref, (size_t)(hash - ref)) &&
				strlen(it->key) == (size_t)(hash - ref))
				to.file = it;
	}
	to.schema = node_path(to.file, "$defs", strrchr(hash, '/') + 1, NULL);
	return follow(to);
}

static const struct node *look(struct place p, const char *keyword)
{
	const struct node *own = node_get(p.schema, keyword);

	return own ? own : node_get(follow(p).schema, keyword);
}

/* "a port number from 1 to 65535", "one of redirect, none", "a string" … */
static const char *type_of(struct place p, struct arena *a)
{
	const struct node *title = look(p, "title"), *words = look(p, "enum"), *type = look(p, "type");
	const struct node *constant = look(p, "const");
	struct str out = { .arena = a };

	if (title)
		return title->string;
	if (constant)
		return node_text(constant);
	if (!words)
		return !node_text(type)                   ? "any value"
		       : !strcmp(type->string, "object")  ? "a map"
		       : !strcmp(type->string, "array")   ? "a list"
		       : !strcmp(type->string, "boolean") ? "true or false"
		       : !strcmp(type->string, "integer") ? "a whole number"
							  : "a string";
	node_each (it, words)
		str_printf(&out, "%s%s", it == words->items ? "one of " : ", ",
			node_text(it) ? it->string : json_write(it, JSON_ONE_LINE, a));
	return str_text(&out);
}

static bool required(const struct node *schema, const char *name)
{
	node_each (it, node_get(schema, "required"))
		if (!strcmp(it->string, name))
			return true;
	return false;
}

static void add_field(struct str *out, struct place field, const char *path, bool needed, struct arena *a)
{
	const struct node *description = look(field, "description"), *value = look(field, "default");

	str_printf(out, ".It Cm %s\n", mdoc_word(path, a));
	if (description)
		mdoc_text(out, description->string);
	mdoc_text(out, arena_printf(a, "Value: %s%s.", type_of(field, a), needed ? "; required" : ""));
	if (value && value->type != NODE_MAP)
		mdoc_text(out, arena_printf(a, "Default: %s.", json_write(value, JSON_ONE_LINE, a)));
}

static void add_fields(struct str *out, struct place p, const char *path, int depth, struct arena *a)
{
	struct place at = follow(p);
	struct place items = { at.file, node_get(at.schema, "items") };

	if (depth > NESTING_MAX)
		return;
	if (items.schema)
		add_fields(out, items, arena_printf(a, "%s[]", path), depth + 1, a);
	/* A selector and its like: one form is a word, the other one a map. */
	node_each (form, node_get(at.schema, "anyOf"))
		add_fields(out, (struct place){ at.file, form }, path, depth + 1, a);
	node_each (it, node_get(at.schema, "properties")) {
		struct place field = { at.file, it };
		const char *name = *path ? arena_printf(a, "%s.%s", path, it->key) : it->key;

		add_field(out, field, name, required(at.schema, it->key), a);
		add_fields(out, field, name, depth + 1, a);
	}
}

static void add_kind(struct str *out, const char *name, struct arena *a)
{
	const struct node *schema = node_get(&embedded_schemas, arena_printf(a, "%s.schema.json", name));
	const struct node *properties = node_get(schema, "properties");

	str_printf(out, ".Ss %s\n", name);
	mdoc_text(out, node_get_text(schema, "description"));
	str_add(out, ".Bl -tag -width Ds\n");
	node_each (it, properties) {
		if (!strcmp(it->key, "apiVersion") || !strcmp(it->key, "kind"))
			continue;
		add_fields(out, (struct place){ schema, it }, it->key, 0, a);
	}
	str_add(out, ".El\n");
}

const char *manual_kinds(struct arena *a)
{
	struct str out = { .arena = a };

	str_add(&out, ".\\\" Made from the schemas.\n.Dd " MDOC_DATE "\n.Dt ENMESH.YAML 5\n.Os\n.Sh NAME\n"
		      ".Nm enmesh.yaml\n.Nd documents that describe a mesh\n.Sh DESCRIPTION\n");
	mdoc_text(&out, "A source of enmesh is a directory of YAML files, named and laid out as you like. Each "
			"holds documents with "
			"apiVersion " CONFIG_API_VERSION
			" and one of the kinds below, or objects for the API server. Names "
			"that begin with a dot are left out, and so is what .enmeshignore in the root of the "
			"source matches, in "
			"the syntax of .gitignore. Unknown fields are errors.");
	str_add(&out, ".Pp\n");
	mdoc_text(&out,
		"An AgentConfig is no part of a source: it is the file /etc/enmesh/agent.yaml of one machine.");
	for (enum kind kind = KIND_MESH; kind <= KIND_AGENT_CONFIG; kind++)
		add_kind(&out, kind_name(kind), a);
	str_add(&out, ".Sh SEE ALSO\n.Xr enmesh 1 ,\n.Xr enmesh-init 1 ,\n.Xr enmesh-validate 1\n");
	return str_text(&out);
}
