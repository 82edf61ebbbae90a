#include <ctype.h>

#include "base/str.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "config/yaml.h"
#include "report/json.h"

static const char *const formats[] = { "yaml", "json", "nft", NULL };

static const struct opt opts[] = {
	OPT_CHOICE('o', "output", "FORMAT", struct arguments, format, formats,
		"how to print it: yaml, json, or nft (the rules alone, in nft syntax)"),
	{ 0 },
};

/* A comment of one line, whatever is in the text: what follows would be read as rules. */
static void add_comment(struct str *out, const char *text)
{
	str_add(out, "# ");
	for (; *text; text++)
		str_printf(out, "%c", iscntrl((unsigned char)*text) ? '?' : *text);
	str_add(out, "\n");
}

/* The rules of one place, after what nft has no words for. */
static void add_nft(struct str *out, const struct node *place)
{
	const char *text = place->type == NODE_STRING ? place->string : node_get_text(place, "nft");
	const char *netns = place->type == NODE_MAP ? node_get_text(place, "networkNamespace") : NULL;
	const struct node *routes = place->type == NODE_MAP ? node_get(place, "routes") : NULL;

	if (!text)
		return;
	if (netns)
		add_comment(out, arena_printf(out->arena, "network namespace %s", netns));
	if (routes)
		node_each (route, routes)
			add_comment(out, route->string);
	str_printf(out, "%s%s", text, str_ends(text, "\n") ? "" : "\n");
}

/* Text in nft syntax is what a target describes as a string, as a map with one named nft, or as a list of these.
 */
static bool print_nft(struct session *s, const struct node *described)
{
	struct str out = { .arena = s->arena };

	node_each (it, described)
		if (it->type == NODE_LIST)
			node_each (place, it)
				add_nft(&out, place);
		else
			add_nft(&out, it);
	return output_text(s, str_text(&out));
}

static bool print(struct session *s, const struct pass *p)
{
	struct node described = { .type = NODE_MAP };
	const struct node *root;

	for (const struct target *const *t = p->targets; *t; t++)
		node_put_node(s->arena, &described, (*t)->name,
			(*t)->describe((*t)->desire(p->site, s->arena), s->arena));
	root = json_render(p, &described, s->arena);
	switch ((enum render_format)s->args.format) {
	case RENDER_YAML:
		return output_text(s, yaml_write(root, s->arena));
	case RENDER_JSON:
		return output_json(s, root);
	case RENDER_NFT:
		return print_nft(s, &described);
	}
	return false;
}

static enum code run_render(struct session *s)
{
	struct pass p = { .arena = s->arena, .diags = s->diags };
	struct settings settings;
	enum code code = settings_read_offline(s, &settings);

	if (code == CODE_OK)
		code = settings_targets(s, &p.targets);
	if (code != CODE_OK)
		return code;
	if (!settings_load(s, &settings, &p, false))
		return CODE_ERROR;
	return s->args.quiet || print(s, &p) ? CODE_OK : CODE_ERROR;
}

const struct command command_render = {
	.name = "render",
	.operands = "[SOURCE]",
	.max_operands = 1,
	.summary = "show what SOURCE wants of one node",
	.description = "Shows the node's desired state, of every target, with profiles, defaults and variables "
		       "put in. Nothing of this "
		       "machine is looked at but the numbers of users and groups; a name that it lacks stays a "
		       "name. So it works without "
		       "root, anywhere.",
	.tables = { opts_node, opts, opts_source, opts_targets, opts_state, opts_config, opts_general },
	.codes = { { CODE_OK, "shown" }, { CODE_ERROR, "the source was refused, or does not name the node" },
		{ CODE_USAGE, "wrong usage" } },
	.run = run_render,
};
