#include "targets/objects/shape.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/str.h"

const char *shape_metadata(const struct node *object, const char *name)
{
	return node_get_text(node_get(object, "metadata"), name);
}

const char *shape_label(const struct node *object, const char *key)
{
	return node_get_text(node_path(object, "metadata", "labels", NULL), key);
}

const char *shape_annotation(const struct node *object, const char *key)
{
	return node_get_text(node_path(object, "metadata", "annotations", NULL), key);
}

/* ---- the normal form ---- */

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* kubectl keeps a copy of what it applied in an annotation, a Secret's data too. */
static bool holds_secrets(const char *key)
{
	return !strcmp(key, "kubectl.kubernetes.io/last-applied-configuration");
}

static const char *secret_digest(const struct node *value, struct arena *a)
{
	const char *text = node_text(value) ? value->string : json_write(value, JSON_ONE_LINE, a);

	return arena_printf(a, "sha256:%s", digest_of(text, strlen(text), a));
}

static void put_digests(struct arena *a, struct node *to, const struct node *values)
{
	struct node *out = node_put_map(a, to, arena_strdup(a, values->key));

	node_each (it, values)
		node_put_text(a, out, arena_strdup(a, it->key), secret_digest(it, a));
}

static void put_copy(struct arena *a, struct node *to, const struct node *value)
{
	struct node *copy = node_copy(value, a);

	node_put_node(a, to, copy->key, copy);
}

static void put_annotations(struct arena *a, struct node *to, const struct node *annotations)
{
	struct node *out = node_put_map(a, to, "annotations");

	node_each (it, annotations)
		if (holds_secrets(it->key))
			node_put_text(a, out, it->key, secret_digest(it, a));
		else
			put_copy(a, out, it);
}

static void put_metadata(struct arena *a, struct node *to, const struct node *metadata, bool secret)
{
	static const char *const own[] = { "managedFields", "resourceVersion", "generation", "uid",
		"creationTimestamp", "selfLink" };
	struct node *out = node_put_map(a, to, "metadata");

	node_each (it, node_is(metadata, NODE_MAP) ? metadata : NULL) {
		if (is_one_of(it->key, own, array_len(own)))
			continue;
		if (secret && !strcmp(it->key, "annotations") && it->type == NODE_MAP)
			put_annotations(a, out, it);
		else
			put_copy(a, out, it);
	}
}

const struct node *shape_normal(
	const struct node *object, const char *api_version, const char *kind, struct arena *a)
{
	static const char *const apart[] = { "apiVersion", "kind", "metadata", "status" };
	static const char *const secrets[] = { "data", "stringData" };
	bool secret = !strcmp(kind, "Secret") && !strchr(api_version, '/');
	struct node *out = arena_new(a, struct node);

	out->type = NODE_MAP;
	/* The items of a list of built-in kinds do not say what they are. */
	node_put_text(a, out, "apiVersion", api_version);
	node_put_text(a, out, "kind", kind);
	put_metadata(a, out, node_get(object, "metadata"), secret);
	node_each (it, object) {
		if (is_one_of(it->key, apart, array_len(apart)))
			continue;
		if (secret && is_one_of(it->key, secrets, array_len(secrets)) && it->type == NODE_MAP)
			put_digests(a, out, it);
		else
			put_copy(a, out, it);
	}
	return out;
}

/* ---- the digest ---- */

/* The status has no part in an apply; its managers have none either. */
static void digest_managers(struct digest *d, const struct node *list)
{
	node_each (entry, list) {
		const char *subresource = node_get_text(entry, "subresource");

		if (subresource && !strcmp(subresource, "status"))
			continue;
		digest_add_text(d, "manager");
		node_each (it, node_is(entry, NODE_MAP) ? entry : NULL)
			if (strcmp(it->key, "time") != 0)
				digest_add_node(d, it);
	}
}

static void digest_metadata(struct digest *d, const struct node *metadata)
{
	static const char *const apart[] = { "managedFields", "resourceVersion", "generation", "creationTimestamp",
		"selfLink" };

	node_each (it, node_is(metadata, NODE_MAP) ? metadata : NULL)
		if (!is_one_of(it->key, apart, array_len(apart)))
			digest_add_node(d, it);
	digest_managers(d, node_get(metadata, "managedFields"));
	digest_add_text(d, "content");
}

const char *shape_digest(const struct node *object, const char *api_version, struct arena *a)
{
	static const char *const apart[] = { "apiVersion", "kind", "metadata", "status" };
	struct digest *d = digest_start(a);

	digest_add_text(d, api_version);
	digest_metadata(d, node_get(object, "metadata"));
	node_each (it, object)
		if (!is_one_of(it->key, apart, array_len(apart)))
			digest_add_node(d, it);
	return digest_end(d, a);
}

/* ---- changes ---- */

/* A copy of a map with one item replaced or added; it shares the contents of the others. */
static struct node with_item(const struct node *map, const char *key, const struct node *value, struct arena *a)
{
	struct node out = { .type = NODE_MAP };

	if (node_is(map, NODE_MAP))
		out = node_without(a, map, key);
	node_put_node(a, &out, key, value);
	return out;
}

const struct node *shape_with_label(const struct node *object, const char *key, const char *value, struct arena *a)
{
	const struct node *metadata = node_get(object, "metadata");
	struct node text = { 0 }, labels, described, *out = arena_new(a, struct node);

	node_set_text(a, &text, value);
	labels = with_item(node_get(metadata, "labels"), key, &text, a);
	described = with_item(metadata, "labels", &labels, a);
	*out = with_item(object, "metadata", &described, a);
	return out;
}

/* ---- marks ---- */

bool shape_labelled_by_us(const struct node *object)
{
	node_each (it, node_path(object, "metadata", "managedFields", NULL)) {
		const char *manager = node_get_text(it, "manager"), *operation = node_get_text(it, "operation");

		if (!manager || strcmp(manager, FIELD_MANAGER) || !operation || strcmp(operation, "Apply"))
			continue;
		if (node_path(it, "fieldsV1", "f:metadata", "f:labels", "f:" LABEL_PART_OF, NULL))
			return true;
	}
	return false;
}

/* ---- places ---- */

/* The end of what stands in brackets; a quoted value may hold one. */
static size_t key_length(const char *text)
{
	bool quoted = false;
	size_t n = 0;

	for (; text[n] && (quoted || text[n] != ']'); n++)
		quoted ^= text[n] == '"';
	return n;
}

/* `port=80` or `name="http"`; what the document leaves to a default is no contradiction. */
static bool has_key(const struct node *item, const char *key, size_t n, struct arena *a)
{
	const char *equals = memchr(key, '=', n), *value, *text;
	const struct node *field;

	if (!equals)
		return false;
	field = node_get(item, arena_strndup(a, key, (size_t)(equals - key)));
	value = arena_strndup(a, equals + 1, n - (size_t)(equals + 1 - key));
	text = field ? json_write(field, JSON_ONE_LINE, a) : value;
	return !strcmp(text, value);
}

static bool has_keys(const struct node *item, const char *keys, size_t n, struct arena *a)
{
	while (n) {
		size_t one = 0;
		bool quoted = false;

		for (; one < n && (quoted || keys[one] != ','); one++)
			quoted ^= keys[one] == '"';
		if (!has_key(item, keys, one, a))
			return false;
		one += one < n;
		keys += one;
		n -= one;
	}
	return true;
}

/* The item of a list by "3", or by the keys of a list map ("port=80,protocol=\"TCP\""). */
static const struct node *locate_item(const struct node *list, const char *text, size_t n, struct arena *a)
{
	if (!node_is(list, NODE_LIST))
		return NULL;
	if (isdigit((unsigned char)*text)) {
		unsigned long index = strtoul(text, NULL, 10);

		return index < list->n ? &list->items[index] : NULL;
	}
	node_each (it, list)
		if (it->type == NODE_MAP && has_keys(it, text, n, a))
			return it;
	return NULL;
}

const struct node *shape_locate(const struct node *object, const char *path, struct arena *a)
{
	const struct node *at = object;

	while (*path) {
		const struct node *next;
		size_t n;

		if (*path == '[') {
			n = key_length(++path);
			next = locate_item(at, path, n, a);
			path += n + (path[n] == ']');
		} else {
			path += *path == '.';
			n = strcspn(path, ".[");
			next = node_get(at, arena_strndup(a, path, n));
			path += n;
		}
		if (!next)
			return at;
		at = next;
	}
	return at;
}
