#include <unistd.h>

#include "base/str.h"
#include "cli/connection.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "report/trace.h"

static const char *const protocols[] = { "tcp", "udp", NULL };

/* clang-format off */
static const struct opt opts[] = {
	OPT_LIST(0, "from", "WHO", struct arguments, from,
		"who connects: uid:USER, gid:GROUP, cgroup:/PATH, mark:NUMBER of this node, or an address; several with commas"),
	OPT_LIST(0, "to", "ADDRESS:PORT", struct arguments, to, "where to; may be repeated or a list with commas"),
	OPT_CHOICE(0, "protocol", "PROTOCOL", struct arguments, protocol, protocols, "tcp (the default) or udp"),
	OPT_STRING(0, "interface", "NAME", struct arguments, interface,
		"by which it leaves the node, or comes in (default: not known; with --live, as routing says)"),
	OPT_STRING(0, "netns", "PATH", struct arguments, netns, "network namespace in which it is (default: the node's own)"),
	OPT_LIST(0, "address", "ADDRESS", struct arguments, addresses, "an address of the node, besides those that the source names"),
	OPT_LIST(0, "closed", "PORT", struct arguments, closed, "a port on which nobody waits"),
	OPT_FLAG(0, "live", struct arguments, live,
		"through the rules, routes and listeners that this machine has, not those that SOURCE wants"),
	{ 0 },
};
/* clang-format on */

struct tracing {
	struct session *session;
	struct settings settings;
	struct pass pass;
	const struct target *target;
	const struct state *state;
	struct network network;
	struct connections connections;
};

/* What the source wants; without one (--live), nothing. */
static bool load(struct tracing *t)
{
	struct session *s = t->session;

	t->pass = (struct pass){ .arena = s->arena, .diags = s->diags, .node = t->settings.node };
	if (!t->settings.source)
		return true;
	if (!settings_load(s, &t->settings, &t->pass, false))
		return false;
	network_of_site(t->pass.site, s->arena, &t->network);
	return true;
}

static bool look(struct tracing *t)
{
	struct session *s = t->session;

	t->state = t->target->desire(t->pass.site, s->arena);
	if (!s->args.live)
		return true;
	t->state = t->target->observe(&t->settings.host, t->state, s->arena, s->diags);
	return t->state && t->target->survey(s->args.netns, t->connections.list.items, t->connections.list.n,
				   s->arena, &t->network, s->diags);
}

static bool print(struct tracing *t)
{
	struct session *s = t->session;
	struct node *traces = arena_new(s->arena, struct node);

	traces->type = NODE_LIST;
	vec_each (c, &t->connections.list)
		*node_add(s->arena, traces) = *t->target->trace(t->state, s->args.netns, c, &t->network, s->arena);
	return output_result(s, trace_json(&t->pass, s->args.live, traces, s->arena), trace_text);
}

static enum code run_trace(struct session *s)
{
	struct tracing t = { .session = s, .target = settings_target_of_connections() };
	enum code code = connections_read(s, &t.connections);

	if (code == CODE_OK)
		code = connections_network(s, &t.network);
	if (code == CODE_OK)
		code = s->args.live ? settings_read(s, &t.settings) : settings_read_offline(s, &t.settings);
	if (code != CODE_OK)
		return code;
	return load(&t) && look(&t) && print(&t) ? CODE_OK : CODE_ERROR;
}

const struct command command_trace = {
	.name = "trace",
	.operands = "[SOURCE]",
	.max_operands = 1,
	.summary = "show the way of a connection through the rules, and where it lands",
	.description =
		"Takes the first packet of a connection through the rules that SOURCE wants of the node, one "
		"by one, with what each looks up in sets and maps, and says where it lands: at the sidecar, "
		"at the app, somewhere else, or nowhere. No packet is sent, nothing of this machine is "
		"looked at but the numbers of users and groups, and no rights are needed.\n\n"
		"  enmesh trace mesh --from uid:1001 --to 10.0.0.7:443\n"
		"  enmesh trace mesh --from 10.0.0.9 --to 10.0.0.1:9080\n"
		"  enmesh trace --live --from user:reviews --to 10.0.0.7:443\n\n"
		"A user, group, cgroup or mark in --from means a connection that a process of the node "
		"opens, with an address if its socket is bound to one; an address alone means one from "
		"elsewhere. The group is the user's own, if none is given.\n\n"
		"With --live it goes through the rules in the kernel, and where the machine's own addresses, "
		"routes and listening sockets lead; that needs root. Only enmesh's own table is looked at, "
		"in both cases.",
	.tables = { opts_node, opts, opts_source, opts_format, opts_state, opts_config, opts_general },
	.codes = { { CODE_OK, "shown, wherever it lands" },
		{ CODE_ERROR, "the source was refused, or the machine could not be read" },
		{ CODE_USAGE, "wrong usage" } },
	.run = run_trace,
};
