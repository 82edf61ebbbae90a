#include "config/yaml_problem.h"

#include <string.h>

/* Where a problem is: of what is begun and has no end, the beginning says more. */
enum where { AT_PROBLEM, AT_BEGINNING };

/* clang-format off */
static const struct explanation {
	const char *context, *problem; /* parts of libyaml's own words; NULL: any */
	enum where where;
	const char *message; /* %zu: the line of the problem */
} explanations[] = {
	{ "flow sequence", "did not find", AT_BEGINNING, "this list is not closed: expected ',' or ']' at line %zu" },
	{ "flow mapping", "did not find", AT_BEGINNING, "this map is not closed: expected ',' or '}' at line %zu" },
	{ "flow node", "did not find", AT_PROBLEM, "expected a value; is a bracket not closed, or a comma too many?" },
	{ "quoted scalar", "unexpected end", AT_BEGINNING, "this string has no closing quote" },
	{ "quoted scalar", "document indicator", AT_BEGINNING, "this string has no closing quote before line %zu" },
	{ "quoted scalar", "escape", AT_PROBLEM,
		"unknown escape in a string in double quotes; a backslash is \\\\ there, or use single quotes" },
	{ "simple key", "expected ':'", AT_BEGINNING, "expected a ':' and a space behind this name" },
	{ NULL, "mapping values are not allowed", AT_PROBLEM,
		"unexpected ':'; a value with ': ' in it needs quotes, and the names of one map the same indentation" },
	{ NULL, "mapping keys are not allowed", AT_PROBLEM, "unexpected '?'; a value that begins with it needs quotes" },
	{ NULL, "sequence entries are not allowed", AT_PROBLEM, "unexpected '-'; a list begins on a line of its own" },
	{ "block mapping", "did not find expected key", AT_PROBLEM,
		"expected a name and a ':'; is the indentation that of the lines above?" },
	{ "block collection", "did not find expected '-'", AT_PROBLEM,
		"expected a '-'; is the indentation that of the lines above?" },
	{ NULL, "<document start>", AT_PROBLEM, "expected the end of the document, or a line of ---" },
	{ NULL, "incompatible YAML", AT_PROBLEM, "only YAML 1.1 and 1.2 are known here" },
	{ NULL, "unexpected end of stream", AT_BEGINNING, "this has no end" },
};
/* clang-format on */

static bool holds(const char *text, const char *part)
{
	return !part || (text && strstr(text, part));
}

static struct bytes line_at(const struct bytes *text, size_t line)
{
	const char *s = text->data, *end = s + text->size, *newline;

	for (; line && (newline = memchr(s, '\n', (size_t)(end - s))); line--)
		s = newline + 1;
	newline = memchr(s, '\n', (size_t)(end - s));
	return (struct bytes){ s, (size_t)((newline ? newline : end) - s) };
}

const char *yaml_template_hint(const struct bytes *text, size_t line)
{
	struct bytes at = line_at(text, line);

	return memmem(at.data, at.size, "{{", 2) ? "; enmesh fills in no templates: name the file in .enmeshignore"
						 : "";
}

/* Line and column of a byte: libyaml gives no mark for a character that it can't read. */
static void place_of_offset(const struct bytes *text, size_t offset, struct pos *pos)
{
	pos->line = pos->column = 1;
	for (size_t i = 0; i < offset && i < text->size; i++) {
		char c = text->data[i];

		if (c == '\n' || (c == '\r' && text->data[i + 1] != '\n')) {
			pos->line++;
			pos->column = 1;
		} else if ((c & 0xc0) != 0x80) {
			pos->column++;
		}
	}
}

/* A character that no value begins with. */
static const char *bad_start(const struct bytes *line, size_t column, struct arena *a)
{
	size_t i = 0;

	for (; column && i < line->size; column--)
		for (i++; i < line->size && (line->data[i] & 0xc0) == 0x80;)
			i++;
	if (i >= line->size || line->data[i] == '\t')
		return "a tab cannot indent; use spaces";
	return arena_printf(a, "a value cannot begin with %c; put it in quotes", line->data[i]);
}

static const char *explain(const yaml_parser_t *p, const struct bytes *text, struct arena *a, enum where *where)
{
	struct bytes line = line_at(text, p->problem_mark.line);

	*where = AT_PROBLEM;
	if (holds(p->problem, "cannot start any token"))
		return bad_start(&line, p->problem_mark.column, a);
	for (size_t i = 0; i < array_len(explanations); i++) {
		const struct explanation *e = &explanations[i];
		const char *number = strstr(e->message, "%zu");

		if (!holds(p->context, e->context) || !holds(p->problem, e->problem))
			continue;
		*where = e->where;
		if (!number)
			return e->message;
		return arena_printf(a, "%.*s%zu%s", (int)(number - e->message), e->message,
			p->problem_mark.line + 1, number + strlen("%zu"));
	}
	return p->context ? arena_printf(a, "%s %s", p->problem, p->context) : p->problem;
}

const char *yaml_problem(const yaml_parser_t *parser, const struct bytes *text, struct arena *a, struct pos *pos)
{
	const char *message;
	yaml_mark_t mark;
	enum where where;

	if (!parser->problem)
		return "this is no YAML";
	if (parser->error == YAML_READER_ERROR) {
		place_of_offset(text, parser->problem_offset, pos);
		return strstr(parser->problem, "control characters")
			       ? "a control character; in double quotes it can be written as \\xNN"
			       : arena_printf(a, "%s; the text must be UTF-8", parser->problem);
	}
	message = explain(parser, text, a, &where);
	mark = where == AT_BEGINNING ? parser->context_mark : parser->problem_mark;
	pos->line = (uint32_t)mark.line + 1;
	pos->column = (uint32_t)mark.column + 1;
	return arena_printf(a, "%s%s", message, yaml_template_hint(text, mark.line));
}
