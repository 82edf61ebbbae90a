#include <ctype.h>
#include <string.h>

#include "cli/generate.h"

static const struct {
	enum code code;
	const char *meaning;
} all_codes[] = {
	{ CODE_OK, "in sync, or converged and ready" },
	{ CODE_ERROR, "error: the source was refused, or a target failed" },
	{ CODE_DIFFERENT,
		"there are differences (diff, dry runs); with --detailed-exitcode, something was changed" },
	{ CODE_NOT_READY, "applied, but not ready in time" },
	{ CODE_NOTHING_DONE, "nothing was done: another pass holds the lock" },
	{ CODE_USAGE, "wrong usage" },
	{ CODE_SIGNAL, "plus the number of a signal: stopped by it" },
};

static const struct {
	const char *path, *meaning;
} files[] = {
	{ "/etc/enmesh/agent.yaml", "Settings of this machine; see enmesh.yaml(5), AgentConfig." },
	{ "/var/lib/enmesh", "What is kept across boots." },
	{ "/run/enmesh/lock", "Held while a pass writes." },
	{ "/run/enmesh/status.json", "What the last pass found and did; anyone may read it." },
};

static void add_head(struct str *out, const char *name, const char *section, const char *summary)
{
	str_add(out, ".\\\" Made from the tables of commands and options.\n.Dd " MDOC_DATE "\n.Dt ");
	for (const char *c = name; *c; c++)
		str_printf(out, "%c", toupper((unsigned char)*c));
	str_printf(out, " %s\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", section, name, summary);
}

static void add_option(struct str *out, const struct opt *o, struct arena *a)
{
	const char *value = o->value ? mdoc_word(o->value, a) : NULL;

	str_add(out, ".It ");
	if (o->letter)
		str_printf(out, "Fl %c%s%s , ", o->letter, value ? " Ar " : "", value ? value : "");
	str_printf(out, "Fl -%s", o->name);
	if (value)
		str_printf(out, " Ns = Ns Ar %s", value);
	if (o->type == OPT_TYPE_SWITCH)
		str_printf(out, " , Fl -no-%s", o->name);
	str_add(out, "\n");
	mdoc_text(out, o->help);
}

static void add_options(struct str *out, const struct opt *const *tables, struct arena *a)
{
	str_add(out, "The options are:\n.Bl -tag -width Ds\n");
	for (const struct opt *const *table = tables; *table; table++)
		for (const struct opt *o = *table; o->name; o++)
			add_option(out, o, a);
	str_add(out, ".El\n");
}

static void add_paragraph(struct str *out, const char *text)
{
	if (str_starts(text, "  "))
		str_printf(out, ".Bd -literal -offset indent\n%s\n.Ed\n", text + 2);
	else
		mdoc_text(out, text);
}

static void add_paragraphs(struct str *out, const char *text, struct arena *a)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t n = end ? (size_t)(end - text) : strlen(text);
		const char *paragraph = arena_strndup(a, text, n);

		add_paragraph(out, paragraph);
		text += n;
		text += strspn(text, "\n");
		if (*text && !str_starts(text, "  "))
			str_add(out, ".Pp\n");
	}
}

static void add_code(struct str *out, enum code code, const char *meaning)
{
	str_printf(out, ".It %d\n", (int)code);
	mdoc_text(out, meaning);
}

/* "istio [FILE]" as an argument and an optional one */
static void add_operands(struct str *out, const char *operands)
{
	while (*operands) {
		bool optional = *operands == '[';
		size_t n = strcspn(operands += optional, optional ? "]" : " ");

		str_add(out, optional ? ".Op Ar " : ".Ar ");
		for (; n; n--, operands++) {
			str_add(out, *operands == '-' ? "\\" : "");
			str_add_n(out, operands, 1);
		}
		str_add(out, "\n");
		operands += optional;
		operands += strspn(operands, " ");
	}
}

static const char *command_page(const struct command *c, struct arena *a)
{
	struct str out = { .arena = a };

	add_head(&out, arena_printf(a, "enmesh-%s", c->name), "1", c->summary);
	str_printf(&out, ".Sh SYNOPSIS\n.Nm enmesh %s\n.Op Ar OPTION ...\n", c->name);
	add_operands(&out, c->operands ? c->operands : "");
	str_add(&out, ".Sh DESCRIPTION\n");
	add_paragraphs(&out, c->description, a);
	str_add(&out, ".Pp\n");
	add_options(&out, c->tables, a);
	str_add(&out, ".Sh EXIT STATUS\n.Bl -tag -width Ds\n");
	for (const struct code_meaning *m = c->codes; m->meaning; m++)
		add_code(&out, m->code, m->meaning);
	str_add(&out, ".El\n.Sh SEE ALSO\n.Xr enmesh 1 ,\n.Xr enmesh.yaml 5\n");
	return str_text(&out);
}

static void add_commands(struct str *out)
{
	str_add(out, ".Pp\nThe commands are:\n.Bl -tag -width Ds\n");
	for (const struct command *const *c = commands_all; *c; c++) {
		str_printf(out, ".It Xr enmesh-%s 1\n", (*c)->name);
		mdoc_text(out, (*c)->summary);
	}
	str_add(out, ".El\n.Pp\n");
}

static const char *main_page(struct arena *a)
{
	static const struct opt *const tables[] = { opts_general, NULL };
	struct str out = { .arena = a };

	add_head(&out, "enmesh", "1", "put a machine outside Kubernetes into a service mesh");
	str_add(&out, ".Sh SYNOPSIS\n.Nm\n.Ar COMMAND\n.Op Ar OPTION ...\n.Op Ar OPERAND\n.Nm\n.Fl -version\n"
		      ".Sh DESCRIPTION\n.Nm\n");
	mdoc_text(&out,
		"puts a machine that is not in Kubernetes into a service mesh, and keeps it there. The desired "
		"state of the whole "
		"mesh is YAML in a directory. On every machine, the part that concerns it is compared with what "
		"is really there "
		"(nftables rules, processes, objects of an API server), and only what differs is changed.");
	add_commands(&out);
	add_options(&out, tables, a);
	str_add(&out,
		".Sh ENVIRONMENT\n.Bl -tag -width Ds\n.It Ev NO_COLOR\nIf it is set and not empty, nothing is "
		"coloured.\n.It Ev TERM\nIf it is\n.Li dumb ,\nnothing is coloured.\n.El\n.Sh FILES\n.Bl -tag "
		"-width "
		"Ds\n");
	for (size_t i = 0; i < array_len(files); i++) {
		str_printf(&out, ".It Pa %s\n", files[i].path);
		mdoc_text(&out, files[i].meaning);
	}
	str_add(&out, ".El\n.Sh EXIT STATUS\n.Bl -tag -width Ds\n");
	for (size_t i = 0; i < array_len(all_codes); i++)
		add_code(&out, all_codes[i].code, all_codes[i].meaning);
	str_add(&out, ".El\n.Sh EXAMPLES\nStart with a small mesh, look at what it would do here, and do it:\n"
		      ".Bd -literal -offset indent\nenmesh init mesh\nenmesh validate mesh\nenmesh diff mesh\n"
		      "enmesh apply mesh\n.Ed\n.Sh SEE ALSO\n.Xr enmesh.yaml 5\n");
	return str_text(&out);
}

const char *manual_page(const char *name, struct arena *a)
{
	const struct command *c;

	if (!strcmp(name, "enmesh"))
		return main_page(a);
	c = str_starts(name, "enmesh-") ? command_find(name + strlen("enmesh-")) : NULL;
	return c ? command_page(c, a) : NULL;
}
