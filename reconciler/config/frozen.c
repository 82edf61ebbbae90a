#include "config/frozen.h"

#include <string.h>

#include "base/str.h"

#define MAGIC "enmesh-documents 1"

enum { DEPTH_MAX = 256, HAS_KEY = 1, HAS_FILE = 2 };

/* ---- freezing ---- */

static void put(struct str *out, const void *data, size_t size)
{
	str_add_n(out, data, size);
}

static void put_u32(struct str *out, uint32_t value)
{
	put(out, &value, sizeof(value));
}

/* A NUL follows: the reader points to it. */
static void put_text(struct str *out, const char *text, size_t n)
{
	put_u32(out, (uint32_t)n);
	put(out, text, n);
	put(out, "", 1);
}

static void freeze_node(struct str *out, const struct node *n)
{
	const uint32_t numbers[] = { n->line, n->column, n->key_line, n->key_column, n->n };
	const uint8_t kinds[] = { (uint8_t)n->type, (uint8_t)((n->key ? HAS_KEY : 0) | (n->file ? HAS_FILE : 0)) };

	put(out, numbers, sizeof(numbers));
	put(out, kinds, sizeof(kinds));
	if (n->key)
		put_text(out, n->key, strlen(n->key));
	switch (n->type) {
	case NODE_NULL:
		break;
	case NODE_BOOL:
		put(out, n->boolean ? "1" : "0", 1);
		break;
	case NODE_INT:
		put(out, &n->integer, sizeof(n->integer));
		break;
	case NODE_REAL:
		put(out, &n->real, sizeof(n->real));
		break;
	case NODE_STRING:
		put_text(out, n->string, n->n);
		break;
	case NODE_LIST:
	case NODE_MAP:
		for (uint32_t i = 0; i < n->n; i++)
			freeze_node(out, &n->items[i]);
		break;
	}
}

struct bytes config_freeze(const struct config *config, const char *maker, struct arena *a)
{
	struct str out = { .arena = a };

	put_text(&out, MAGIC, strlen(MAGIC));
	put_text(&out, maker, strlen(maker));
	put_u32(&out, (uint32_t)config->files.n);
	vec_each (file, &config->files) {
		put_text(&out, file->file->path, strlen(file->file->path));
		put_u32(&out, (uint32_t)file->n);
		for (size_t i = 0; i < file->n; i++) {
			const struct document *doc = &config->documents.items[file->first + i];

			put_u32(&out, doc->kind);
			put_text(&out, doc->name, strlen(doc->name));
			put_text(&out, doc->namespace ? doc->namespace : "",
				doc->namespace ? strlen(doc->namespace) : 0);
			freeze_node(&out, doc->root);
		}
	}
	return (struct bytes){ out.s, out.n };
}

/* ---- thawing ---- */

struct thawing {
	const char *at;
	size_t left;
	const char *file; /* of the nodes */
	struct arena *arena;
};

static bool get(struct thawing *t, void *to, size_t size)
{
	if (size > t->left)
		return false;
	memcpy(to, t->at, size);
	t->at += size;
	t->left -= size;
	return true;
}

static bool get_text(struct thawing *t, const char **text, uint32_t *n)
{
	if (!get(t, n, sizeof(*n)) || *n >= t->left || t->at[*n] || memchr(t->at, 0, *n))
		return false;
	*text = t->at;
	t->at += *n + 1;
	t->left -= *n + 1;
	return true;
}

static bool thaw_node(struct thawing *t, struct node *out, int depth);

static bool thaw_items(struct thawing *t, struct node *n, int depth)
{
	struct node *items;

	/* Each takes more than one byte: that keeps a wrong number from asking for much. */
	if (!n->n)
		return true;
	if (n->n > t->left || depth > DEPTH_MAX)
		return false;
	items = arena_alloc(t->arena, n->n * sizeof(*items));
	n->items = items;
	for (uint32_t i = 0; i < n->n; i++)
		if (!thaw_node(t, &items[i], depth + 1) || (n->type == NODE_MAP && !items[i].key))
			return false;
	return true;
}

static bool thaw_node(struct thawing *t, struct node *out, int depth)
{
	uint32_t numbers[5], size;
	uint8_t type, flags;
	char truth;

	if (!get(t, numbers, sizeof(numbers)) || !get(t, &type, 1) || !get(t, &flags, 1) || type > NODE_MAP)
		return false;
	*out = (struct node){ .file = flags & HAS_FILE ? t->file : NULL,
		.line = numbers[0],
		.column = numbers[1],
		.key_line = numbers[2],
		.key_column = numbers[3],
		.type = type,
		.n = numbers[4] };
	if (flags & HAS_KEY && !get_text(t, &out->key, &size))
		return false;
	switch (out->type) {
	case NODE_NULL:
		return true;
	case NODE_BOOL:
		if (!get(t, &truth, 1))
			return false;
		out->boolean = truth == '1';
		return true;
	case NODE_INT:
		return get(t, &out->integer, sizeof(out->integer));
	case NODE_REAL:
		return get(t, &out->real, sizeof(out->real));
	case NODE_STRING:
		return get_text(t, &out->string, &size) && size == out->n;
	case NODE_LIST:
	case NODE_MAP:
		return thaw_items(t, out, depth);
	}
	return false;
}

static bool thaw_document(struct thawing *t, struct document *doc)
{
	struct node *root = arena_new(t->arena, struct node);
	const char *namespace;
	uint32_t kind, size;

	if (!get(t, &kind, sizeof(kind)) || kind > KIND_OBJECT || !get_text(t, &doc->name, &size) ||
		!get_text(t, &namespace, &size) || !thaw_node(t, root, 0) || root->type != NODE_MAP)
		return false;
	node_link(root);
	doc->kind = (enum kind)kind;
	doc->namespace = *namespace ? namespace : NULL;
	doc->root = root;
	doc->spec = kind == KIND_OBJECT ? NULL : node_get(root, "spec");
	return true;
}

static bool thaw_file(struct thawing *t, const struct tree *tree, struct config *out)
{
	struct config_file *file = vec_push(t->arena, &out->files);
	const char *path;
	uint32_t size, n;

	if (!get_text(t, &path, &size) || !get(t, &n, sizeof(n)))
		return false;
	*file = (struct config_file){ source_find(tree, path), out->documents.n, n, true };
	if (!file->file || !file->file->document)
		return false;
	t->file = file->file->shown;
	for (uint32_t i = 0; i < n; i++)
		if (!thaw_document(t, vec_push(t->arena, &out->documents)))
			return false;
	return true;
}

bool config_thaw(const struct bytes *frozen, const char *maker, const struct tree *tree, struct arena *a,
	struct config *out)
{
	struct thawing t = { .at = frozen->data, .left = frozen->size, .arena = a };
	const char *magic, *who;
	uint32_t size, n;

	*out = (struct config){ .tree = tree };
	if (!get_text(&t, &magic, &size) || strcmp(magic, MAGIC) != 0 || !get_text(&t, &who, &size) ||
		strcmp(who, maker) != 0 || !get(&t, &n, sizeof(n)))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!thaw_file(&t, tree, out))
			return false;
	return !t.left;
}
