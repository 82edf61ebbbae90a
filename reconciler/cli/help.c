#include "cli/help.h"

#include <string.h>

#include "base/str.h"

enum { INDENT = 30 };

static void add_spaces(struct str *out, size_t n)
{
	while (n--)
		str_add(out, " ");
}

/* Adds words, broken into lines that begin at `indent`; the first one stands at `column` already. */
static void add_wrapped(struct str *out, const char *text, size_t indent, size_t column)
{
	size_t at = column;

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (at > indent && at + 1 + n > HELP_WIDTH) {
			str_add(out, "\n");
			add_spaces(out, indent);
			at = indent;
		} else if (at > indent) {
			str_add(out, " ");
			at++;
		}
		str_add_n(out, text, n);
		at += n;
		text += n;
		text += strspn(text, " \n");
	}
	str_add(out, "\n");
}

static void add_entry(struct str *out, const char *name, const char *text)
{
	size_t n = strlen(name) + 2;

	str_printf(out, "  %s", name);
	if (n + 2 > INDENT) {
		str_add(out, "\n");
		n = 0;
	}
	add_spaces(out, INDENT - n);
	add_wrapped(out, text, INDENT, INDENT);
}

/* Paragraphs; those whose lines begin with two spaces stay as they are. */
static void add_paragraphs(struct str *out, const char *text, struct arena *a)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t n = end ? (size_t)(end - text) : strlen(text);
		const char *paragraph = arena_strndup(a, text, n);

		str_add(out, "\n");
		if (str_starts(paragraph, "  "))
			str_printf(out, "%s\n", paragraph);
		else
			add_wrapped(out, paragraph, 0, 0);
		text += n;
		text += strspn(text, "\n");
	}
}

const char *help_option(const struct opt *o, struct arena *a)
{
	const char *no = o->type == OPT_TYPE_SWITCH ? "[no-]" : "";
	const char *letter = o->letter ? arena_printf(a, "-%c, ", o->letter) : "    ";

	return arena_printf(a, "%s--%s%s%s%s", letter, no, o->name, o->value ? "=" : "", o->value ? o->value : "");
}

const char *help_usage(const struct command *c, struct arena *a)
{
	return arena_printf(
		a, "enmesh %s [OPTIONS]%s%s", c->name, c->operands ? " " : "", c->operands ? c->operands : "");
}

const char *help_command(const struct command *c, struct arena *a)
{
	struct str out = { .arena = a };

	str_printf(&out, "Usage: %s\n\n", help_usage(c, a));
	add_wrapped(&out, arena_printf(a, "%s: %s.", c->name, c->summary), 0, 0);
	add_paragraphs(&out, c->description, a);
	str_add(&out, "\nOptions:\n");
	for (const struct opt *const *table = c->tables; *table; table++)
		for (const struct opt *o = *table; o->name; o++)
			add_entry(&out, help_option(o, a), o->help);
	str_add(&out, "\nExit codes:\n");
	for (const struct code_meaning *m = c->codes; m->meaning; m++)
		add_entry(&out, arena_printf(a, "%d", (int)m->code), m->meaning);
	return str_text(&out);
}

const char *help_overview(struct arena *a)
{
	struct str out = { .arena = a };

	str_add(&out, "Usage: enmesh COMMAND [OPTIONS]\n\n");
	add_wrapped(
		&out, "enmesh puts a machine outside Kubernetes into a service mesh and keeps it there.", 0, 0);
	str_add(&out, "\nCommands:\n");
	for (const struct command *const *c = commands_all; *c; c++)
		add_entry(&out, (*c)->name, (*c)->summary);
	str_add(&out, "\nOptions:\n");
	for (const struct opt *o = opts_general; o->name; o++)
		add_entry(&out, help_option(o, a), o->help);
	add_entry(&out, "    --version", "show the version");
	str_add(&out, "\n'enmesh help COMMAND' says more about a command.\n");
	return str_text(&out);
}
