#include "config/schema_compiled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_MIN = 512 }; /* a power of two, as every size of it is */

struct schema_set *schema_set_new(const struct node *files, struct arena *a)
{
	struct schema_set *set = arena_new(a, struct schema_set);

	set->arena = a;
	set->files = files;
	return set;
}

void schema_set_finish(struct schema_set *set)
{
	vec_each (it, &set->patterns)
		regfree(*it);
	set->patterns.n = 0;
}

static void add_type(struct schema *s, const char *name, bool *number)
{
	static const struct {
		const char *name;
		unsigned types;
	} types[] = {
		{ "null", 1U << NODE_NULL },
		{ "boolean", 1U << NODE_BOOL },
		{ "integer", 1U << NODE_INT | 1U << NODE_REAL },
		{ "number", 1U << NODE_INT | 1U << NODE_REAL },
		{ "string", 1U << NODE_STRING },
		{ "array", 1U << NODE_LIST },
		{ "object", 1U << NODE_MAP },
	};

	for (size_t i = 0; i < array_len(types); i++)
		if (!strcmp(types[i].name, name))
			s->types |= types[i].types;
	*number |= !strcmp(name, "number");
}

static void set_types(struct schema *s, const struct node *type)
{
	bool number = false;

	if (node_is(type, NODE_STRING))
		add_type(s, type->string, &number);
	node_each (it, type)
		add_type(s, it->string, &number);
	s->integer = s->types & 1U << NODE_REAL && !number;
}

static void set_pattern(struct schema_set *set, struct schema *s, const char *pattern)
{
	if (!pattern)
		return;
	s->pattern = arena_new(set->arena, struct pattern);
	s->pattern->text = pattern;
}

bool schema_matches(struct schema_set *set, struct pattern *pattern, const char *s)
{
	if (!pattern->compiled) {
		/* The schemas are ours: a pattern that does not compile is found by the tests. */
		if (regcomp(&pattern->regex, pattern->text, REG_EXTENDED | REG_NOSUB))
			return false;
		pattern->compiled = true;
		*vec_push(set->arena, &set->patterns) = &pattern->regex;
	}
	return !regexec(&pattern->regex, s, 0, NULL, 0);
}

static void set_properties(struct schema_set *set, struct schema *s, const struct node *properties)
{
	if (!properties)
		return;
	s->properties = arena_alloc(set->arena, properties->n * sizeof(*s->properties));
	node_each (it, properties)
		s->properties[s->n_properties++] = (struct property){ .name = it->key, .node = it };
}

static const struct schema_format *find_format(const char *name)
{
	for (const struct schema_format *f = schema_formats; name && f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

static struct schema *compile(struct schema_set *set, const struct node *n, const struct node *file)
{
	struct schema *s = arena_new(set->arena, struct schema);

	s->node = n;
	s->file = file;
	set_types(s, node_get(n, "type"));
	s->constant = node_get(n, "const");
	s->choices = node_get(n, "enum");
	s->required = node_get(n, "required");
	s->dependent = node_get(n, "dependentRequired");
	s->minimum = node_get(n, "minimum");
	s->maximum = node_get(n, "maximum");
	node_int(node_get(n, "minProperties"), &s->min_properties);
	node_int(node_get(n, "minItems"), &s->min_items);
	node_int(node_get(n, "minLength"), &s->min_length);
	s->max_properties = node_get_int(n, "maxProperties", INT64_MAX);
	s->max_items = node_get_int(n, "maxItems", INT64_MAX);
	s->max_length = node_get_int(n, "maxLength", INT64_MAX);
	s->unique = node_get_bool(n, "uniqueItems", false);
	s->title = node_get_text(n, "title");
	s->format = find_format(node_get_text(n, "format"));
	s->default_value = node_get(n, "default");
	set_pattern(set, s, node_get_text(n, "pattern"));
	set_properties(set, s, node_get(n, "properties"));
	s->additional = node_get(n, "additionalProperties");
	s->items = node_get(n, "items");
	s->names = node_get(n, "propertyNames");
	s->any_of = node_get(n, "anyOf");
	s->one_of = node_get(n, "oneOf");
	s->ref = node_get(n, "$ref");
	if (s->ref)
		s->target = arena_new(set->arena, const struct schema *);
	return s;
}

static const struct schema **find_slot(const struct schema **cache, size_t size, const struct node *n)
{
	size_t slot = ((uintptr_t)n / sizeof(*n)) * 2654435761U & (size - 1);

	while (cache[slot] && cache[slot]->node != n)
		slot = (slot + 1) & (size - 1);
	return &cache[slot];
}

/* Makes room for one more schema in the cache, of which at least half stays empty. */
static void reserve(struct schema_set *set)
{
	size_t size = set->cache_size ? set->cache_size * 2 : CACHE_MIN;
	const struct schema **larger;

	if (set->cached < set->cache_size / 2)
		return;
	larger = arena_alloc(set->arena, size * sizeof(*larger));
	for (size_t i = 0; i < set->cache_size; i++)
		if (set->cache[i])
			*find_slot(larger, size, set->cache[i]->node) = set->cache[i];
	set->cache = larger;
	set->cache_size = size;
}

const struct schema *schema_of(struct schema_set *set, const struct node *n, const struct node *file)
{
	const struct schema **slot;

	reserve(set);
	slot = find_slot(set->cache, set->cache_size, n);
	if (!*slot) {
		*slot = compile(set, n, file);
		set->cached++;
	}
	return *slot;
}

const struct schema *schema_of_property(struct schema_set *set, const struct schema *s, struct property *p)
{
	if (!p->schema)
		p->schema = schema_of(set, p->node, s->file);
	return p->schema;
}

struct property *schema_property(const struct schema *s, const char *name)
{
	for (size_t i = 0; i < s->n_properties; i++)
		if (s->properties[i].name[0] == name[0] && !strcmp(s->properties[i].name, name))
			return &s->properties[i];
	return NULL;
}

/* One part of a JSON pointer, in a $ref's URI fragment: ~0, ~1 and %XX are put back. */
static void unescape(char *part)
{
	char *to = part;

	for (const char *c = part; *c; c++) {
		unsigned byte;

		if (c[0] == '~' && (c[1] == '0' || c[1] == '1'))
			*to++ = *++c == '0' ? '~' : '/';
		else if (c[0] == '%' && sscanf(c + 1, "%2x", &byte) == 1)
			*to++ = (char)byte, c += 2;
		else
			*to++ = *c;
	}
	*to = 0;
}

static const struct node *follow(const struct node *n, const char *pointer, struct arena *a)
{
	while (n && *pointer == '/') {
		size_t length = strcspn(++pointer, "/");
		char *part = arena_strndup(a, pointer, length);

		pointer += length;
		unescape(part);
		if (n->type == NODE_LIST)
			n = strtoul(part, NULL, 10) < n->n ? &n->items[strtoul(part, NULL, 10)] : NULL;
		else
			n = node_get(n, part);
	}
	return n;
}

static const struct schema *resolve(struct schema_set *set, const struct schema *from)
{
	const char *ref = from->ref->string, *hash = strchr(ref, '#');
	const struct node *file = from->file, *target;

	if (!hash)
		hash = ref + strlen(ref);
	if (hash != ref)
		file = node_get(set->files, arena_strndup(set->arena, ref, (size_t)(hash - ref)));
	target = file ? follow(file, *hash ? hash + 1 : hash, set->arena) : NULL;
	return target ? schema_of(set, target, file) : NULL;
}

const struct schema *schema_resolve(struct schema_set *set, const struct schema *from)
{
	if (!*from->target)
		*from->target = resolve(set, from);
	return *from->target;
}

enum holds { NOTHING, SCHEMA, SCHEMA_MAP, SCHEMA_LIST };

static const struct keyword {
	const char *name;
	enum holds holds;
} keywords[] = {
	{ "$comment", NOTHING },
	{ "$defs", SCHEMA_MAP },
	{ "$ref", NOTHING },
	{ "$schema", NOTHING },
	{ "additionalProperties", SCHEMA },
	{ "anyOf", SCHEMA_LIST },
	{ "const", NOTHING },
	{ "default", NOTHING },
	{ "dependentRequired", NOTHING },
	{ "description", NOTHING },
	{ "enum", NOTHING },
	{ "format", NOTHING },
	{ "items", SCHEMA },
	{ "maxItems", NOTHING },
	{ "maxLength", NOTHING },
	{ "maxProperties", NOTHING },
	{ "maximum", NOTHING },
	{ "minItems", NOTHING },
	{ "minLength", NOTHING },
	{ "minProperties", NOTHING },
	{ "minimum", NOTHING },
	{ "oneOf", SCHEMA_LIST },
	{ "pattern", NOTHING },
	{ "properties", SCHEMA_MAP },
	{ "propertyNames", SCHEMA },
	{ "required", NOTHING },
	{ "title", NOTHING },
	{ "type", NOTHING },
	{ "uniqueItems", NOTHING },
};

static const char *unknown_in(const struct node *schema, const char *at, struct arena *a);

static const char *unknown_below(const struct node *value, enum holds holds, const char *at, struct arena *a)
{
	const char *found = NULL;

	if (holds == NOTHING)
		return NULL;
	if (holds == SCHEMA)
		return unknown_in(value, at, a);
	for (uint32_t i = 0; i < value->n && !found; i++) {
		const struct node *it = &value->items[i];

		found = unknown_in(
			it, it->key ? arena_printf(a, "%s/%s", at, it->key) : arena_printf(a, "%s/%u", at, i), a);
	}
	return found;
}

static const char *unknown_in(const struct node *schema, const char *at, struct arena *a)
{
	const char *found = NULL;

	node_each (it, schema) {
		const char *here = arena_printf(a, "%s/%s", at, it->key);
		size_t i = 0;

		while (i < array_len(keywords) && strcmp(keywords[i].name, it->key))
			i++;
		if (i == array_len(keywords))
			return here;
		found = unknown_below(it, keywords[i].holds, here, a);
		if (found)
			return found;
	}
	return NULL;
}

const char *schema_unknown_keyword(const struct node *schema, struct arena *a)
{
	return unknown_in(schema, "", a);
}
