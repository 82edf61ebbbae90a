#include "config/schema_message.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { LISTED_MAX = 24, SHOWN_MAX = 60 };

/* Cut between two characters. */
static size_t shown_size(const struct node *v)
{
	size_t n = SHOWN_MAX - 3;

	while (n && (v->string[n] & 0xc0) == 0x80)
		n--;
	return n;
}

const char *schema_show(const struct node *v, struct arena *a)
{
	static const char *const words[] = { "false", "true" };

	switch (v->type) {
	case NODE_STRING:
		if (v->n > SHOWN_MAX)
			return arena_printf(a, "the string \"%.*s…\"", (int)shown_size(v), v->string);
		return arena_printf(a, "the string \"%s\"", v->string);
	case NODE_INT:
		return arena_printf(a, "the integer %" PRId64, v->integer);
	case NODE_REAL:
		return arena_printf(a, "the number %.15g", v->real);
	case NODE_BOOL:
		return arena_printf(a, "the boolean %s", words[v->boolean]);
	case NODE_NULL:
	case NODE_LIST:
	case NODE_MAP:
		break;
	}
	return node_kind(v);
}

const char *schema_type_phrase(const struct schema *s)
{
	static const char *const phrases[] = {
		[NODE_NULL] = "nothing",
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

bool schema_expected(struct diags *d, const struct node *v, const char *wanted, const char *hint)
{
	return diag_error(d, node_pos(v), "expected %s, found %s%s", wanted, schema_show(v, d->arena), hint);
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

static const char **property_names(const struct schema *s, struct arena *a)
{
	const char **names = arena_alloc(a, s->n_properties * sizeof(*names));

	for (size_t i = 0; i < s->n_properties; i++)
		names[i] = s->properties[i].name;
	return names;
}

bool schema_unknown_field(struct diags *d, const struct schema *s, const struct node *v, const char **meant)
{
	const char **names;

	*meant = NULL;
	if (!d)
		return false;
	names = property_names(s, d->arena);
	if (d->errors < DIAG_SUGGESTIONS_MAX)
		*meant = str_nearest(v->key, names, s->n_properties);
	if (*meant)
		return diag_error(d, node_key_pos(v), "unknown field '%s', did you mean '%s'?", v->key, *meant);
	return diag_error(d, node_key_pos(v), "unknown field '%s', the fields here are %s", v->key,
		list_names(names, s->n_properties, d->arena));
}

bool schema_wrong_choice(struct diags *d, const struct schema *s, const struct node *v)
{
	const char **words, *suggestion = "";
	size_t n = 0;

	if (!d)
		return false;
	words = arena_alloc(d->arena, s->choices->n * sizeof(*words));
	node_each (it, s->choices)
		words[n++] = it->type == NODE_STRING ? it->string : schema_show(it, d->arena);
	if (v->type == NODE_STRING)
		suggestion = diag_suggest(d, v->string, words, n);
	return diag_error(d, node_pos(v), "expected one of %s, found %s%s", list_names(words, n, d->arena),
		schema_show(v, d->arena), suggestion);
}

bool schema_repeated(struct diags *d, const struct node *again, const struct node *first)
{
	return d && diag_error(d, node_pos(again), "%s is here twice, first at %s", schema_show(again, d->arena),
			    pos_text(node_pos(first), d->arena));
}

bool schema_wrong_count(
	struct diags *d, const struct schema *s, const struct node *v, const char *bound, int64_t limit)
{
	const char *word = v->type == NODE_MAP ? "field" : "item", *fields = "";

	if (!d)
		return false;
	if (s->n_properties)
		fields = arena_printf(d->arena, "; the fields here are %s",
			list_names(property_names(s, d->arena), s->n_properties, d->arena));
	return diag_error(d, node_pos(v), "expected at %s %" PRId64 " %s%s, found %u%s", bound, limit, word,
		limit == 1 ? "" : "s", v->n, fields);
}

bool schema_missing_field(struct diags *d, const struct node *v, const char *name, const char *because)
{
	if (!d)
		return false;
	if (because)
		return diag_error(d, node_pos(v), "the field '%s' is missing: '%s' needs it", name, because);
	return diag_error(d, node_pos(v), "the field '%s' is missing", name);
}

/* Branches of nothing but `required` say which fields exclude each other. */
bool schema_not_one(struct diags *d, const struct schema *s, const struct node *v, size_t valid)
{
	struct str fields = { 0 };

	if (!d)
		return false;
	fields.arena = d->arena;
	node_each (it, s->one_of) {
		const struct node *required = node_get(it, "required");

		str_printf(&fields, "%s'%s'", fields.n ? " and " : "",
			required && required->n ? required->items[0].string : "?");
	}
	return diag_error(d, node_pos(v), "expected exactly one of the fields %s, found %s", str_text(&fields),
		valid ? "more" : "none");
}
