#include "config/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "config/scalar.h"
#include "config/schema_compiled.h"
#include "config/schema_message.h"

enum { PATTERN_INPUT_MAX = 4096 }; /* bytes; what is longer matches no pattern */

struct check {
	struct schema_set *set;
	struct diags *diags; /* NULL: only the answer is wanted */
	int depth;
};

static bool check_value(struct check *c, const struct schema *s, const struct node *v, const char *title);

static bool silent(struct check *c, const struct schema *s, const struct node *v)
{
	struct check quiet = { .set = c->set, .depth = c->depth };

	return check_value(&quiet, s, v, NULL);
}

/* Whether YAML 1.1 took the word for a boolean. */
static bool was_boolean(const char *s)
{
	static const char *const words[] = { "yes", "no", "on", "off", "y", "n", "true", "false" };

	for (size_t i = 0; i < array_len(words); i++)
		if (!strcasecmp(s, words[i]))
			return true;
	return false;
}

/* Quotes too many or too few, and words of YAML 1.1: advised only if the value would then be right. */
static const char *hint(struct check *c, const struct schema *s, const struct node *v)
{
	struct node other = { .type = NODE_STRING };
	char text[32];

	if (v->type == NODE_INT || v->type == NODE_BOOL) {
		if (v->type == NODE_INT)
			snprintf(text, sizeof(text), "%" PRId64, v->integer);
		other.string = v->type == NODE_INT ? text : v->boolean ? "true" : "false";
		other.n = (uint32_t)strlen(other.string);
		return silent(c, s, &other) ? "; write it in quotes" : "";
	}
	if (v->type == NODE_REAL)
		return s->types & 1U << NODE_STRING ? "; write it in quotes" : "";
	if (v->type != NODE_STRING)
		return "";
	if (s->types & 1U << NODE_BOOL && was_boolean(v->string))
		return "; in YAML 1.2 the booleans are true and false, without quotes";
	if (!scalar_read(v->string, &other, c->set->arena) && other.type == NODE_INT && silent(c, s, &other))
		return "; write it without quotes";
	return "";
}

/* The wanted value's name: `title`, or that of the schema, or else `otherwise`. */
static bool expected(
	struct check *c, const struct schema *s, const struct node *v, const char *title, const char *otherwise)
{
	if (!c->diags)
		return false;
	return schema_expected(c->diags, v, title ? title : s->title ? s->title : otherwise, hint(c, s, v));
}

static bool has_type(const struct schema *s, const struct node *v)
{
	int64_t whole;

	if (!s->types)
		return true;
	if (!(s->types & 1U << v->type))
		return false;
	return v->type != NODE_REAL || !s->integer || node_int(v, &whole);
}

/* Code points: bytes that do not continue one. */
static int64_t length_of(const struct node *v)
{
	int64_t n = 0;

	for (const char *s = v->string; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static bool check_length(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	int64_t n;

	if (!s->min_length && s->max_length == INT64_MAX)
		return true;
	n = length_of(v);
	if (n < s->min_length)
		return expected(c, s, v, title, n ? "a longer string" : "a string that is not empty");
	if (n <= s->max_length)
		return true;
	return c->diags && diag_error(c->diags, node_pos(v),
				   "expected at most %" PRId64 " characters, found %" PRId64, s->max_length, n);
}

static bool check_string(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	if (!check_length(c, s, v, title))
		return false;
	if (s->pattern && (v->n > PATTERN_INPUT_MAX || !schema_matches(c->set, s->pattern, v->string)))
		return expected(c, s, v, title, arena_printf(c->set->arena, "a match of %s", s->pattern->text));
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
		return expected(c, s, v, title, arena_printf(a, "at least %.15g", number_of(s->minimum)));
	if (s->maximum && number_of(v) > number_of(s->maximum))
		return expected(c, s, v, title, arena_printf(a, "at most %.15g", number_of(s->maximum)));
	return true;
}

/* ---- lists ---- */

struct hashed {
	uint64_t hash;
	const struct node *node;
};

static int by_hash(const void *left, const void *right)
{
	const struct hashed *a = left, *b = right;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return (a->node > b->node) - (a->node < b->node);
}

/* Only items with one hash are compared, so that a long list does not take the square of its length. */
static bool check_unique(struct check *c, const struct node *v)
{
	struct hashed *order = arena_alloc(c->set->arena, v->n * sizeof(*order));
	bool ok = true;

	for (uint32_t i = 0; i < v->n; i++)
		order[i] = (struct hashed){ node_hash(&v->items[i]), &v->items[i] };
	qsort(order, v->n, sizeof(*order), by_hash);
	for (uint32_t i = 1; i < v->n; i++) {
		for (uint32_t j = i; j-- > 0 && order[j].hash == order[i].hash;) {
			if (!node_equal(order[j].node, order[i].node))
				continue;
			ok = schema_repeated(c->diags, order[i].node, order[j].node);
			break;
		}
	}
	return ok;
}

static bool check_list(struct check *c, const struct schema *s, const struct node *v)
{
	const struct schema *items = s->items ? schema_of(c->set, s->items, s->file) : NULL;
	bool ok = true;

	if (v->n < s->min_items)
		return schema_wrong_count(c->diags, s, v, "least", s->min_items);
	if (v->n > s->max_items)
		return schema_wrong_count(c->diags, s, v, "most", s->max_items);
	if (items)
		node_each (it, v)
			ok &= check_value(c, items, it, NULL);
	if (s->unique && v->n > 1)
		ok &= check_unique(c, v);
	return ok;
}

/* ---- maps ---- */

enum { MEANT_MAX = 16 };

/* Known fields that unknown ones were probably meant to be: that they are missing is the same mistake. */
struct meant {
	const char *names[MEANT_MAX];
	size_t n;
};

static bool is_missing(const struct node *v, const struct node *name, const struct meant *meant)
{
	for (size_t i = 0; i < meant->n; i++)
		if (!strcmp(meant->names[i], name->string))
			return false;
	return !node_get(v, name->string);
}

static bool check_required(
	struct check *c, const struct schema *s, const struct node *v, const struct meant *meant)
{
	bool ok = true;

	node_each (it, s->required)
		if (is_missing(v, it, meant))
			ok = schema_missing_field(c->diags, v, it->string, NULL);
	node_each (it, s->dependent)
		if (node_get(v, it->key))
			node_each (name, it)
				if (is_missing(v, name, meant))
					ok = schema_missing_field(c->diags, v, name->string, it->key);
	return ok;
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

static bool check_item(struct check *c, const struct schema *s, const struct node *v, struct meant *meant)
{
	struct property *p = schema_property(s, v->key);
	const char *name;

	if (p)
		return check_value(c, schema_of_property(c->set, s, p), v, NULL);
	if (!s->additional)
		return true;
	if (!node_is(s->additional, NODE_BOOL))
		return check_value(c, schema_of(c->set, s->additional, s->file), v, NULL);
	if (s->additional->boolean)
		return true;
	schema_unknown_field(c->diags, s, v, &name);
	if (name && meant->n < MEANT_MAX)
		meant->names[meant->n++] = name;
	return false;
}

static bool check_map(struct check *c, const struct schema *s, const struct node *v)
{
	struct meant meant = { .n = 0 };
	bool ok = true;

	if (v->n < s->min_properties)
		return schema_wrong_count(c->diags, s, v, "least", s->min_properties);
	if (v->n > s->max_properties)
		ok = schema_wrong_count(c->diags, s, v, "most", s->max_properties);
	node_each (it, v) {
		if (s->names)
			ok &= check_name(c, schema_of(c->set, s->names, s->file), it);
		ok &= check_item(c, s, it, &meant);
	}
	return check_required(c, s, v, &meant) && ok;
}

/* ---- schemas that choose between schemas ---- */

/* What a branch is about: the schema at the end of its references. NULL: nothing is. */
static const struct schema *branch_of(struct check *c, const struct schema *s, const struct node *branch)
{
	const struct schema *b = schema_of(c->set, branch, s->file);

	for (int i = 0; b && b->ref && i < SCHEMA_DEPTH_MAX; i++)
		b = schema_resolve(c->set, b);
	return b;
}

/* A branch that could be meant by a value of this type: its own mistakes say more than "none of these". */
static const struct schema *likely_branch(struct check *c, const struct schema *s, const struct node *v)
{
	const struct schema *likely = NULL;

	node_each (it, s->any_of) {
		const struct schema *branch = branch_of(c, s, it);

		if (!branch || branch->constant || !branch->types || !has_type(branch, v))
			continue;
		if (likely)
			return NULL;
		likely = branch;
	}
	return likely;
}

static bool none_of(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	struct str words = { .arena = c->set->arena };

	node_each (it, s->any_of) {
		const struct schema *branch = branch_of(c, s, it);

		if (branch)
			str_printf(&words, "%s%s", words.n ? " or " : "",
				branch->title ? branch->title : schema_type_phrase(branch));
	}
	return expected(c, s, v, title, str_text(&words));
}

static bool check_any_of(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	const struct schema *likely;

	node_each (it, s->any_of)
		if (silent(c, schema_of(c->set, it, s->file), v))
			return true;
	if (!c->diags)
		return false;
	likely = likely_branch(c, s, v);
	if (likely && (v->type == NODE_LIST || v->type == NODE_MAP || !title) && !check_value(c, likely, v, NULL))
		return false;
	return none_of(c, s, v, title);
}

static bool check_one_of(struct check *c, const struct schema *s, const struct node *v)
{
	size_t valid = 0;

	node_each (it, s->one_of)
		valid += silent(c, schema_of(c->set, it, s->file), v);
	return valid == 1 || schema_not_one(c->diags, s, v, valid);
}

static bool check_choices(struct check *c, const struct schema *s, const struct node *v)
{
	node_each (it, s->choices)
		if (node_equal(it, v))
			return true;
	return schema_wrong_choice(c->diags, s, v);
}

static bool check_constant(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	const struct node *wanted = s->constant;

	if (node_equal(wanted, v))
		return true;
	return expected(
		c, s, v, title, wanted->type == NODE_STRING ? wanted->string : schema_show(wanted, c->set->arena));
}

static bool check_by_type(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	switch (v->type) {
	case NODE_STRING:
		return check_string(c, s, v, title);
	case NODE_INT:
	case NODE_REAL:
		return check_number(c, s, v, title);
	case NODE_LIST:
		return check_list(c, s, v);
	case NODE_MAP:
		return check_map(c, s, v);
	case NODE_NULL:
	case NODE_BOOL:
		break;
	}
	return true;
}

/* The checks of one value go on only while there was no mistake: the next would often be the same one. */
static bool check_all(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	if (s->ref) {
		const struct schema *target = schema_resolve(c->set, s);

		if (!target)
			return expected(c, s, v, title, "what nothing defines");
		if (!check_value(c, target, v, title))
			return false;
	}
	if (!has_type(s, v))
		return expected(c, s, v, title, schema_type_phrase(s));
	return (!s->constant || check_constant(c, s, v, title)) && (!s->choices || check_choices(c, s, v)) &&
	       check_by_type(c, s, v, title) && (!s->any_of || check_any_of(c, s, v, title)) &&
	       (!s->one_of || check_one_of(c, s, v));
}

/* `title` is what the schema that refers to this one calls the value. */
static bool check_value(struct check *c, const struct schema *s, const struct node *v, const char *title)
{
	bool ok;

	if (v->broken || (c->diags && c->diags->dropped))
		return false;
	if (node_is(s->node, NODE_BOOL))
		return s->node->boolean || expected(c, s, v, title, "nothing here");
	if (c->depth == SCHEMA_DEPTH_MAX)
		return c->diags && diag_error(c->diags, node_pos(v), "nested too deeply for its schema");
	c->depth++;
	ok = check_all(c, s, v, title ? title : s->title);
	c->depth--;
	return ok;
}

bool schema_check(struct schema_set *set, const char *file, const struct node *value, struct diags *d)
{
	const struct node *root = node_get(set->files, file);
	struct check c = { .set = set, .diags = d };

	return check_value(&c, schema_of(set, root, root), value, NULL);
}
