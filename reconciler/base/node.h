/*
 * A value as YAML and JSON know it, which remembers where it was written. Documents, schemas, API objects and
 * outputs are all made of these. Nodes live in an arena (or are constant data) and are not changed once they are
 * read.
 */
#ifndef BASE_NODE_H
#define BASE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

enum node_type { NODE_NULL, NODE_BOOL, NODE_INT, NODE_REAL, NODE_STRING, NODE_LIST, NODE_MAP };

struct node {
	const struct node *parent; /* NULL at the root, and in values that node_link did not see */
	const char *key;           /* name in the parent, if that is a map */
	const char *file;          /* NULL: not from a file */
	uint32_t line, column;     /* from 1 */
	uint32_t key_line;
	union {
		uint32_t key_column;
		uint32_t index; /* of a list's item, once node_link has seen it */
	};
	enum node_type type : 8;
	bool broken : 1; /* it could not be read, and an error says so: nobody needs to complain again */
	uint32_t n;      /* bytes of the string, or number of items */
	union {
		bool boolean;
		int64_t integer;
		double real;
		const char *string;       /* ends with NUL, contains none */
		const struct node *items; /* of a list or map, in the order of writing */
	};
};

/* A place in a file. `file` NULL: nowhere in particular. `node` is what stands there, for the JSON pointer. */
struct pos {
	const char *file;
	uint32_t line, column;
	const struct node *node;
};

struct pos node_pos(const struct node *n);
struct pos node_key_pos(const struct node *n);       /* of the name that a map's item has */
const char *node_kind(const struct node *n);         /* "a string", "a list" … for messages */
const char *node_text(const struct node *n);         /* of a string; NULL for anything else and for NULL */
bool node_int(const struct node *n, int64_t *value); /* of an integer, which 80.0 is too */

/* False for NULL. */
static inline bool node_is(const struct node *n, enum node_type type)
{
	return n && n->type == type;
}

/* The item of that name, or NULL; `map` may be NULL or no map. */
const struct node *node_get(const struct node *map, const char *key);
/* Follows names down: node_path(n, "spec", "ports", NULL). */
const struct node *node_path(const struct node *n, ...) __attribute__((sentinel));
/* The string of that name, or NULL. */
const char *node_get_text(const struct node *map, const char *key);
int64_t node_get_int(const struct node *map, const char *key, int64_t missing);
bool node_get_bool(const struct node *map, const char *key, bool missing);

/* Equal as JSON values: map order does not matter, 1 and 1.0 are equal. */
bool node_equal(const struct node *a, const struct node *b);
/* Equal nodes have equal ones, so that repetitions are found by sorting. */
uint64_t node_hash(const struct node *n);
/* RFC 6901 pointer of a linked node; "" is the root. Good for shallow copies too. */
const char *node_pointer(const struct node *n, struct arena *a);

/* Evaluates `n` twice: nothing that makes a node may be in it. */
#define node_each(it, n) for (const struct node *it = node_first(n), *it##_end = node_end(n); it != it##_end; it++)

/* For node_each: the items of a list or map, none for anything else. */
static inline const struct node *node_first(const struct node *n)
{
	return (node_is(n, NODE_LIST) || node_is(n, NODE_MAP)) && n->n ? n->items : NULL;
}

static inline const struct node *node_end(const struct node *n)
{
	const struct node *first = node_first(n);

	return first ? first + n->n : NULL;
}

/* Building. The returned address is good until the next item is added to the same parent. */
struct node *node_add(struct arena *a, struct node *list); /* appends a null */
struct node *node_put(struct arena *a, struct node *map, const char *key);
void node_put_text(struct arena *a, struct node *map, const char *key, const char *value); /* NULL: puts nothing */
void node_put_int(struct arena *a, struct node *map, const char *key, int64_t value);
void node_put_bool(struct arena *a, struct node *map, const char *key, bool value);
void node_add_text(struct arena *a, struct node *list, const char *value);
struct node *node_put_map(struct arena *a, struct node *map, const char *key);
struct node *node_put_list(struct arena *a, struct node *map, const char *key);
struct node *node_add_map(struct arena *a, struct node *list);
/* Puts a shallow copy of `value` under the name. */
void node_put_node(struct arena *a, struct node *map, const char *key, const struct node *value);
void node_set_text(struct arena *a, struct node *n, const char *value);
void node_set_int(struct node *n, int64_t value);
void node_set_bool(struct node *n, bool value);
/* A deep copy, without positions and links. */
struct node *node_copy(const struct node *n, struct arena *a);
/*
 * A deep copy with positions, in the file called `file`; not linked. What is reached twice (a YAML alias) is
 * copied twice.
 */
struct node *node_clone(const struct node *n, const char *file, struct arena *a);
/* A copy of `map` without the named item; shares the other items' contents. */
struct node node_without(struct arena *a, const struct node *map, const char *key);

/* Sets `parent` and `index` in the whole tree below root. What is reached twice (a YAML alias) keeps its first
 * parent. */
void node_link(struct node *root);

#endif
