#include "targets/capture/evaluate.h"

#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	DEPTH_MAX = 16,    /* NFT_JUMP_STACK_SIZE: the kernel takes no deeper ruleset */
	STEPS_MAX = 10000, /* a table that has more of them is not walked to its end */
};

void evaluate_assume(struct evaluating *e, const char *text)
{
	vec_each (known, &e->out->assumptions)
		if (!strcmp(*known, text))
			return;
	*vec_push(e->arena, &e->out->assumptions) = text;
}

static struct step *add_step(struct evaluating *e, uint32_t hook)
{
	struct step *step = vec_push(e->arena, &e->out->steps);

	step->hook = hook;
	return step;
}

/* What is no rule's doing. */
static void note(struct evaluating *e, uint32_t hook, const char *effect)
{
	struct step *step = add_step(e, hook);

	step->matched = true;
	step->effect = effect;
}

/* ---- chains ---- */

/* Where to go on. */
struct place {
	const struct chain *chain;
	size_t rule;
};

static bool is_captured(const struct evaluation *out)
{
	return out->redirected || out->tproxy;
}

/* Whether it is the rule that people ask for: the one that captures, or ends the packet, or lets it go. */
static bool decides(const struct evaluating *e, const struct chain *base, enum ruling ruling, bool captured)
{
	bool undecided = e->out->decision == NO_STEP;

	switch (ruling) {
	case RULING_DROP:
	case RULING_REFUSE:
	case RULING_UNKNOWN:
		return true;
	case RULING_ACCEPT:
	case RULING_CONTINUE:
		if (is_captured(e->out))
			return !captured;
		return ruling == RULING_ACCEPT && (base->type == CHAIN_NAT || undecided);
	case RULING_RETURN:
	case RULING_JUMP:
	case RULING_GOTO:
		break;
	}
	return false;
}

/* A base chain's end, also by `return`. */
static enum ruling policy(struct evaluating *e, const struct chain *base)
{
	struct step *step = add_step(e, base->hook);

	step->base = step->chain = base;
	step->matched = true;
	step->effect = base->drop ? "drop" : "accept";
	if (decides(e, base, base->drop ? RULING_DROP : RULING_ACCEPT, is_captured(e->out)))
		e->out->decision = e->out->steps.n - 1;
	return base->drop ? RULING_DROP : RULING_ACCEPT;
}

static enum ruling apply_rule(struct evaluating *e, const struct chain *base, struct place *at, const char **chain)
{
	const struct rule *rule = &at->chain->rules.items[at->rule++];
	struct step *step = add_step(e, base->hook);
	enum ruling ruling;
	bool captured;

	step->base = base;
	step->chain = at->chain;
	step->rule = rule;
	step->number = at->rule;
	captured = is_captured(e->out);
	ruling = match_rule(e, rule, step, chain);
	if (decides(e, base, ruling, captured))
		e->out->decision = e->out->steps.n - 1;
	return ruling;
}

/* Follows jump and goto. False: the chain is not there, or the way is too deep; the kernel has no such ruleset. */
static bool follow(const struct evaluating *e, enum ruling ruling, const char *chain, struct place *stack,
	size_t *depth, struct place *at)
{
	if (ruling == RULING_JUMP) {
		if (*depth == DEPTH_MAX)
			return false;
		stack[(*depth)++] = *at;
	}
	*at = (struct place){ ruleset_chain(&e->space->rules, chain), 0 };
	return at->chain != NULL;
}

/* Accept, or what ends the packet. */
static enum ruling walk(struct evaluating *e, const struct chain *base)
{
	struct place stack[DEPTH_MAX], at = { base, 0 };
	size_t depth = 0;

	while (e->out->steps.n < STEPS_MAX) {
		const char *chain = NULL;
		enum ruling ruling;

		if (at.rule == at.chain->rules.n) {
			if (!depth)
				return policy(e, base);
			at = stack[--depth];
			continue;
		}
		ruling = apply_rule(e, base, &at, &chain);
		if (ruling == RULING_RETURN)
			at.rule = at.chain->rules.n;
		else if (ruling == RULING_JUMP || ruling == RULING_GOTO) {
			if (!follow(e, ruling, chain, stack, &depth, &at))
				return RULING_UNKNOWN;
		} else if (ruling != RULING_CONTINUE) {
			return ruling;
		}
	}
	return RULING_UNKNOWN;
}

/* ---- hooks ---- */

/* All chains of type nat are run at the priority of NAT; theirs orders them among themselves. */
static int32_t priority(const struct chain *c)
{
	if (c->type != CHAIN_NAT)
		return c->priority;
	return c->hook == NF_INET_PRE_ROUTING || c->hook == NF_INET_LOCAL_OUT ? NF_IP_PRI_NAT_DST
									      : NF_IP_PRI_NAT_SRC;
}

static int by_priority(const void *left, const void *right)
{
	const struct chain *a = *(const struct chain *const *)left, *b = *(const struct chain *const *)right;

	if (priority(a) != priority(b))
		return (priority(a) > priority(b)) - (priority(a) < priority(b));
	return (a->priority > b->priority) - (a->priority < b->priority);
}

/* NAT is decided once for a connection, where it first meets it: at the output of this machine, or as it comes in.
 */
static bool takes_part(const struct evaluating *e, const struct chain *c)
{
	return c->type != CHAIN_NAT || (priority(c) == NF_IP_PRI_NAT_DST && !e->packet.translated);
}

static enum ruling run_hook(struct evaluating *e, uint32_t hook)
{
	vec_of(const struct chain *) chains = { 0 };
	bool tracked = e->packet.tracked;
	enum ruling ruling = RULING_ACCEPT;

	vec_each (c, &e->space->rules.chains)
		if (c->type != CHAIN_REGULAR && c->hook == hook)
			*vec_push(e->arena, &chains) = c;
	if (chains.n)
		qsort(chains.items, chains.n, sizeof(*chains.items), by_priority);
	for (size_t i = 0; i < chains.n && ruling == RULING_ACCEPT; i++) {
		const struct chain *c = chains.items[i];

		e->packet.tracked = tracked || priority(c) > NF_IP_PRI_CONNTRACK;
		if (takes_part(e, c))
			ruling = walk(e, c);
	}
	e->packet.tracked = true;
	if (hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_OUT)
		e->packet.translated = true;
	return ruling;
}

/* False: the packet has come to its end, and that is where it lands. */
static bool pass_hook(struct evaluating *e, uint32_t hook)
{
	enum ruling ruling = run_hook(e, hook);

	if (ruling == RULING_ACCEPT)
		return true;
	e->out->landing = ruling == RULING_DROP     ? LANDING_DROPPED
			  : ruling == RULING_REFUSE ? LANDING_REFUSED
						    : LANDING_UNKNOWN;
	e->out->decision = e->out->steps.n - 1;
	return false;
}

/* ---- routing ---- */

/* The rule of ours that leads marked packets to this machine, if the table that it asks is there. */
static const struct route *policy_route(const struct evaluating *e)
{
	int family = e->packet.dest.family;

	vec_each (rule, &e->space->routes.list) {
		if (rule->kind != ROUTE_RULE || rule->family != family || rule->mark != e->packet.mark)
			continue;
		vec_each (table, &e->space->routes.list)
			if (table->kind == ROUTE_TABLE && table->family == family && table->table == rule->table)
				return rule;
	}
	return NULL;
}

/* Whether routing keeps it on this machine. */
static bool stays(struct evaluating *e, uint32_t hook)
{
	const struct route *route = e->packet.mark ? policy_route(e) : NULL;

	if (route) {
		e->out->policy_route = route;
		note(e, hook,
			arena_printf(e->arena, "route to this machine: %s, %s", route_text(route, e->arena),
				route_text(&(struct route){ ROUTE_TABLE, route->family, route->table, 0, 0 },
					e->arena)));
		return true;
	}
	return network_is_local(e->network, &e->packet.dest);
}

/* ---- landing ---- */

static void arrive(struct evaluating *e)
{
	struct endpoint at = e->packet.dest;

	if (!pass_hook(e, NF_INET_LOCAL_IN))
		return;
	if (e->out->tproxy)
		at.port = e->out->tproxy;
	e->out->landing = network_waits(e->network, e->packet.protocol, &at, e->out->tproxy != 0)
				  ? LANDING_LOCAL
				  : LANDING_REFUSED;
	e->out->no_listener = e->out->landing == LANDING_REFUSED;
}

static void enter(struct evaluating *e, const char *interface)
{
	struct packet *p = &e->packet;

	p->in = interface;
	p->out = NULL;
	p->owned = false;
	if (!pass_hook(e, NF_INET_PRE_ROUTING))
		return;
	if (stays(e, NF_INET_PRE_ROUTING)) {
		arrive(e);
		return;
	}
	p->out = "?";
	if (!pass_hook(e, NF_INET_FORWARD) || !pass_hook(e, NF_INET_POST_ROUTING))
		return;
	e->out->landing = LANDING_FORWARDED;
}

static void leave(struct evaluating *e)
{
	struct packet *p = &e->packet;
	bool local = stays(e, NF_INET_LOCAL_OUT);
	uint32_t mark = p->mark;

	p->owned = true;
	/* All chains of the hook see the interface for which it set out. */
	p->out = local ? "lo" : e->connection->interface ? e->connection->interface : "?";
	if (!pass_hook(e, NF_INET_LOCAL_OUT))
		return;
	if (e->out->redirected || p->mark != mark)
		local = stays(e, NF_INET_LOCAL_OUT);
	if (local)
		p->out = "lo";
	if (!pass_hook(e, NF_INET_POST_ROUTING))
		return;
	if (local) {
		enter(e, "lo");
		return;
	}
	e->out->landing = LANDING_SENT;
	e->out->interface = e->connection->interface;
}

/*
 * The address that the kernel would choose: of a connection within this machine both ends have the same; else the
 * first of the machine's own, which is as good as the right one, as rules for sources go.
 */
static struct endpoint choose_source(const struct network *n, const struct endpoint *dest)
{
	struct endpoint source = { .family = dest->family };

	if (network_is_local(n, dest))
		source = *dest;
	vec_each (address, &n->addresses)
		if (address->family == dest->family && !network_is_local(n, dest))
			return *address;
	source.port = 0;
	return source;
}

void evaluate(const struct space *space, const struct connection *c, const struct network *n, struct arena *a,
	struct evaluation *out)
{
	struct evaluating e = { .space = space, .connection = c, .network = n, .arena = a, .out = out };

	*out = (struct evaluation){ .decision = NO_STEP };
	e.packet = (struct packet){
		.protocol = c->protocol, .source = c->source, .dest = c->dest, .mark = c->inbound ? 0 : c->mark
	};
	if (!c->source.family)
		e.packet.source = choose_source(n, &c->dest);
	if (c->inbound)
		enter(&e, c->interface ? c->interface : "?");
	else
		leave(&e);
	out->source = e.packet.source;
	out->mark = e.packet.mark;
	out->at = e.packet.dest;
	if (out->tproxy)
		out->at.port = out->tproxy;
	if (out->landing == LANDING_LOCAL || out->landing == LANDING_REFUSED)
		out->what = network_port(n, out->at.port);
}
