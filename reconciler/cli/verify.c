#include <unistd.h>

#include "cli/output.h"
#include "cli/settings.h"
#include "report/verify.h"

static enum code verify(struct session *s, struct settings *settings, struct pass *p)
{
	const struct target *t = settings_target_of_connections();
	const struct state *want = t->desire(p->site, s->arena);
	const struct state *live = t->observe(&settings->host, want, s->arena, s->diags);
	const struct node *trials = live ? t->verify(p->site, want, live, s->arena, s->diags) : NULL;
	struct verify_counts counts;

	if (!trials || !output_result(s, verify_json(p, trials, s->arena), verify_text))
		return CODE_ERROR;
	counts = verify_count(trials);
	return counts.wrong || (counts.undecided && !counts.ok) ? CODE_NOT_READY : CODE_OK;
}

static enum code run_verify(struct session *s)
{
	struct pass p = { .arena = s->arena, .diags = s->diags };
	struct settings settings;
	enum code code;

	if (geteuid() != 0) {
		diag_failure(s->diags, "verify opens connections as the users of the services: run it as root");
		return CODE_ERROR;
	}
	code = settings_read_source(s, &settings);
	if (code != CODE_OK)
		return code;
	return settings_load(s, &settings, &p, true) ? verify(s, &settings, &p) : CODE_ERROR;
}

const struct command command_verify = {
	.name = "verify",
	.operands = "[SOURCE]",
	.max_operands = 1,
	.summary = "prove with real connections that traffic goes through the sidecars",
	.description =
		"Opens connections on this node as the users of its services, and from a network namespace "
		"that is joined to it meanwhile, and looks which socket takes each: what SOURCE wants "
		"captured must end at the sidecar, and what it excludes, and the sidecar's own, must not. "
		"For each that ends elsewhere it names the rule that is to blame. No byte is sent over them, "
		"and no packet comes further than the first router: most go to addresses that no machine "
		"has.\n\n"
		"A connection that cannot set out, such as to IPv6 on a machine without a route, is "
		"undecided; the others decide. The last line is for robots:\n\n"
		"  Verified: 12 ok, 0 wrong, 2 undecided.",
	.tables = { opts_node, opts_source, opts_format, opts_state, opts_config, opts_general },
	.codes = { { CODE_OK, "what could be tried is as it should be" },
		{ CODE_ERROR, "the source was refused, or no connections could be opened" },
		{ CODE_NOT_READY, "a connection ended elsewhere than it should, or none could be tried" },
		{ CODE_USAGE, "wrong usage" } },
	.run = run_verify,
};
