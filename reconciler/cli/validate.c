#include "base/str.h"
#include "cli/output.h"
#include "cli/place.h"
#include "cli/settings.h"
#include "report/checks.h"
#include "report/json.h"
#include "source/url.h"

enum { ERRORS_ENOUGH = 1000 }; /* one mistake may be one on each of very many nodes */

enum check_format { CHECK_TEXT, CHECK_JSON, CHECK_SARIF, CHECK_JUNIT, CHECK_GITHUB };

static const char *const formats[] = { "text", "json", "sarif", "junit", "github", NULL };

static const struct opt opts[] = {
	OPT_FLAG(0, "strict", struct arguments, strict, "warnings are errors"),
	OPT_CHOICE('o', "output", "FORMAT", struct arguments, format, formats,
		"how to print the result: text, json, sarif (2.1.0), junit (XML), or github (workflow commands)"),
	OPT_STRING(0, "json-into", "FILE", struct arguments, json_into, "also write the result as JSON into FILE"),
	{ 0 },
};

/*
 * What shows only when a node's part is put together: variables in templates that are files of the source, and
 * paths that the node's values make none.
 */
static void check_nodes(struct pass *p)
{
	vec_each (node, &p->model->nodes) {
		struct arena scratch = { 0 };

		pass_make_site(p, node->name, &scratch);
		arena_finish(&scratch);
		if (p->diags->errors > ERRORS_ENOUGH)
			break;
	}
}

static const char *valid_text(const struct pass *p, struct arena *a)
{
	const struct model *m = p->model;
	const struct {
		const char *one, *many;
		size_t n;
	} kinds[] = {
		{ "node", "nodes", m->nodes.n },
		{ "service", "services", m->services.n },
		{ "sidecar", "sidecars", m->sidecars.n },
		{ "component", "components", m->components.n },
		{ "capture", "captures", m->captures.n },
		{ "object", "objects", m->objects.n },
	};
	struct str out = { .arena = a };

	str_printf(&out, "Valid: mesh %s", m->mesh->name);
	for (size_t i = 0; i < array_len(kinds); i++)
		if (kinds[i].n)
			str_printf(&out, ", %zu %s", kinds[i].n, kinds[i].n == 1 ? kinds[i].one : kinds[i].many);
	str_printf(&out, " (%s)\n", p->tree.revision);
	return str_text(&out);
}

static const char *invalid_text(const struct diags *d, struct arena *a)
{
	const char *text = arena_printf(a, "Invalid: %zu error%s", d->errors, d->errors == 1 ? "" : "s");

	if (d->warnings)
		text = arena_printf(a, "%s, %zu warning%s", text, d->warnings, d->warnings == 1 ? "" : "s");
	return arena_printf(a, "%s\n", text);
}

/* Services know files by their place in the repository. */
static void place_files(struct session *s, struct pass *p)
{
	for (size_t i = 0; i < p->tree.n_files; i++)
		p->tree.files[i].shown = place_in_repository(p->tree.files[i].shown, s->arena);
	vec_each (diag, &s->diags->list)
		if (diag->pos.file)
			diag->pos.file = place_in_repository(diag->pos.file, s->arena);
}

static void print(struct session *s, const struct pass *p, const struct node *json)
{
	switch ((enum check_format)s->args.format) {
	case CHECK_TEXT:
		output_text(s, s->diags->errors ? invalid_text(s->diags, s->arena) : valid_text(p, s->arena));
		break;
	case CHECK_JSON:
		output_json(s, json);
		break;
	case CHECK_SARIF:
		output_json(s, checks_sarif(s->diags, s->arena));
		break;
	case CHECK_JUNIT:
		output_text(s, checks_junit(p, s->diags, s->arena));
		break;
	case CHECK_GITHUB:
		output_text(s, checks_github(s->diags, s->arena));
		break;
	}
}

static void report(struct session *s, struct pass *p)
{
	const struct node *json = NULL;

	diag_sort(s->diags);
	if (s->args.format == CHECK_JSON || s->args.json_into)
		json = json_diagnostics(p, s->diags, s->arena);
	if (s->args.json_into)
		output_json_into(s, s->args.json_into, json);
	if (s->args.format > CHECK_JSON && !p->remote.git)
		place_files(s, p);
	if (!s->args.quiet)
		print(s, p, json);
}

static enum code run_validate(struct session *s)
{
	struct pass p = { .arena = s->arena, .diags = s->diags };
	struct settings settings;
	enum code code;

	/* A directory that is given needs no settings, so any machine will do. */
	if (s->args.operands.list.n && !url_is(s->args.operands.list.items[0])) {
		p.source = s->args.operands.list.items[0];
	} else {
		code = settings_read_source(s, &settings);
		if (code != CODE_OK)
			return code;
		settings_use(&settings, &p);
	}
	if (pass_load(&p))
		check_nodes(&p);
	if (s->args.strict)
		diag_promote(s->diags, 0);
	report(s, &p);
	return s->diags->errors ? CODE_ERROR : CODE_OK;
}

const struct command command_validate = {
	.name = "validate",
	.operands = "[SOURCE]",
	.max_operands = 1,
	.summary = "check a source: syntax, fields, references",
	.description =
		"Reads every document of SOURCE, a directory or the address of a git repository, and "
		"reports every mistake with its place. "
		"Nothing outside of "
		"SOURCE is looked at, so the result is the same on every machine.\n\n"
		"In the formats for services (sarif, junit, github), files are named from the root of the git "
		"work tree that SOURCE lies in.\n\n"
		"Without SOURCE, the one that the settings of this machine name is checked.",
	.tables = { opts, opts_source, opts_state, opts_config, opts_general },
	.codes = { { CODE_OK, "the source is valid" },
		{ CODE_ERROR, "it is not, or it could not be read; the diagnostics say where and why" },
		{ CODE_USAGE, "wrong usage" } },
	.run = run_validate,
};
