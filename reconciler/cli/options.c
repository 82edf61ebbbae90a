#include "cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct parsing {
	const struct opt *const *tables;
	char *const *argv;
	int n, at;
	void *out;
	struct operands *operands;
	struct arena *arena;
	struct diags *diags;
};

/* ---- values ---- */

static bool set_list(struct parsing *p, const struct opt *o, void *field, const char *value)
{
	struct texts *list = field;

	while (*value) {
		size_t n = strcspn(value, ",");

		if (n)
			*vec_push(p->arena, &list->list) = arena_strndup(p->arena, value, n);
		value += n + (value[n] == ',');
	}
	return list->list.n || diag_failure(p->diags, "option '--%s' needs a %s", o->name, o->value);
}

static bool set_choice(struct parsing *p, const struct opt *o, int *field, const char *value)
{
	struct str known = { .arena = p->arena };
	const char *nearest;
	size_t n = 0;

	for (; o->choices[n]; n++) {
		if (!strcmp(o->choices[n], value)) {
			*field = (int)n;
			return true;
		}
		str_printf(&known, "%s%s", n ? ", " : "", o->choices[n]);
	}
	nearest = str_nearest(value, o->choices, n);
	if (nearest)
		return diag_failure(p->diags, "option '--%s': unknown %s '%s', did you mean '%s'?", o->name,
			o->value, value, nearest);
	return diag_failure(p->diags, "option '--%s': unknown %s '%s'; known are %s", o->name, o->value, value,
		str_text(&known));
}

static bool set_duration(struct parsing *p, const struct opt *o, long long *field, const char *value)
{
	/* 0 needs no unit. */
	if (!strcmp(value, "0")) {
		*field = 0;
		return true;
	}
	return str_duration(value, field) ||
	       diag_failure(p->diags, "option '--%s': expected a duration such as 30s or 5m, found '%s'", o->name,
		       value);
}

static bool set_code(struct parsing *p, const struct opt *o, int *field, const char *value)
{
	char *end;
	long code = strtol(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || code > 255)
		return diag_failure(p->diags, "option '--%s': expected an exit code from 0 to 255, found '%s'",
			o->name, value);
	*field = (int)code;
	return true;
}

static bool set(struct parsing *p, const struct opt *o, const char *value, bool negated)
{
	void *field = (char *)p->out + o->offset;

	if (value && !*value)
		return diag_failure(p->diags, "option '--%s' needs a %s", o->name, o->value);
	switch (o->type) {
	case OPT_TYPE_FLAG:
	case OPT_TYPE_SWITCH:
		*(bool *)field = !negated;
		return true;
	case OPT_TYPE_STRING:
		*(const char **)field = value;
		return true;
	case OPT_TYPE_LIST:
		return set_list(p, o, field, value);
	case OPT_TYPE_CHOICE:
		return set_choice(p, o, field, value);
	case OPT_TYPE_CONSTANT:
		*(int *)field = o->constant;
		return true;
	case OPT_TYPE_DURATION:
		return set_duration(p, o, field, value);
	case OPT_TYPE_CODE:
		return set_code(p, o, field, value);
	}
	return false;
}

/* The value that follows an option as a word of its own. */
static bool set_next(struct parsing *p, const struct opt *o)
{
	if (p->at == p->n)
		return diag_failure(p->diags, "option '--%s' needs a %s", o->name, o->value);
	return set(p, o, p->argv[p->at++], false);
}

/* ---- long options ---- */

static bool has_name(const struct opt *o, const char *name, size_t n)
{
	return strlen(o->name) == n && !memcmp(o->name, name, n);
}

static const struct opt *find_long(const struct parsing *p, const char *name, size_t n, bool *negated)
{
	bool no = n > 3 && str_starts(name, "no-");

	*negated = false;
	for (const struct opt *const *table = p->tables; *table; table++) {
		for (const struct opt *o = *table; o->name; o++) {
			if (has_name(o, name, n))
				return o;
			if (no && o->type == OPT_TYPE_SWITCH && has_name(o, name + 3, n - 3)) {
				*negated = true;
				return o;
			}
		}
	}
	return NULL;
}

static bool unknown_long(struct parsing *p, const char *name, size_t n)
{
	const char *word = arena_strndup(p->arena, name, n), *nearest;
	vec_of(const char *) names = { 0 };

	for (const struct opt *const *table = p->tables; *table; table++) {
		for (const struct opt *o = *table; o->name; o++) {
			*vec_push(p->arena, &names) = o->name;
			if (o->type == OPT_TYPE_SWITCH)
				*vec_push(p->arena, &names) = arena_printf(p->arena, "no-%s", o->name);
		}
	}
	nearest = str_nearest(word, names.items, names.n);
	return diag_failure(p->diags, "unknown option '--%s'%s%s%s", word, nearest ? ", did you mean '--" : "",
		nearest ? nearest : "", nearest ? "'?" : "");
}

static bool parse_long(struct parsing *p, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : strlen(word);
	bool negated;
	const struct opt *o = find_long(p, word, n, &negated);

	if (!o)
		return unknown_long(p, word, n);
	if (o->value)
		return equals ? set(p, o, equals + 1, false) : set_next(p, o);
	if (equals)
		return diag_failure(p->diags, "option '--%.*s' takes no value", (int)n, word);
	return set(p, o, NULL, negated);
}

/* ---- letters ---- */

static const struct opt *find_letter(const struct parsing *p, char letter)
{
	for (const struct opt *const *table = p->tables; *table; table++)
		for (const struct opt *o = *table; o->name; o++)
			if (o->letter == letter)
				return o;
	return NULL;
}

static bool parse_letters(struct parsing *p, const char *letters)
{
	for (; *letters; letters++) {
		const struct opt *o = find_letter(p, *letters);

		if (!o)
			return diag_failure(p->diags, "unknown option '-%c'", *letters);
		if (!o->value) {
			set(p, o, NULL, false);
			continue;
		}
		return letters[1] ? set(p, o, letters + 1 + (letters[1] == '='), false) : set_next(p, o);
	}
	return true;
}

int options_parse(const struct opt *const *tables, char *const *argv, int n, bool stop, void *out,
	struct operands *operands, struct arena *a, struct diags *d)
{
	struct parsing p = { tables, argv, n, 0, out, operands, a, d };
	bool literal = false;

	while (p.at < n) {
		const char *word = argv[p.at];

		if (literal || word[0] != '-' || !word[1]) {
			if (stop)
				return p.at;
			*vec_push(a, &operands->list) = word;
			p.at++;
			continue;
		}
		p.at++;
		if (!strcmp(word, "--")) {
			literal = true;
			if (operands) {
				operands->dashes = true;
				operands->n_before = operands->list.n;
			}
		} else if (!(word[1] == '-' ? parse_long(&p, word + 2) : parse_letters(&p, word + 1))) {
			return -1;
		}
	}
	return n;
}
