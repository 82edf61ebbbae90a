#include "base/node.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

struct pos node_pos(const struct node *n)
{
	return n ? (struct pos){ n->file, n->line, n->column, n } : (struct pos){ 0 };
}

struct pos node_key_pos(const struct node *n)
{
	return n->key_line ? (struct pos){ n->file, n->key_line, n->key_column, n } : node_pos(n);
}

const char *node_kind(const struct node *n)
{
	static const char *const kinds[] = {
		[NODE_NULL] = "nothing (null)",
		[NODE_BOOL] = "a boolean",
		[NODE_INT] = "an integer",
		[NODE_REAL] = "a number",
		[NODE_STRING] = "a string",
		[NODE_LIST] = "a list",
		[NODE_MAP] = "a map",
	};

	return kinds[n->type];
}

const char *node_text(const struct node *n)
{
	return node_is(n, NODE_STRING) ? n->string : NULL;
}

static bool real_is_int(double real, int64_t *value)
{
	/* The comparison comes first: the conversion of what does not fit is undefined. */
	if (!(real >= -0x1p63 && real < 0x1p63) || (double)(int64_t)real != real)
		return false;
	*value = (int64_t)real;
	return true;
}

bool node_int(const struct node *n, int64_t *value)
{
	if (node_is(n, NODE_REAL))
		return real_is_int(n->real, value);
	if (!node_is(n, NODE_INT))
		return false;
	*value = n->integer;
	return true;
}

const struct node *node_get(const struct node *map, const char *key)
{
	if (!node_is(map, NODE_MAP))
		return NULL;
	/* Most names differ in their first character: that saves most of the calls. */
	node_each (it, map)
		if (it->key[0] == key[0] && !strcmp(it->key, key))
			return it;
	return NULL;
}

const struct node *node_path(const struct node *n, ...)
{
	const char *key;
	va_list keys;

	va_start(keys, n);
	while (n && (key = va_arg(keys, const char *)))
		n = node_get(n, key);
	va_end(keys);
	return n;
}

const char *node_get_text(const struct node *map, const char *key)
{
	return node_text(node_get(map, key));
}

int64_t node_get_int(const struct node *map, const char *key, int64_t missing)
{
	int64_t value;

	return node_int(node_get(map, key), &value) ? value : missing;
}

bool node_get_bool(const struct node *map, const char *key, bool missing)
{
	const struct node *n = node_get(map, key);

	return node_is(n, NODE_BOOL) ? n->boolean : missing;
}

/* Through integers, for a double does not hold each of them. */
static bool numbers_equal(const struct node *a, const struct node *b)
{
	int64_t x, y;
	bool whole = node_int(a, &x);

	if (whole != node_int(b, &y))
		return false;
	return whole ? x == y : a->real == b->real;
}

static bool is_number(const struct node *n)
{
	return n->type == NODE_INT || n->type == NODE_REAL;
}

bool node_equal(const struct node *a, const struct node *b)
{
	if (!a || !b)
		return a == b;
	if (is_number(a) && is_number(b))
		return numbers_equal(a, b);
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case NODE_NULL:
		return true;
	case NODE_BOOL:
		return a->boolean == b->boolean;
	case NODE_STRING:
		return !strcmp(a->string, b->string);
	case NODE_LIST:
		for (uint32_t i = 0; a->n == b->n && i < a->n; i++)
			if (!node_equal(&a->items[i], &b->items[i]))
				return false;
		return a->n == b->n;
	case NODE_MAP:
		if (a->n != b->n)
			return false;
		node_each (it, a)
			if (!node_equal(it, node_get(b, it->key)))
				return false;
		return true;
	case NODE_INT:
	case NODE_REAL:
		break;
	}
	return false;
}

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t n)
{
	for (const unsigned char *c = data; n--; c++)
		hash = (hash ^ *c) * 0x100000001b3;
	return hash;
}

uint64_t node_hash(const struct node *n)
{
	bool number = is_number(n);
	unsigned char type = number ? NODE_INT : n->type;
	uint64_t hash = hash_bytes(0xcbf29ce484222325, &type, 1), items = 0;
	int64_t whole = 0;

	if (number)
		return node_int(n, &whole) ? hash_bytes(hash, &whole, sizeof(whole))
					   : hash_bytes(hash, &n->real, sizeof(n->real));
	if (n->type == NODE_BOOL)
		return hash_bytes(hash, &n->boolean, sizeof(n->boolean));
	if (n->type == NODE_STRING)
		return hash_bytes(hash, n->string, n->n);
	node_each (it, n) {
		uint64_t item = node_hash(it);

		/* A sum, for the order of a map does not matter. */
		if (n->type == NODE_MAP)
			items += hash_bytes(item, it->key, strlen(it->key));
		else
			items = hash_bytes(item, &items, sizeof(items));
	}
	return hash_bytes(hash, &items, sizeof(items));
}

static void add_pointer(const struct node *n, struct str *out)
{
	if (!n->parent)
		return;
	add_pointer(n->parent, out);
	str_add(out, "/");
	if (n->parent->type == NODE_LIST) {
		str_printf(out, "%u", n->index);
		return;
	}
	for (const char *c = n->key; *c; c++) {
		if (*c == '~')
			str_add(out, "~0");
		else if (*c == '/')
			str_add(out, "~1");
		else
			str_add_n(out, c, 1);
	}
}

const char *node_pointer(const struct node *n, struct arena *a)
{
	struct str out = { .arena = a };

	add_pointer(n, &out);
	return str_text(&out);
}

/* Room doubles whenever the number of items reaches a power of two, so no capacity needs to be kept. */
struct node *node_add(struct arena *a, struct node *list)
{
	struct node *items = NULL;

	if (list->n)
		memcpy(&items, &list->items, sizeof(items));
	if (!(list->n & (list->n - 1))) {
		struct node *grown = arena_alloc(a, (list->n ? list->n * 2 : 1) * sizeof(*grown));

		if (list->n)
			memcpy(grown, items, list->n * sizeof(*grown));
		list->items = items = grown;
	}
	return &items[list->n++];
}

struct node *node_put(struct arena *a, struct node *map, const char *key)
{
	struct node *n = node_add(a, map);

	n->key = key;
	return n;
}

void node_set_text(struct arena *a, struct node *n, const char *value)
{
	n->type = NODE_STRING;
	n->string = arena_strdup(a, value);
	n->n = (uint32_t)strlen(value);
}

void node_set_int(struct node *n, int64_t value)
{
	n->type = NODE_INT;
	n->integer = value;
}

void node_set_bool(struct node *n, bool value)
{
	n->type = NODE_BOOL;
	n->boolean = value;
}

void node_put_text(struct arena *a, struct node *map, const char *key, const char *value)
{
	if (value)
		node_set_text(a, node_put(a, map, key), value);
}

void node_put_int(struct arena *a, struct node *map, const char *key, int64_t value)
{
	node_set_int(node_put(a, map, key), value);
}

void node_put_bool(struct arena *a, struct node *map, const char *key, bool value)
{
	node_set_bool(node_put(a, map, key), value);
}

void node_add_text(struct arena *a, struct node *list, const char *value)
{
	node_set_text(a, node_add(a, list), value);
}

struct node *node_put_map(struct arena *a, struct node *map, const char *key)
{
	struct node *n = node_put(a, map, key);

	n->type = NODE_MAP;
	return n;
}

struct node *node_put_list(struct arena *a, struct node *map, const char *key)
{
	struct node *n = node_put(a, map, key);

	n->type = NODE_LIST;
	return n;
}

struct node *node_add_map(struct arena *a, struct node *list)
{
	struct node *n = node_add(a, list);

	n->type = NODE_MAP;
	return n;
}

void node_put_node(struct arena *a, struct node *map, const char *key, const struct node *value)
{
	struct node *n;

	if (!value)
		return;
	n = node_put(a, map, key);
	*n = *value;
	n->key = key;
}

static void copy_to(struct node *to, const struct node *from, struct arena *a)
{
	*to = (struct node){ .key = from->key ? arena_strdup(a, from->key) : NULL, .type = from->type };
	switch (from->type) {
	case NODE_NULL:
		break;
	case NODE_BOOL:
		to->boolean = from->boolean;
		break;
	case NODE_INT:
		to->integer = from->integer;
		break;
	case NODE_REAL:
		to->real = from->real;
		break;
	case NODE_STRING:
		to->string = arena_strndup(a, from->string, from->n);
		to->n = from->n;
		break;
	case NODE_LIST:
	case NODE_MAP:
		node_each (it, from)
			copy_to(node_add(a, to), it, a);
		break;
	}
}

struct node *node_copy(const struct node *n, struct arena *a)
{
	struct node *copy = arena_new(a, struct node);

	copy_to(copy, n, a);
	return copy;
}

static void clone_to(struct node *to, const struct node *from, const char *file, struct arena *a)
{
	struct node *items;

	*to = *from;
	to->parent = NULL;
	to->key = from->key ? arena_strdup(a, from->key) : NULL;
	to->file = from->file ? file : NULL;
	if (from->type == NODE_STRING)
		to->string = arena_strndup(a, from->string, from->n);
	if ((from->type != NODE_LIST && from->type != NODE_MAP) || !from->n)
		return;
	items = arena_alloc(a, from->n * sizeof(*items));
	for (uint32_t i = 0; i < from->n; i++)
		clone_to(&items[i], &from->items[i], file, a);
	to->items = items;
}

struct node *node_clone(const struct node *n, const char *file, struct arena *a)
{
	struct node *clone = arena_new(a, struct node);

	clone_to(clone, n, file, a);
	return clone;
}

struct node node_without(struct arena *a, const struct node *map, const char *key)
{
	struct node copy = *map;

	copy.n = 0;
	copy.items = NULL;
	node_each (it, map)
		if (strcmp(it->key, key))
			*node_add(a, &copy) = *it;
	return copy;
}

static void link_items(const struct node *parent)
{
	node_each (it, parent) {
		struct node *item;

		if (it->parent)
			continue;
		/* The tree is still being built: its items are ours to write. */
		memcpy(&item, &(const struct node *){ it }, sizeof(item));
		item->parent = parent;
		if (parent->type == NODE_LIST)
			item->index = (uint32_t)(it - parent->items);
		link_items(item);
	}
}

void node_link(struct node *root)
{
	link_items(root);
}
