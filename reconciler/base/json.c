#include "base/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/defs.h"
#include "base/str.h"

enum { DEPTH_MAX = 500 };

static void json_release(json_t **j)
{
	json_decref(*j);
}

static void text_release(char **s)
{
	free(*s);
}

static bool convert(json_t *from, struct node *to, struct arena *a, int depth, const char **problem)
{
	const char *key;
	json_t *item;
	size_t i;

	if (depth > DEPTH_MAX) {
		*problem = "nested deeper than 500 levels";
		return false;
	}
	switch (json_typeof(from)) {
	case JSON_NULL:
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		node_set_bool(to, json_is_true(from));
		break;
	case JSON_INTEGER:
		node_set_int(to, json_integer_value(from));
		break;
	case JSON_REAL:
		to->type = NODE_REAL;
		to->real = json_real_value(from);
		break;
	case JSON_STRING:
		node_set_text(a, to, json_string_value(from));
		break;
	case JSON_ARRAY:
		to->type = NODE_LIST;
		json_array_foreach (from, i, item)
			if (!convert(item, node_add(a, to), a, depth + 1, problem))
				return false;
		break;
	case JSON_OBJECT:
		to->type = NODE_MAP;
		json_object_foreach (from, key, item)
			if (!convert(item, node_put(a, to, arena_strdup(a, key)), a, depth + 1, problem))
				return false;
		break;
	}
	return true;
}

struct node *json_read(const char *text, size_t size, struct arena *a, const char **problem)
{
	json_error_t error;
	scoped(json_release) json_t *root =
		json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	struct node *n;

	if (!root) {
		*problem = arena_printf(a, "line %d: %s", error.line,
			json_error_code(&error) == json_error_null_character
				? "a string must not contain a NUL character"
				: error.text);
		return NULL;
	}
	n = arena_new(a, struct node);
	return convert(root, n, a, 0, problem) ? n : NULL;
}

/* JSON is UTF-8; a file name or what a process printed need not be. */
static json_t *build_string(const char *s, size_t n)
{
	struct arena a = { 0 };
	const char *valid = str_valid(s, n, &a);
	json_t *j = valid == s ? json_stringn_nocheck(s, n) : json_string_nocheck(valid);

	arena_finish(&a);
	return j;
}

static void put(json_t *object, const char *key, json_t *value)
{
	struct arena a = { 0 };

	if (json_object_set_new_nocheck(object, str_valid(key, strlen(key), &a), value) < 0)
		mem_exhausted();
	arena_finish(&a);
}

static json_t *build(const struct node *n)
{
	json_t *j;

	switch (n->type) {
	case NODE_NULL:
		return json_null();
	case NODE_BOOL:
		return json_boolean(n->boolean);
	case NODE_INT:
		return json_integer(n->integer);
	case NODE_REAL:
		return json_real(n->real);
	case NODE_STRING:
		return build_string(n->string, n->n);
	case NODE_LIST:
		j = json_array();
		node_each (it, n)
			if (json_array_append_new(j, build(it)) < 0)
				mem_exhausted();
		return j;
	case NODE_MAP:
		j = json_object();
		node_each (it, n)
			put(j, it->key, build(it));
		return j;
	}
	return NULL;
}

const char *json_write(const struct node *n, enum json_style style, struct arena *a)
{
	scoped(json_release) json_t *root = build(n);
	size_t flags = JSON_ENCODE_ANY | (style == JSON_INDENTED ? JSON_INDENT(2) : JSON_COMPACT);
	scoped(text_release) char *text = json_dumps(root, flags);

	if (!text)
		mem_exhausted();
	return arena_strdup(a, text);
}
