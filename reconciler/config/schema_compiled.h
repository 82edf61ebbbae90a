/*
 * The parts of the validator among themselves: schemas in a form that is quick to check against, each made when it
 * is first needed. Outside of config/schema_*.c, see config/schema.h.
 */
#ifndef CONFIG_SCHEMA_COMPILED_H
#define CONFIG_SCHEMA_COMPILED_H

#include <regex.h>

#include "base/vec.h"
#include "config/schema.h"

enum { SCHEMA_DEPTH_MAX = 200 }; /* schemas that refer to one another */

struct property {
	const char *name;
	const struct node *node;
	const struct schema *schema;      /* NULL until it is first needed */
	const struct node *default_value; /* NULL: there is none, or `defaulted` is false */
	bool defaulted;                   /* somebody has looked for it */
};

struct pattern {
	const char *text;
	bool compiled;
	regex_t regex;
};

struct schema {
	const struct node *node, *file;
	unsigned types; /* bits of 1 << enum node_type; 0: any */
	bool integer;   /* type "integer" without "number": a real must be whole */
	const struct node *constant, *choices, *required, *dependent;
	const struct node *minimum, *maximum;
	int64_t min_properties, max_properties, min_items, max_items, min_length, max_length;
	bool unique;
	struct pattern *pattern;
	const struct schema_format *format;
	const char *title;
	const struct node *default_value;
	struct property *properties;
	size_t n_properties;
	const struct node *additional, *items, *names, *any_of, *one_of, *ref;
	const struct schema **target; /* of ref; NULL until it is first needed */
};

struct schema_set {
	struct arena *arena;
	const struct node *files;
	const struct schema **cache; /* by the schema's node, open addressing */
	size_t cached, cache_size;
	vec_of(regex_t *) patterns; /* those that were compiled: glibc keeps them in the heap */
};

/* The compiled form of a schema, which `file` contains. */
const struct schema *schema_of(struct schema_set *set, const struct node *n, const struct node *file);
const struct schema *schema_of_property(struct schema_set *set, const struct schema *s, struct property *p);
/* What a $ref leads to; NULL: to nothing. */
const struct schema *schema_resolve(struct schema_set *set, const struct schema *from);
/* Whether a pattern matches; compiles it when it is first needed. */
bool schema_matches(struct schema_set *set, struct pattern *pattern, const char *s);
/* NULL: there is no such property. */
struct property *schema_property(const struct schema *s, const char *name);

#endif
