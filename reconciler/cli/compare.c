#include "cli/compare.h"

#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/settings.h"
#include "report/compare.h"
#include "source/url.h"

#define MERGE_BASE "merge-base"

static void report(struct session *s, const struct comparison *c)
{
	const struct node *json = NULL;

	diag_sort(s->diags);
	if (s->args.format == FORMAT_JSON || s->args.json_into)
		json = compare_json(c, s->diags, s->arena);
	if (s->args.json_into)
		output_json_into(s, s->args.json_into, json);
	if (s->args.quiet)
		return;
	if (s->args.format == FORMAT_JSON)
		output_json(s, json);
	else if (s->args.format == FORMAT_MARKDOWN)
		output_text(s, compare_markdown(c, s->diags, s->arena));
	else if (!s->diags->errors)
		output_text(s, compare_text(c, output_style(s, STDOUT_FILENO), s->arena));
}

/* What is wrong with the older revision is said of it. */
static bool load_from(struct session *s, struct comparison *c)
{
	struct diags own = { .arena = s->arena };
	bool ok;

	c->from.diags = &own;
	ok = pass_load(&c->from);
	c->from.diags = s->diags;
	if (!ok && c->from.tree.revision)
		diag_failure(s->diags,
			"revision %s, with which it is compared, is not valid itself:", c->from.tree.revision);
	diag_append(s->diags, &own);
	return ok;
}

enum code compare(struct session *s)
{
	const struct arguments *args = &s->args;
	const char *from = args->from_revision;
	struct comparison c = { .arena = s->arena, .diags = s->diags, .node = args->node };
	struct pass side = { .arena = s->arena, .diags = s->diags };
	struct settings settings = { 0 };
	enum code code = args->operands.list.n ? CODE_OK : settings_read_source(s, &settings);

	if (code == CODE_OK)
		code = settings_targets(s, &side.targets);
	if (code != CODE_OK)
		return code;
	side.source = args->operands.list.n ? args->operands.list.items[0] : settings.source;
	if (url_is(side.source)) {
		diag_failure(s->diags,
			"--from and --to compare revisions of a directory in a git work tree; clone %s first",
			url_shown(side.source, s->arena));
		return CODE_USAGE;
	}
	c.to = c.from = side;
	c.to.at = args->to_revision;
	c.from.at = !from || !strcmp(from, MERGE_BASE) ? "" : from;
	if (pass_load(&c.to)) {
		c.from.like = c.to.config;
		if (load_from(s, &c))
			compare_run(&c);
	}
	report(s, &c);
	code = s->diags->errors ? CODE_ERROR : c.groups.n ? (enum code)args->diff_exit_code : CODE_OK;
	compare_finish(&c);
	return code;
}
