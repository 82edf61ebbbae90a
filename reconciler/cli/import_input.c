#include <ctype.h>
#include <string.h>

#include "base/str.h"
#include "cli/import.h"

#define each_name(it) for (const struct import_name *it = import_names; it->key != IMPORT_KEYS; it++)

/* ---- files ---- */

struct scanning {
	const char *file, *at, *end, *line_start;
	uint32_t line;
	struct arena *arena;
	struct diags *diags;
};

static struct pos place(const struct scanning *s)
{
	return (struct pos){ s->file, s->line, (uint32_t)(s->at - s->line_start) + 1, NULL };
}

static char peek(const struct scanning *s)
{
	return s->at < s->end ? *s->at : 0;
}

static char next(struct scanning *s)
{
	char c = *s->at++;

	if (c == '\n') {
		s->line++;
		s->line_start = s->at;
	}
	return c;
}

static void skip_line(struct scanning *s)
{
	while (s->at < s->end && peek(s) != '\n')
		next(s);
}

/* Between two words of a line. */
static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* A backslash at the end of a line, where a word could begin. */
static bool skip_continuation(struct scanning *s)
{
	size_t left = (size_t)(s->end - s->at);

	if (left < 2 || s->at[0] != '\\' || s->at[1] != '\n')
		return false;
	next(s);
	next(s);
	return true;
}

static bool ends_word(char c)
{
	return !c || is_blank(c) || c == '\n' || c == ';';
}

/* What is in double quotes, after the first of them. False: they are not closed. */
static bool scan_double(struct scanning *s, struct str *out, bool *expands)
{
	while (s->at < s->end) {
		char c = next(s);

		if (c == '"')
			return true;
		if (c == '\\' && s->at < s->end && strchr("$`\"\\\n", *s->at)) {
			c = next(s);
			if (c == '\n')
				continue;
		} else if (c == '$' || c == '`') {
			*expands = true;
		}
		str_add_n(out, &c, 1);
	}
	return false;
}

static bool scan_single(struct scanning *s, struct str *out)
{
	while (s->at < s->end) {
		char c = next(s);

		if (c == '\'')
			return true;
		str_add_n(out, &c, 1);
	}
	return false;
}

/* A value up to the end of its word, without its quotes. */
static bool scan_value(struct scanning *s, struct import_variable *v)
{
	struct str out = { .arena = s->arena };
	struct pos quote;

	while (!ends_word(peek(s))) {
		char c;
		bool closed = true;

		quote = place(s);
		c = next(s);
		if (c == '\'') {
			closed = scan_single(s, &out);
		} else if (c == '"') {
			closed = scan_double(s, &out, &v->expands);
		} else if (c == '\\' && s->at < s->end) {
			c = next(s);
			if (c != '\n')
				str_add_n(&out, &c, 1);
		} else {
			v->expands |= strchr("$`()<>|&", c) != NULL;
			str_add_n(&out, &c, 1);
		}
		if (!closed)
			return diag_error(s->diags, quote, "this quote is not closed");
	}
	v->value = str_text(&out);
	return true;
}

static size_t name_length(const struct scanning *s)
{
	size_t n = 0, left = (size_t)(s->end - s->at);

	while (n < left && (isalnum((unsigned char)s->at[n]) || s->at[n] == '_'))
		n++;
	return n && !isdigit((unsigned char)*s->at) ? n : 0;
}

static bool scan_word(struct scanning *s, struct import_variables *out)
{
	size_t n = name_length(s);
	struct import_variable v = { .pos = place(s) };

	if (n == strlen("export") && str_starts(s->at, "export") && ends_word(s->at + n < s->end ? s->at[n] : 0)) {
		s->at += n;
		return true;
	}
	if (!n || s->at + n >= s->end || s->at[n] != '=') {
		diag_error(s->diags, v.pos, "expected NAME=VALUE, as files of Istio's settings have it");
		skip_line(s);
		return false;
	}
	v.name = arena_strndup(s->arena, s->at, n);
	s->at += n + 1;
	if (!scan_value(s, &v))
		return false;
	*vec_push(s->arena, &out->list) = v;
	return true;
}

bool import_read_file(
	const char *file, const struct bytes *text, struct arena *a, struct import_variables *out, struct diags *d)
{
	struct scanning s = { file, text->data, text->data + text->size, text->data, 1, a, d };
	bool ok = true;

	if (memchr(text->data, 0, text->size))
		return diag_error(d, (struct pos){ file, 0, 0, NULL }, "this is no text: it has a NUL character");
	while (s.at < s.end) {
		if (skip_continuation(&s))
			continue;
		if (is_blank(*s.at) || *s.at == '\n' || *s.at == ';')
			next(&s);
		else if (*s.at == '#')
			skip_line(&s);
		else
			ok &= scan_word(&s, out);
	}
	return ok;
}

/* ---- variables ---- */

static const struct import_name *find_variable(const char *name, const char *const **which)
{
	each_name(it)
	{
		for (size_t i = 0; i < array_len(it->variables) && it->variables[i]; i++) {
			*which = &it->variables[i];
			if (!strcmp(it->variables[i], name))
				return it;
		}
	}
	return NULL;
}

void import_read_environment(const char *const *environment, struct arena *a, struct import_variables *out)
{
	for (; *environment; environment++) {
		const char *equals = strchr(*environment, '='), *const * which;
		const struct import_name *known;
		const char *name;

		if (!equals)
			continue;
		name = arena_strndup(a, *environment, (size_t)(equals - *environment));
		known = find_variable(name, &which);
		if (str_starts(name, "ISTIO_") || (known && !known->files_only))
			*vec_push(a, &out->list) = (struct import_variable){ .name = name, .value = equals + 1 };
	}
}

static const char *unknown_reason(struct import *im, const char *name)
{
	vec_of(const char *) names = { 0 };
	const char *nearest;

	if (str_starts(name, "ISTIO_META"))
		return "metadata of Istio's proxy";
	each_name(it) for (size_t i = 0; i < array_len(it->variables) && it->variables[i]; i++) *
		vec_push(im->arena, &names) = it->variables[i];
	nearest = str_nearest(name, names.items, names.n);
	return nearest ? arena_printf(im->arena, "unknown; is %s meant?", nearest) : "unknown";
}

static void note(struct import *im, const char *name, const char *reason)
{
	*vec_push(im->arena, &im->notes) = (struct import_note){ name, reason };
}

/* A switch that is off, and one whose variable is empty, say nothing. */
static bool says_something(const struct import_name *name, const char *text)
{
	return !name->is_switch ||
	       (*text && strcmp(text, "0") && strcasecmp(text, "false") && strcasecmp(text, "f"));
}

static const char *variable_from(struct import *im, const struct import_variable *v)
{
	const char *slash = v->pos.file ? strrchr(v->pos.file, '/') : NULL;

	return v->pos.file ? arena_printf(im->arena, "%s in %s:%u", v->name, slash ? slash + 1 : v->pos.file,
				     v->pos.line)
			   : v->name;
}

static bool use_variable(struct import *im, const struct import_name *name, const struct import_variable *v)
{
	const char *from = variable_from(im, v);

	if (name->key == IMPORT_NOTHING) {
		if (says_something(name, v->value))
			note(im, from, name->reason);
		return true;
	}
	if (name->files_only && !v->pos.file) {
		note(im, from, "istio-iptables does not read it; it counts in a file");
		return true;
	}
	if (v->expands)
		return diag_error(im->diags, v->pos,
			"%s: only a shell can tell what this is; give the value itself", v->name);
	if (name->is_switch && !*v->value)
		return true;
	im->values[name->key] = (struct import_value){ v->value, v->name, from, v->pos };
	return true;
}

/* The last of several with one name. */
static const struct import_variable *last_of(const struct import_variables *variables, const char *name)
{
	for (size_t i = variables->list.n; i-- > 0;)
		if (!strcmp(variables->list.items[i].name, name))
			return &variables->list.items[i];
	return NULL;
}

bool import_use_variables(struct import *im, const struct import_variables *variables)
{
	const char *const *which;
	bool ok = true;

	/* In the order of the names: which of two wins does not depend on the order in which they are written. */
	each_name(it)
	{
		for (size_t i = 0; i < array_len(it->variables) && it->variables[i]; i++) {
			const struct import_variable *v = last_of(variables, it->variables[i]);

			if (v)
				ok &= use_variable(im, it, v);
		}
	}
	vec_each (v, &variables->list)
		if (!find_variable(v->name, &which) && last_of(variables, v->name) == v)
			note(im, variable_from(im, v), unknown_reason(im, v->name));
	return ok;
}

/* ---- flags ---- */

struct flags {
	struct import *im;
	const char *const *words;
	size_t n, at;
};

static bool set(struct flags *f, const struct import_name *name, const char *shown, const char *value)
{
	struct import *im = f->im;

	if (name->key != IMPORT_NOTHING)
		im->values[name->key] = (struct import_value){ value, shown, shown, { 0 } };
	else if (says_something(name, value))
		note(im, shown, name->reason);
	return true;
}

/* `value` NULL: it is the next word, or "true" for a switch. */
static bool set_flag(struct flags *f, const struct import_name *name, const char *shown, const char *value)
{
	if (!value && name->is_switch)
		value = "true";
	if (!value && f->at == f->n)
		return diag_failure(f->im->diags, "istio-iptables' flag %s needs a value", shown);
	return set(f, name, shown, value ? value : f->words[f->at++]);
}

static bool unknown_flag(struct flags *f, const char *name)
{
	vec_of(const char *) names = { 0 };
	const char *nearest;

	each_name(it) if (it->flag) * vec_push(f->im->arena, &names) = it->flag;
	nearest = str_nearest(name, names.items, names.n);
	return diag_failure(f->im->diags, "istio-iptables has no flag '--%s'%s%s%s", name,
		nearest ? ", did you mean '--" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static bool use_long(struct flags *f, const char *word)
{
	const char *equals = strchr(word, '=');
	const char *name = arena_strndup(f->im->arena, word, equals ? (size_t)(equals - word) : strlen(word));

	each_name(it) if (it->flag && !strcmp(it->flag, name)) return set_flag(
		f, it, arena_printf(f->im->arena, "--%s", name), equals ? equals + 1 : NULL);
	/* What follows is most likely its value. */
	if (!equals && f->at < f->n && f->words[f->at][0] != '-')
		f->at++;
	return unknown_flag(f, name);
}

/* -b80, -b=80, -b 80, -nf */
static bool use_letters(struct flags *f, const char *letters)
{
	for (; *letters; letters++) {
		const struct import_name *name = NULL;
		const char *shown = arena_printf(f->im->arena, "-%c", *letters);

		each_name(it) if (it->letter == *letters) name = it;
		if (!name)
			return diag_failure(f->im->diags, "istio-iptables has no flag '%s'", shown);
		if (letters[1] == '=')
			return set_flag(f, name, shown, letters + 2);
		if (!name->is_switch)
			return set_flag(f, name, shown, letters[1] ? letters + 1 : NULL);
		set_flag(f, name, shown, NULL);
	}
	return true;
}

static bool is_program(const char *word)
{
	static const char *const programs[] = { "pilot-agent", "istio-iptables", "istio-iptables.sh" };
	const char *slash = strrchr(word, '/');

	for (size_t i = 0; i < array_len(programs); i++)
		if (!strcmp(slash ? slash + 1 : word, programs[i]))
			return true;
	return false;
}

bool import_use_flags(struct import *im, const char *const *words, size_t n)
{
	struct flags f = { im, words, n, 0 };
	bool ok = true;

	while (f.at < n && is_program(words[f.at]))
		f.at++;
	while (f.at < n) {
		const char *word = words[f.at++];

		if (!strcmp(word, "--"))
			continue;
		if (word[0] != '-' || !word[1])
			ok = diag_failure(
				im->diags, "expected a flag of istio-iptables after '--', found '%s'", word);
		else
			ok &= word[1] == '-' ? use_long(&f, word + 2) : use_letters(&f, word + 1);
	}
	return ok;
}
