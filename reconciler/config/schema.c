#include "config/schema.h"

#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/vec.h"

enum { DEPTH_MAX = 200, CACHE_SIZE = 1024, LISTED_MAX = 24 };

struct property {
	const char *name;
	const struct node *node;
	const struct schema *schema; /* compiled when first used */
};

struct schema {
	const struct node *node, *file;
	unsigned types; /* bits of 1 << enum node_type; 0: any */
	bool integer;   /* type "integer" without "number": a real must be whole */
	const struct node *constant, *choices, *required, *dependent;
	const struct node *minimum, *maximum;
	int64_t min_properties, max_properties, min_items, max_items, min_length, max_length;
	bool unique;
	regex_t *pattern;
	const struct schema_format *format;
	const char *title;
	const struct node *default_value;
	struct property *properties;
	size_t n_properties;
	const struct node *additional, *items, *names, *any_of, *one_of, *ref;
};

struct schema_set {
	struct arena *arena;
	const struct node *files;
	const struct schema *cache[CACHE_SIZE]; /* by the schema's node, open addressing */
	size_t cached;
	vec_of(regex_t *) patterns; /* glibc keeps them in the heap */
};

struct check {
	struct schema_set *set;
	struct diags *diags; /* NULL: only the answer is wanted */
	int depth;
};

static bool check_value(struct check *c, const struct schema *s, const struct node *v, const char *title);

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

/* ---- compiling ---- */

static void add_type(struct schema *s, const char *name)
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
	if (!strcmp(name, "integer") && !(s->types & 1U << NODE_REAL))
		s->integer = true;
}

static void set_types(struct schema *s, const struct node *type)
{
	bool number = false;

	if (node_is(type, NODE_STRING)) {
		add_type(s, type->string);
		s->integer = !strcmp(type->string, "integer");
		return;
	}
	node_each(it, type)
	{
		add_type(s, it->string);
		number |= !strcmp(it->string, "number");
		s->integer |= !strcmp(it->string, "integer");
	}
	s->integer &= !number;
}

static void set_pattern(struct schema_set *set, struct schema *s, const char *pattern)
{
	regex_t *compiled;

	if (!pattern)
		return;
	compiled = arena_new(set->arena, regex_t);
	/* The schemas are ours: a pattern that does not compile is found by the tests. */
	if (regcomp(compiled, pattern, REG_EXTENDED | REG_NOSUB))
		return;
	s->pattern = compiled;
	*vec_push(set->arena, &set->patterns) = compiled;
}

static void set_properties(struct schema_set *set, struct schema *s, const struct node *properties)
{
	if (!properties)
		return;
	s->properties = arena_alloc(set->arena, properties->n * sizeof(*s->properties));
	node_each(it, properties) s->properties[s->n_properties++] =
		(struct property){ .name = it->key, .node = it };
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
	return s;
}

/* The compiled form of a schema, made at its first use. */
static const struct schema *schema_of(struct schema_set *set, const struct node *n, const struct node *file)
{
	size_t slot = ((uintptr_t)n / sizeof(*n)) * 2654435761U % CACHE_SIZE;
	const struct schema *s;

	while ((s = set->cache[slot])) {
		if (s->node == n)
			return s;
		slot = (slot + 1) % CACHE_SIZE;
	}
	s = compile(set, n, file);
	if (set->cached < CACHE_SIZE / 2) {
		set->cache[slot] = s;
		set->cached++;
	}
	return s;
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

/* ---- messages ---- */

static const char *show(const struct node *v, struct arena *a)
{
	static const char *const words[] = { "false", "true" };
	enum { SHOWN = 60 };

	switch (v->type) {
	case NODE_STRING:
		if (v->n > SHOWN)
			return arena_printf(a, "the string \"%.*s…\"", SHOWN - 3, v->string);
		return arena_printf(a, "the string \"%s\"", v->string);
	case NODE_INT:
		return arena_printf(a, "the integer %" PRId64, v->integer);
	case NODE_REAL:
		return arena_printf(a, "the number %g", v->real);
	case NODE_BOOL:
		return arena_printf(a, "the boolean %s", words[v->boolean]);
	case NODE_NULL:
	case NODE_LIST:
	case NODE_MAP:
		break;
	}
	return node_kind(v);
}

/* YAML writes that look like something else: why the value is not what its writer thought. */
static const char *hint(const struct schema *s, const struct node *v)
{
	static const char *const booleans[] = { "yes", "no", "on", "off", "Yes", "No", "On", "Off", "y", "n" };
	char *end;

	if (s->types & 1U << NODE_STRING && (v->type == NODE_INT || v->type == NODE_REAL || v->type == NODE_BOOL))
		return "; write it in quotes";
	if (v->type != NODE_STRING)
		return "";
	if (s->types & 1U << NODE_BOOL)
		for (size_t i = 0; i < array_len(booleans); i++)
			if (!strcmp(v->string, booleans[i]))
				return "; in YAML 1.2 the booleans are true and false";
	if (s->types & 1U << NODE_INT && v->n && (strtoll(v->string, &end, 10), !*end))
		return "; write it without quotes";
	return "";
}

static const char *type_phrase(const struct schema *s)
{
	static const char *const phrases[] = {
		[NODE_NULL] = "null",
		[NODE_BOOL] = "true or false",
		[NODE_INT] = "an integer",
		[NODE_REAL] = "a number",
		[NODE_STRING] = "a string",
		[NODE_LIST] = "a list",
		[NODE_MAP] = "a map",
	};

	if (s->types & 1U << NODE_REAL && !s->integer)
		return phrases[NODE_REAL];
	for (size_t i = 0; i < array_len(phrases); i++)
		if (s->types & 1U << i)
			return phrases[i];
	return "another value";
}

static bool expected(
	struct check *c, const struct schema *s, const struct node *v, const char *title, const char *otherwise)
{
	if (!title)
		title = s->title ? s->title : otherwise;
	if (c->diags)
		diag_error(c->diags, node_pos(v), "expected %s, found %s%s", title, show(v, c->diags->arena),
			hint(s, v));
	return false;
}

static const char *list_names(const char *const *names, size_t n, struct arena *a)
{
	struct str out = { .arena = a };

	for (size_t i = 0; i < n && i < LISTED_MAX; i++)
		str_printf(&out, "%s%s", i ? ", " : "", names[i]);
	if (n > LISTED_MAX)
		str_printf(&out, " and %zu more", n - LISTED_MAX);
	return str_text(&out);
}

static bool unknown_field(struct check *c, const struct schema *s, const struct node *v)
{
	const char **names, *nearest;

	if (!c->diags)
		return false;
	names = arena_alloc(c->diags->arena, s->n_properties * sizeof(*names));
	for (size_t i = 0; i < s->n_properties; i++)
		names[i] = s->properties[i].name;
	nearest = str_nearest(v->key, names, s->n_properties);
	if (nearest)
		return diag_error(
			c->diags, node_key_pos(v), "unknown field '%s', did you mean '%s'?", v->key, nearest);
	return diag_error(c->diags, node_key_pos(v), "unknown field '%s', the fields here are %s", v->key,
		list_names(names, s->n_properties, c->diags->arena));
}

static bool wrong_choice(struct check *c, const struct schema *s, const struct node *v)
{
	const char **words, *nearest = NULL;
	size_t n = 0;

	if (!c->diags)
		return false;
	words = arena_alloc(c->diags->arena, s->choices->n * sizeof(*words));
	node_each(it, s->choices) words[n++] = it->type == NODE_STRING ? it->string : show(it, c->diags->arena);
	if (v->type == NODE_STRING)
		nearest = str_nearest(v->string, words, n);
	return diag_error(c->diags, node_pos(v), "expected one of %s, found %s%s%s%s",
		list_names(words, n, c->diags->arena), show(v, c->diags->arena), nearest ? "; did you mean '" : "",
		nearest ? nearest : "", nearest ? "'?" : "");
}

/* ---- checking ---- */

static bool silent(struct check *c, const struct schema *s, const struct node *v)
{
	struct check quiet = { .set = c->set, .depth = c->depth };

	return check_value(&quiet, s, v, NULL);
}

static bool has_type(const struct schema *s, const struct node *v)
{
	if (!s->types)
		return true;
	if (!(s->types & 1U << v->type))
		return false;
	return v->type != NODE_REAL || !s->integer || v->real == (double)(int64_t)v->real;
}

/* Code points: bytes that do not continue one. */
static int64_t length_of(const struct node *v)
{
	int64_t n = 0;

	for (const char *s = v->string; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static bool check_string(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	bool counted = s->min_length || s->max_length != INT64_MAX;
	int64_t n = counted ? length_of(v) : 0;

	if (counted && n < s->min_length)
		return expected(c, s, v, title, n ? "a longer string" : "a string that is not empty");
	if (counted && n > s->max_length) {
		if (c->diags)
			diag_error(c->diags, node_pos(v),
				"expected at most %" PRId64 " characters, found %" PRId64, s->max_length, n);
		return false;
	}
	if (s->pattern && regexec(s->pattern, v->string, 0, NULL, 0))
		return expected(c, s, v, title,
			arena_printf(c->set->arena, "a match of %s", node_get_text(s->node, "pattern")));
	if (s->format && !s->format->valid(v->string))
		return expected(c, s, v, title, s->format->name);
	return true;
}

static double number_of(const struct node *n)
{
	return n->type == NODE_INT ? (double)n->integer : n->real;
}

static bool check_number(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	struct arena *a = c->set->arena;

	if (s->minimum && number_of(v) < number_of(s->minimum))
		return expected(c, s, v, title, arena_printf(a, "at least %g", number_of(s->minimum)));
	if (s->maximum && number_of(v) > number_of(s->maximum))
		return expected(c, s, v, title, arena_printf(a, "at most %g", number_of(s->maximum)));
	return true;
}

static int scalar_order(const void *left, const void *right)
{
	const struct node *a = *(const struct node *const *)left, *b = *(const struct node *const *)right;

	if (a->type != b->type)
		return (a->type > b->type) - (a->type < b->type);
	switch (a->type) {
	case NODE_STRING:
		return strcmp(a->string, b->string);
	case NODE_INT:
		return (a->integer > b->integer) - (a->integer < b->integer);
	case NODE_REAL:
		return (a->real > b->real) - (a->real < b->real);
	case NODE_BOOL:
		return a->boolean - b->boolean;
	case NODE_NULL:
	case NODE_LIST:
	case NODE_MAP:
		break;
	}
	return 0;
}

static bool repeated(struct check *c, const struct node *again, const struct node *first)
{
	if (c->diags)
		diag_error(c->diags, node_pos(again), "%s is here twice, first at %s",
			show(again, c->diags->arena), pos_text(node_pos(first), c->diags->arena));
	return false;
}

/* Scalars of one type are sorted, anything else is compared each with each. */
static bool check_unique(struct check *c, const struct node *v)
{
	const struct node **order = arena_alloc(c->set->arena, v->n * sizeof(*order));
	bool scalars = true, ok = true;

	for (uint32_t i = 0; i < v->n; i++) {
		enum node_type t = v->items[i].type;

		order[i] = &v->items[i];
		scalars &= t == v->items[0].type && t != NODE_LIST && t != NODE_MAP;
	}
	if (scalars)
		qsort(order, v->n, sizeof(const struct node *), scalar_order);
	for (uint32_t i = 1; i < v->n; i++) {
		for (uint32_t j = scalars ? i - 1 : 0; j < i; j++) {
			const struct node *x = order[i] < order[j] ? order[i] : order[j];
			const struct node *y = order[i] < order[j] ? order[j] : order[i];

			if (node_equal(x, y)) {
				ok = repeated(c, y, x);
				break;
			}
		}
	}
	return ok;
}

static bool wrong_count(struct check *c, const struct node *v, const char *word, const char *bound, int64_t limit)
{
	if (c->diags)
		diag_error(c->diags, node_pos(v), "expected at %s %" PRId64 " %s%s, found %u", bound, limit, word,
			limit == 1 ? "" : "s", v->n);
	return false;
}

static bool check_list(struct check *c, const struct schema *s, const struct node *v)
{
	const struct schema *items = s->items ? schema_of(c->set, s->items, s->file) : NULL;
	bool ok = true;

	if (v->n < s->min_items)
		ok = wrong_count(c, v, "item", "least", s->min_items);
	if (v->n > s->max_items)
		return wrong_count(c, v, "item", "most", s->max_items);
	if (s->unique)
		ok &= check_unique(c, v);
	if (items)
		node_each(it, v) ok &= check_value(c, items, it, NULL);
	return ok;
}

static bool missing_field(struct check *c, const struct node *v, const char *name, const char *because)
{
	if (!c->diags)
		return false;
	if (because)
		return diag_error(
			c->diags, node_pos(v), "the field '%s' is missing: '%s' needs it", name, because);
	return diag_error(c->diags, node_pos(v), "the field '%s' is missing", name);
}

static bool check_required(struct check *c, const struct schema *s, const struct node *v)
{
	bool ok = true;

	node_each(it, s->required) if (!node_get(v, it->string)) ok = missing_field(c, v, it->string, NULL);
	node_each(it, s->dependent) if (node_get(v, it->key)) node_each(name, it) if (!node_get(v, name->string))
		ok = missing_field(c, v, name->string, it->key);
	return ok;
}

static struct property *find_property(const struct schema *s, const char *name)
{
	for (size_t i = 0; i < s->n_properties; i++)
		if (!strcmp(s->properties[i].name, name))
			return &s->properties[i];
	return NULL;
}

static bool check_name(struct check *c, const struct schema *names, const struct node *v)
{
	struct node name = { .type = NODE_STRING, .file = v->file, .line = v->key_line, .column = v->key_column };

	name.string = v->key;
	name.n = (uint32_t)strlen(v->key);
	/* The pointer in the message is that of the item. */
	name.parent = v->parent;
	name.key = v->key;
	return check_value(c, names, &name, NULL);
}

static bool check_item(struct check *c, const struct schema *s, const struct node *v)
{
	struct property *p = find_property(s, v->key);

	if (p) {
		if (!p->schema)
			p->schema = schema_of(c->set, p->node, s->file);
		return check_value(c, p->schema, v, NULL);
	}
	if (!s->additional)
		return true;
	if (node_is(s->additional, NODE_BOOL))
		return s->additional->boolean || unknown_field(c, s, v);
	return check_value(c, schema_of(c->set, s->additional, s->file), v, NULL);
}

static bool check_map(struct check *c, const struct schema *s, const struct node *v)
{
	bool ok = check_required(c, s, v);

	if (v->n < s->min_properties)
		ok = wrong_count(c, v, "field", "least", s->min_properties);
	if (v->n > s->max_properties)
		ok = wrong_count(c, v, "field", "most", s->max_properties);
	node_each(it, v)
	{
		if (s->names)
			ok &= check_name(c, schema_of(c->set, s->names, s->file), it);
		ok &= check_item(c, s, it);
	}
	return ok;
}

/* A branch that could be meant by a value of this type: its own mistakes say more than "none of these". */
static const struct schema *likely_branch(struct check *c, const struct schema *s, const struct node *v)
{
	const struct schema *likely = NULL;

	node_each(it, s->any_of)
	{
		const struct schema *branch = schema_of(c->set, it, s->file);

		while (branch && branch->ref)
			branch = resolve(c->set, branch);
		if (!branch || branch->constant || !branch->types || !has_type(branch, v))
			continue;
		if (likely)
			return NULL;
		likely = branch;
	}
	return likely;
}

static bool check_any_of(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	const struct schema *likely;
	struct str words = { .arena = c->set->arena };

	node_each(it, s->any_of) if (silent(c, schema_of(c->set, it, s->file), v)) return true;
	if (!c->diags)
		return false;
	likely = likely_branch(c, s, v);
	if (likely && (v->type == NODE_LIST || v->type == NODE_MAP || !(title || s->title)))
		return check_value(c, likely, v, NULL);
	node_each(it, s->any_of)
	{
		const struct schema *branch = schema_of(c->set, it, s->file);

		str_printf(&words, "%s%s", words.n ? " or " : "",
			branch->title ? branch->title : type_phrase(branch));
	}
	return expected(c, s, v, title, str_text(&words));
}

/* Branches of nothing but `required` say which fields exclude each other. */
static bool check_one_of(struct check *c, const struct schema *s, const struct node *v)
{
	struct str fields = { .arena = c->set->arena };
	size_t valid = 0;

	node_each(it, s->one_of)
	{
		const struct node *required = node_get(it, "required");

		valid += silent(c, schema_of(c->set, it, s->file), v);
		str_printf(&fields, "%s'%s'", fields.n ? " and " : "",
			required && required->n ? required->items[0].string : "?");
	}
	if (valid == 1)
		return true;
	if (c->diags)
		diag_error(c->diags, node_pos(v), "expected exactly one of the fields %s, found %s",
			str_text(&fields), valid ? "more" : "none");
	return false;
}

static bool check_assertions(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	bool ok = true;

	if (s->constant && !node_equal(s->constant, v))
		ok = expected(c, s, v, title,
			s->constant->type == NODE_STRING ? s->constant->string : show(s->constant, c->set->arena));
	if (s->choices) {
		bool found = false;

		node_each(it, s->choices) found |= node_equal(it, v);
		if (!found)
			ok = wrong_choice(c, s, v);
	}
	switch (v->type) {
	case NODE_STRING:
		ok &= check_string(c, s, v, title);
		break;
	case NODE_INT:
	case NODE_REAL:
		ok &= check_number(c, s, v, title);
		break;
	case NODE_LIST:
		ok &= check_list(c, s, v);
		break;
	case NODE_MAP:
		ok &= check_map(c, s, v);
		break;
	case NODE_NULL:
	case NODE_BOOL:
		break;
	}
	if (ok && s->any_of)
		ok = check_any_of(c, s, v, title);
	if (ok && s->one_of)
		ok = check_one_of(c, s, v);
	return ok;
}

/* `title` is what the schema that refers to this one calls the value. */
static bool check_value(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	bool ok = true;

	if (node_is(s->node, NODE_BOOL))
		return s->node->boolean || expected(c, s, v, title, "nothing here");
	if (c->depth == DEPTH_MAX) {
		if (c->diags)
			diag_error(c->diags, node_pos(v), "nested too deeply for its schema");
		return false;
	}
	c->depth++;
	if (!title)
		title = s->title;
	if (s->ref) {
		const struct schema *target = resolve(c->set, s);

		ok = target ? check_value(c, target, v, title) : expected(c, s, v, title, "what nothing defines");
	}
	if (ok && !has_type(s, v))
		ok = expected(c, s, v, title, type_phrase(s));
	if (ok)
		ok = check_assertions(c, s, v, title);
	c->depth--;
	return ok;
}

bool schema_check(struct schema_set *set, const char *file, const struct node *value, struct diags *d)
{
	const struct node *root = node_get(set->files, file);
	struct check c = { .set = set, .diags = d };

	return check_value(&c, schema_of(set, root, root), value, NULL);
}

/* ---- defaults ---- */

static const struct node *complete(
	struct schema_set *set, const struct schema *s, const struct node *v, int depth);

static const struct node *default_of(struct schema_set *set, const struct schema *s)
{
	while (s && !s->default_value && s->ref)
		s = resolve(set, s);
	return s ? s->default_value : NULL;
}

/* A default has the place of the map that lacks it, so that a message about it points somewhere. */
static struct node place_default(const struct node *value, const char *name, const struct node *map)
{
	struct node n = *value;

	n.key = name;
	n.parent = map;
	n.file = map->file;
	n.line = map->line;
	n.column = map->column;
	return n;
}

static const struct node *complete_map(
	struct schema_set *set, const struct schema *s, const struct node *v, int depth)
{
	struct node *copy = arena_dup(set->arena, v, sizeof(*v));

	copy->n = 0;
	copy->items = NULL;
	node_each(it, v)
	{
		struct property *p = find_property(s, it->key);
		const struct node *item = it;

		if (p)
			item = complete(set, schema_of(set, p->node, s->file), it, depth + 1);
		*node_add(set->arena, copy) = *item;
	}
	for (size_t i = 0; i < s->n_properties; i++) {
		const struct property *p = &s->properties[i];
		const struct schema *ps = schema_of(set, p->node, s->file);
		const struct node *value = node_get(v, p->name) ? NULL : default_of(set, ps);
		struct node placed;

		if (!value)
			continue;
		placed = place_default(value, p->name, v);
		*node_add(set->arena, copy) = *complete(set, ps, &placed, depth + 1);
	}
	return copy;
}

static const struct node *complete_list(
	struct schema_set *set, const struct schema *s, const struct node *v, int depth)
{
	const struct schema *items = schema_of(set, s->items, s->file);
	struct node *copy;

	if (!v->n || (v->items[0].type != NODE_MAP && v->items[0].type != NODE_LIST))
		return v;
	copy = arena_dup(set->arena, v, sizeof(*v));
	copy->n = 0;
	copy->items = NULL;
	node_each(it, v) * node_add(set->arena, copy) = *complete(set, items, it, depth + 1);
	return copy;
}

static const struct node *complete(struct schema_set *set, const struct schema *s, const struct node *v, int depth)
{
	if (depth > DEPTH_MAX)
		return v;
	if (s->ref) {
		const struct schema *target = resolve(set, s);

		if (target)
			v = complete(set, target, v, depth + 1);
	}
	if (v->type == NODE_MAP && s->n_properties)
		return complete_map(set, s, v, depth);
	if (v->type == NODE_LIST && s->items && s->items->type == NODE_MAP)
		return complete_list(set, s, v, depth);
	return v;
}

const struct node *schema_complete(struct schema_set *set, const char *file, const struct node *value)
{
	const struct node *root = node_get(set->files, file);

	return complete(set, schema_of(set, root, root), value, 0);
}

/* ---- the subset ---- */

enum holds { NOTHING, SCHEMA, SCHEMA_MAP, SCHEMA_LIST };

static const struct keyword {
	const char *name;
	enum holds holds;
} keywords[] = {
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

	node_each(it, schema)
	{
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
