#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "model/management.h"
#include "targets/capture/policy.h"

/* ---- ports ---- */

static void add_range(struct compiling *c, const char *map, struct value first, struct value last,
	const char *chain, uint16_t port)
{
	struct set *s = build_set(&c->b, map, TYPE_PORT, chain ? TYPE_VERDICT : TYPE_PORT);
	struct element *e = build_element(&c->b, s, first);

	e->end = last;
	e->verdict = VERDICT_GOTO;
	e->chain = chain;
	if (!chain)
		e->data = value_port(port);
	else if (names_find(&c->port_chains, chain) == NAMES_NONE)
		names_add(c->b.arena, &c->port_chains, chain, c->port_chains.n);
	s->interval |= value_compare(TYPE_PORT, &first, &last) != 0;
}

static void capture_range(struct compiling *c, const struct workload *w, struct value first, struct value last)
{
	bool tproxy = w->capture->mode == CAPTURE_TPROXY;

	add_range(c, tproxy ? PORT_TPROXY : PORT_POLICY, first, last,
		policy_name(c, tproxy ? "tproxy-" : "in-", w->capture, ""), 0);
	add_range(c, tproxy ? PORT_TPROXY_PROXY : PORT_PROXY, first, last, NULL, w->sidecar->inbound);
	if (policy_refuses(w->capture))
		add_range(c, PORT_REFUSED, first, last, policy_name(c, "refuse-in-", w->capture, ""), 0);
}

/* A single port that is excluded is left out; of ranges and names, a rule takes it away. */
static bool is_left_out(const struct compiling *c, const struct mesh_capture *capture, uint16_t port)
{
	return ports_contain(&capture->inbound_exclude, port) ||
	       (!capture->allow_management_ports && management_port(c->b.site->node, port));
}

static void add_ports(struct compiling *c, const struct workload *w)
{
	switch (w->capture->inbound) {
	case INBOUND_SERVICE:
		vec_each (port, &w->service->ports)
			if (!is_left_out(c, w->capture, port->target))
				capture_range(c, w, value_port(port->target), value_port(port->target));
		break;
	case INBOUND_LIST:
		vec_each (range, &w->capture->inbound_ports.list) {
			struct value first, last;

			if (range->first == range->last && !range->name &&
				is_left_out(c, w->capture, range->first))
				continue;
			build_port_range(&c->b, range, &first, &last);
			capture_range(c, w, first, last);
		}
		break;
	case INBOUND_ALL:
		c->all_ports = w;
		break;
	}
}

/* Whether anything leads to the chain. */
static bool is_used(const struct compiling *c, const char *chain, const struct mesh_capture *capture)
{
	return (c->all_ports && c->all_ports->capture == capture) ||
	       names_find(&c->port_chains, chain) != NAMES_NONE;
}

/* ---- what is left alone ---- */

/* Where ranges, names or all ports are captured, what is excluded needs a rule; NULL: it does not. */
static const char *excluded_ports(struct compiling *c, const struct mesh_capture *capture)
{
	struct ports ports = { 0 };

	if (capture->inbound == INBOUND_SERVICE)
		return NULL;
	vec_each (p, &capture->inbound_exclude.list)
		*vec_push(c->b.arena, &ports.list) = *p;
	if (!capture->allow_management_ports) {
		*vec_push(c->b.arena, &ports.list) = (struct port_range){ .first = SSH_PORT, .last = SSH_PORT };
		vec_each (p, &c->b.site->node->management_ports.list)
			*vec_push(c->b.arena, &ports.list) = *p;
	}
	return build_ports(&c->b, policy_name(c, "in-", capture, "exclude-ports"), &ports);
}

/* Other families, interfaces, ports and sources: `accept`, or `return` where the chain was jumped to. */
static void add_exclusions(struct compiling *c, struct chain *chain, const struct mesh_capture *capture,
	bool refuse, enum verdict verdict)
{
	struct building *b = &c->b;

	for (size_t i = 0; i < array_len(build_families); i++) {
		struct rule *r;

		if (policy_has_family(capture, &build_families[i], refuse))
			continue;
		r = build_rule(b, chain);
		build_match(b, r, FIELD_NFPROTO, value_byte(build_families[i].nfproto));
		build_let_go(&c->b, r, verdict, refuse ? "captured" : "family not captured");
	}
	build_exclude(b, chain, FIELD_IN_INTERFACE,
		build_interfaces(b, policy_name(c, "", capture, "interfaces"), &capture->exclude_interfaces),
		verdict, "excluded interfaces");
	build_exclude(b, chain, FIELD_TCP_DEST_PORT, excluded_ports(c, capture), verdict, "excluded ports");
	for (size_t i = 0; i < array_len(build_families); i++) {
		const struct family *f = &build_families[i];
		const char *name = arena_printf(b->arena, "in-%s-exclude-%s", capture->name, f->suffix);

		if (policy_has_family(capture, f, refuse))
			build_exclude(b, chain, f->source,
				build_ranges(b, name, &capture->inbound_exclude_from, f->family), verdict,
				"excluded sources");
	}
}

/* ---- redirect ---- */

static void add_redirect_chain(struct compiling *c, const struct mesh_capture *capture)
{
	const char *name = policy_name(c, "in-", capture, "");
	struct building *b = &c->b;
	struct chain *chain;
	struct rule *r;

	if (capture->mode != CAPTURE_REDIRECT || !is_used(c, name, capture))
		return;
	chain = ruleset_add_chain(b->out, b->arena, name);
	chain->origin = capture->node;
	add_exclusions(c, chain, capture, false, VERDICT_ACCEPT);
	if (ruleset_set(b->out, PORT_PROXY)) {
		/* meta l4proto tcp redirect to :tcp dport map @port-proxy */
		r = build_rule(b, chain);
		build_map(b, r, STATEMENT_REDIRECT_MAP, FIELD_TCP_DEST_PORT, PORT_PROXY);
	}
	if (!c->all_ports || c->all_ports->capture != capture)
		return;
	/* meta l4proto tcp counter redirect to :15006 */
	r = build_rule(b, chain);
	build_match_tcp(b, r);
	build_count(b, r);
	build_statement(b, r, STATEMENT_REDIRECT, value_port(c->all_ports->sidecar->inbound));
}

/*
 * What virtual machines and containers of this node send out. Istio redirects it by destination alone; excluded
 * ranges do not count.
 */
static void add_virtual(struct compiling *c, struct chain *base, const struct workload *w)
{
	const struct mesh_capture *capture = w->capture;
	const char *set = build_interfaces(
		&c->b, policy_name(c, "", capture, "virtual-interfaces"), &capture->virtual_interfaces);
	struct rule *r;

	if (!set)
		return;
	for (size_t i = 0; i < array_len(build_families); i++) {
		const struct family *f = &build_families[i];
		const char *ranges;

		if (!policy_has_family(capture, f, false))
			continue;
		ranges = build_ranges(&c->b,
			arena_printf(c->b.arena, "out-%s-include-%s", capture->name, f->suffix),
			&capture->outbound_cidrs, f->family);
		if (!ranges && !capture->outbound_all)
			continue;
		r = build_rule(&c->b, base);
		build_match_set(&c->b, r, FIELD_IN_INTERFACE, set);
		if (ranges)
			build_match_set(&c->b, r, f->dest, ranges);
		else
			build_match(&c->b, r, FIELD_NFPROTO, value_byte(f->nfproto));
		build_match_tcp(&c->b, r);
		build_count(&c->b, r);
		build_statement(&c->b, r, STATEMENT_REDIRECT, value_port(w->sidecar->outbound));
	}
	r = build_rule(&c->b, base);
	build_match_set(&c->b, r, FIELD_IN_INTERFACE, set);
	build_let_go(&c->b, r, VERDICT_ACCEPT, "virtual interfaces");
}

/* fib daddr type != local counter accept */
static void let_transit_go(struct compiling *c, struct chain *chain)
{
	struct rule *r = build_rule(&c->b, chain);

	build_match_not(&c->b, r, FIELD_DEST_TYPE, value_number(RTN_LOCAL));
	build_let_go(&c->b, r, VERDICT_ACCEPT, "not to this machine");
}

/* meta l4proto tcp goto CHAIN: every port that nothing else belongs to */
static void goto_all_ports(struct compiling *c, struct chain *chain, const char *prefix)
{
	struct rule *r = build_rule(&c->b, chain);

	build_match_tcp(&c->b, r);
	build_verdict(&c->b, r, VERDICT_GOTO, policy_name(c, prefix, c->all_ports->capture, ""));
}

static bool all_ports_in(const struct compiling *c, enum capture_mode mode)
{
	return c->all_ports && c->all_ports->capture->mode == mode;
}

static void add_prerouting(struct compiling *c)
{
	struct chain *chain = policy_base(c, "prerouting", CHAIN_NAT, NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST);

	vec_each (w, &c->workloads)
		add_virtual(c, chain, *w);
	let_transit_go(c, chain);
	/* tcp dport @tunnel-ports counter accept */
	build_exclude(&c->b, chain, FIELD_TCP_DEST_PORT, TUNNEL_PORTS, VERDICT_ACCEPT, "tunnel");
	build_dispatch(&c->b, chain, FIELD_TCP_DEST_PORT, 0, PORT_POLICY);
	if (all_ports_in(c, CAPTURE_REDIRECT))
		goto_all_ports(c, chain, "in-");
}

/* ---- tproxy ---- */

/* tproxy to :PORT meta mark set MARK counter accept */
static void tproxy(struct compiling *c, struct chain *chain, uint16_t port)
{
	struct rule *r = build_rule(&c->b, chain);

	build_match_tcp(&c->b, r);
	if (port)
		build_statement(&c->b, r, STATEMENT_TPROXY, value_port(port));
	else
		build_map(&c->b, r, STATEMENT_TPROXY_MAP, FIELD_TCP_DEST_PORT, PORT_TPROXY_PROXY);
	build_statement(&c->b, r, STATEMENT_SET_MARK, value_number(c->tproxy->tproxy_mark));
	build_count(&c->b, r);
	build_verdict(&c->b, r, VERDICT_ACCEPT, NULL);
}

static void let_loopback_go(struct compiling *c, struct chain *chain, const struct mesh_capture *capture)
{
	struct cidrs ranges = { 0 };
	struct rule *r;

	*vec_push(c->b.arena, &ranges.list) = capture->loopback;
	if (capture->ipv4)
		build_exclude(&c->b, chain, FIELD_IP_DEST,
			build_ranges(&c->b, policy_name(c, "", capture, "loopback"), &ranges, AF_INET),
			VERDICT_RETURN, "loopback");
	if (!capture->ipv6)
		return;
	r = build_rule(&c->b, chain);
	build_match(&c->b, r, FIELD_IP6_DEST, value_address(AF_INET6, build_loopback6));
	build_let_go(&c->b, r, VERDICT_RETURN, "loopback");
}

/* Where nothing listens, `tproxy` does not match, and the connection would reach the app: it is refused instead.
 */
static void add_tproxy_chain(struct compiling *c, const struct mesh_capture *capture)
{
	const char *name = policy_name(c, "tproxy-", capture, "");
	struct building *b = &c->b;
	struct chain *chain;
	struct rule *r;

	if (capture->mode != CAPTURE_TPROXY || !is_used(c, name, capture))
		return;
	chain = ruleset_add_chain(b->out, b->arena, name);
	chain->origin = capture->node;
	add_exclusions(c, chain, capture, false, VERDICT_RETURN);
	r = build_rule(b, chain);
	build_match_states(b, r, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	build_statement(b, r, STATEMENT_SET_MARK, value_number(c->tproxy->tproxy_mark));
	build_let_go(&c->b, r, VERDICT_ACCEPT, "established");
	let_loopback_go(c, chain, capture);
	if (ruleset_set(b->out, PORT_TPROXY_PROXY))
		tproxy(c, chain, 0);
	if (c->all_ports && c->all_ports->capture == capture)
		tproxy(c, chain, c->all_ports->sidecar->inbound);
	r = build_rule(b, chain);
	build_match_tcp(b, r);
	build_count(b, r);
	build_statement(b, r, STATEMENT_RESET, (struct value){ 0 });
	r->comment = "proxy is down";
}

static void add_tproxy_entry(struct compiling *c, struct chain *chain)
{
	struct value mark = value_number(c->tproxy->tproxy_mark), next = value_number(c->tproxy->tproxy_mark + 1);
	struct building *b = &c->b;
	struct rule *r;

	/* meta mark MARK return: a transparent proxy to the app */
	r = build_rule(b, chain);
	build_match(b, r, FIELD_MARK, mark);
	build_verdict(b, r, VERDICT_RETURN, NULL);
	for (size_t i = 0; i < array_len(build_families); i++) {
		r = build_rule(b, chain);
		build_match_interface(b, r, FIELD_IN_INTERFACE, "lo");
		build_match(b, r, build_families[i].source,
			value_address(build_families[i].family, build_families[i].passthrough));
		build_let_go(&c->b, r, VERDICT_RETURN, "proxy to its app");
	}
	/* iifname "lo" meta mark != NEXT return: only what a proxy sends to this machine is inbound */
	r = build_rule(b, chain);
	build_match_interface(b, r, FIELD_IN_INTERFACE, "lo");
	build_match_not(b, r, FIELD_MARK, next);
	build_let_go(&c->b, r, VERDICT_RETURN, "within this machine");
	build_dispatch(b, chain, FIELD_TCP_DEST_PORT, 0, PORT_TPROXY);
	if (all_ports_in(c, CAPTURE_TPROXY))
		goto_all_ports(c, chain, "tproxy-");
}

static void add_mangle(struct compiling *c)
{
	struct building *b = &c->b;
	struct chain *base;
	struct rule *r;

	if (!c->tproxy && !c->drop_invalid)
		return;
	base = policy_base(c, "prerouting-mangle", CHAIN_FILTER, NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE);
	if (c->drop_invalid) {
		/* ct state invalid counter drop */
		r = build_rule(b, base);
		build_match_states(b, r, NF_CT_STATE_INVALID_BIT);
		build_let_go(&c->b, r, VERDICT_DROP, "invalid");
	}
	if (!c->tproxy)
		return;
	/* meta l4proto tcp jump tproxy */
	r = build_rule(b, base);
	build_match_tcp(b, r);
	build_verdict(b, r, VERDICT_JUMP, "tproxy");
	/* meta mark MARK meta l4proto tcp ct mark set meta mark */
	r = build_rule(b, base);
	build_match(b, r, FIELD_MARK, value_number(c->tproxy->tproxy_mark));
	build_match_tcp(b, r);
	build_statement(b, r, STATEMENT_SAVE_MARK, (struct value){ 0 });
	add_tproxy_entry(c, ruleset_add_chain(b->out, b->arena, "tproxy"));
}

/* ---- families that are not captured ---- */

static void add_refusal_chain(struct compiling *c, const struct mesh_capture *capture)
{
	const char *name = policy_name(c, "refuse-in-", capture, "");
	struct chain *chain;
	struct rule *r;

	if (!policy_refuses(capture) || !is_used(c, name, capture))
		return;
	chain = ruleset_add_chain(c->b.out, c->b.arena, name);
	chain->origin = capture->node;
	add_exclusions(c, chain, capture, true, VERDICT_ACCEPT);
	r = build_rule(&c->b, chain);
	build_match_tcp(&c->b, r);
	build_count(&c->b, r);
	build_statement(&c->b, r, STATEMENT_RESET, (struct value){ 0 });
}

static void add_refusals(struct compiling *c)
{
	struct building *b = &c->b;
	struct chain *base;
	struct rule *r;

	if (!c->refuses)
		return;
	base = policy_base(c, "input-refuse", CHAIN_FILTER, NF_INET_LOCAL_IN, NF_IP_PRI_FILTER);
	r = build_rule(b, base);
	build_match_states(b, r, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	build_verdict(b, r, VERDICT_ACCEPT, NULL);
	/* iifname "lo" accept */
	r = build_rule(b, base);
	build_match_interface(b, r, FIELD_IN_INTERFACE, "lo");
	build_verdict(b, r, VERDICT_ACCEPT, NULL);
	build_exclude(b, base, FIELD_TCP_DEST_PORT, TUNNEL_PORTS, VERDICT_ACCEPT, "tunnel");
	build_dispatch(b, base, FIELD_TCP_DEST_PORT, 0, PORT_REFUSED);
	if (c->all_ports && policy_refuses(c->all_ports->capture))
		goto_all_ports(c, base, "refuse-in-");
	vec_each (capture, &c->captures)
		add_refusal_chain(c, *capture);
}

void compile_inbound(struct compiling *c)
{
	vec_each (w, &c->workloads)
		add_ports(c, *w);
	add_prerouting(c);
	vec_each (capture, &c->captures) {
		add_redirect_chain(c, *capture);
		add_tproxy_chain(c, *capture);
	}
	add_mangle(c);
	add_refusals(c);
}
