#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>
#include <sys/socket.h>

#include "base/http.h"
#include "targets/capture/policy.h"

enum { DNS_PORT = 53, DNS_ZONE = 2 };

/* A chain of outbound decisions: the one that redirects, or the one that refuses the family that is not captured.
 */
struct decisions {
	struct compiling *c;
	const struct mesh_capture *capture;
	struct chain *chain;
	bool refuse, dns;
};

static struct decisions decisions_of(struct compiling *c, const struct mesh_capture *capture)
{
	struct decisions d = { c, capture, NULL, false, false };

	vec_each (w, &c->workloads)
		d.dns |= (*w)->capture == capture && policy_captures_dns(c, *w);
	return d;
}

static bool has_family(const struct decisions *d, const struct family *f)
{
	return policy_has_family(d->capture, f, d->refuse);
}

static bool is_one_address(const struct cidr *c)
{
	return c->prefix == (c->family == AF_INET ? 32 : 128);
}

static struct rule *add_rule(const struct decisions *d)
{
	return build_rule(&d->c->b, d->chain);
}

static void let_go(const struct decisions *d, struct rule *r, const char *comment)
{
	build_let_go(&d->c->b, r, VERDICT_ACCEPT, comment);
}

/* ip daddr 127.0.0.1, or a range of them that the document gives; ip6 daddr ::1 */
static void match_loopback(const struct decisions *d, struct rule *r, const struct family *f, bool negated)
{
	const struct cidr *range = &d->capture->loopback;
	const unsigned char *address = f->family == AF_INET ? range->address : build_loopback6;
	struct cidrs ranges = { 0 };
	const char *set;

	if (f->family == AF_INET6 || is_one_address(range)) {
		(negated ? build_match_not : build_match)(&d->c->b, r, f->dest, value_address(f->family, address));
		return;
	}
	set = policy_name(d->c, "", d->capture, "loopback");
	*vec_push(d->c->b.arena, &ranges.list) = *range;
	build_ranges(&d->c->b, set, &ranges, f->family);
	(negated ? build_match_not_set : build_match_set)(&d->c->b, r, f->dest, set);
}

/* meta nfproto ipv6 accept, where it is another chain's */
static void let_family_go(const struct decisions *d, const struct family *f)
{
	struct rule *r = add_rule(d);

	build_match(&d->c->b, r, FIELD_NFPROTO, value_byte(f->nfproto));
	let_go(d, r, d->refuse ? "captured" : "family not captured");
}

/* oifname "lo" ip saddr 127.0.0.6 counter accept */
static void let_passthrough_go(const struct decisions *d, const struct family *f)
{
	struct rule *r = add_rule(d);

	build_match_interface(&d->c->b, r, FIELD_OUT_INTERFACE, "lo");
	build_match(&d->c->b, r, f->source, value_address(f->family, f->passthrough));
	let_go(d, r, "proxy to its app");
}

/* Which of a proxy's connections to this machine. */
enum hairpin { HAIRPIN_ALL, HAIRPIN_NO_DNS, HAIRPIN_DNS };

/*
 * oifname "lo" ip daddr != 127.0.0.1 tcp dport != @tunnel-ports [tcp dport [!=] 53] redirect to :meta skuid map @…
 */
static void hairpin(
	const struct decisions *d, const struct family *f, enum field owner, const char *map, enum hairpin which)
{
	struct building *b = &d->c->b;
	struct rule *r = add_rule(d);

	build_match_interface(b, r, FIELD_OUT_INTERFACE, "lo");
	match_loopback(d, r, f, true);
	build_match_not_set(b, r, FIELD_TCP_DEST_PORT, TUNNEL_PORTS);
	if (which == HAIRPIN_DNS)
		build_match(b, r, FIELD_TCP_DEST_PORT, value_port(DNS_PORT));
	if (which == HAIRPIN_NO_DNS)
		build_match_not(b, r, FIELD_TCP_DEST_PORT, value_port(DNS_PORT));
	build_map(b, r, STATEMENT_REDIRECT_MAP, owner, map);
	r->comment = "proxy to this machine";
}

/* What a proxy sends to this machine itself goes through its inbound listener. */
static void hairpins(const struct decisions *d, enum field owner, const char *map, enum hairpin which)
{
	if (d->refuse || !ruleset_set(d->c->b.out, map))
		return;
	for (size_t i = 0; i < array_len(build_families); i++)
		if (has_family(d, &build_families[i]))
			hairpin(d, &build_families[i], owner, map, which);
}

static void let_proxies_go(const struct decisions *d, enum field owner, const char *set)
{
	build_exclude(&d->c->b, d->chain, owner, build_known(&d->c->b, set), VERDICT_ACCEPT, "proxies");
}

/* What is not of the first of the proxy's users (or groups, if it has no users) and stays on this machine. */
static void let_loopback_go(const struct decisions *d)
{
	struct rule *r;

	/* Where DNS goes on from here over loopback, the first one has been decided on before. */
	hairpins(d, FIELD_GROUP, GROUP_INBOUND, HAIRPIN_ALL);
	if (d->dns) {
		let_proxies_go(d, FIELD_USER, FIRST_USERS);
		let_proxies_go(d, FIELD_GROUP, FIRST_GROUPS);
	}
	r = add_rule(d);
	build_match_interface(&d->c->b, r, FIELD_OUT_INTERFACE, "lo");
	if (d->dns)
		build_match_not(&d->c->b, r, FIELD_TCP_DEST_PORT, value_port(DNS_PORT));
	let_go(d, r, "within this machine");
}

/* The proxies' own connections, and what stays on this machine. */
static void decide_loopback(const struct decisions *d)
{
	bool loopback = policy_captures_loopback(d->capture);

	for (size_t i = 0; i < array_len(build_families); i++)
		if (has_family(d, &build_families[i]))
			let_passthrough_go(d, &build_families[i]);
	hairpins(d, FIELD_USER, USER_INBOUND, d->dns ? HAIRPIN_NO_DNS : HAIRPIN_ALL);
	if (!loopback)
		let_loopback_go(d);
	let_proxies_go(d, FIELD_USER, PROXY_USERS);
	if (loopback)
		hairpins(d, FIELD_GROUP, GROUP_INBOUND, HAIRPIN_ALL);
	if (d->dns && !loopback)
		hairpins(d, FIELD_GROUP, DNS_INBOUND, HAIRPIN_DNS);
	let_proxies_go(d, FIELD_GROUP, PROXY_GROUPS);
}

static void decide_owner_groups(const struct decisions *d)
{
	const struct mesh_capture *capture = d->capture;
	const struct accounts *groups =
		capture->listed_groups_only ? &capture->include_groups : &capture->exclude_groups;
	const char *set =
		build_accounts(&d->c->b, policy_name(d->c, "out-", capture, "owner-groups"), groups, true);
	struct rule *r;

	if (!capture->listed_groups_only) {
		build_exclude(&d->c->b, d->chain, FIELD_GROUP, set, VERDICT_ACCEPT, "excluded groups");
		return;
	}
	r = add_rule(d);
	if (set)
		build_match_not_set(&d->c->b, r, FIELD_GROUP, set);
	let_go(d, r, "other groups");
}

/*
 * [ip daddr @resolvers-ipv4] udp dport 53 counter goto to-dns, or what refuses: a datagram of this machine that is
 * dropped fails in the call that sends it.
 */
static void decide_dns_query(const struct decisions *d, enum field port, enum field dest, const char *resolvers)
{
	struct rule *r = add_rule(d);

	if (resolvers)
		build_match_set(&d->c->b, r, dest, resolvers);
	build_match(&d->c->b, r, port, value_port(DNS_PORT));
	build_count(&d->c->b, r);
	if (!d->refuse)
		build_verdict(&d->c->b, r, VERDICT_GOTO, TO_DNS);
	else if (port == FIELD_TCP_DEST_PORT)
		build_statement(&d->c->b, r, STATEMENT_RESET, (struct value){ 0 });
	else
		build_verdict(&d->c->b, r, VERDICT_DROP, NULL);
}

static const char *resolver_set(struct compiling *c, const struct family *f)
{
	return build_known(&c->b, arena_printf(c->b.arena, RESOLVERS "-%s", f->suffix));
}

static void decide_dns(const struct decisions *d)
{
	if (!d->dns)
		return;
	if (d->capture->dns == DNS_ALL) {
		decide_dns_query(d, FIELD_TCP_DEST_PORT, FIELD_IP_DEST, NULL);
		decide_dns_query(d, FIELD_UDP_DEST_PORT, FIELD_IP_DEST, NULL);
		return;
	}
	for (size_t i = 0; i < array_len(build_families); i++) {
		const struct family *f = &build_families[i];
		const char *resolvers = resolver_set(d->c, f);

		if (!resolvers || !has_family(d, f))
			continue;
		decide_dns_query(d, FIELD_TCP_DEST_PORT, f->dest, resolvers);
		decide_dns_query(d, FIELD_UDP_DEST_PORT, f->dest, resolvers);
	}
}

/* goto to-proxy, or reject */
static void finish(const struct decisions *d, struct rule *r)
{
	if (d->refuse)
		build_match_tcp(&d->c->b, r);
	build_count(&d->c->b, r);
	if (d->refuse)
		build_statement(&d->c->b, r, STATEMENT_RESET, (struct value){ 0 });
	else
		build_verdict(&d->c->b, r, VERDICT_GOTO, TO_PROXY);
}

static void capture_set(const struct decisions *d, enum field field, const char *set)
{
	struct rule *r;

	if (!set)
		return;
	r = add_rule(d);
	build_match_set(&d->c->b, r, field, set);
	finish(d, r);
}

static const char *ranges(
	const struct decisions *d, const char *what, const struct cidrs *list, const struct family *f)
{
	return build_ranges(&d->c->b,
		arena_printf(d->c->b.arena, "out-%s-%s-%s", d->capture->name, what, f->suffix), list, f->family);
}

static void decide_destination(const struct decisions *d)
{
	const struct mesh_capture *capture = d->capture;
	struct building *b = &d->c->b;

	for (size_t i = 0; i < array_len(build_families); i++) {
		struct rule *r;

		if (!has_family(d, &build_families[i]))
			continue;
		r = add_rule(d);
		match_loopback(d, r, &build_families[i], false);
		let_go(d, r, "loopback");
	}
	for (size_t i = 0; i < array_len(build_families); i++)
		if (has_family(d, &build_families[i]))
			build_exclude(b, d->chain, build_families[i].dest,
				ranges(d, "exclude", &capture->outbound_exclude, &build_families[i]),
				VERDICT_ACCEPT, "excluded ranges");
	capture_set(d, FIELD_TCP_DEST_PORT,
		build_ports(b, policy_name(d->c, "out-", capture, "ports"), &capture->outbound_ports));
	for (size_t i = 0; i < array_len(build_families); i++)
		if (has_family(d, &build_families[i]))
			capture_set(d, build_families[i].dest,
				ranges(d, "include", &capture->outbound_cidrs, &build_families[i]));
	if (capture->outbound_all)
		finish(d, add_rule(d));
}

/* The order of decisions is Istio's. */
static void decide(const struct decisions *d)
{
	const struct mesh_capture *capture = d->capture;
	struct building *b = &d->c->b;
	const char *ports;

	d->chain->origin = capture->node;
	for (size_t i = 0; i < array_len(build_families); i++)
		if (!has_family(d, &build_families[i]))
			let_family_go(d, &build_families[i]);
	build_exclude(b, d->chain, FIELD_OUT_INTERFACE,
		build_interfaces(b, policy_name(d->c, "", capture, "interfaces"), &capture->exclude_interfaces),
		VERDICT_ACCEPT, "excluded interfaces");
	ports = build_ports(
		b, policy_name(d->c, "out-", capture, "exclude-ports"), &capture->outbound_exclude_ports);
	build_exclude(b, d->chain, FIELD_TCP_DEST_PORT, ports, VERDICT_ACCEPT, "excluded ports");
	if (d->dns)
		build_exclude(b, d->chain, FIELD_UDP_DEST_PORT, ports, VERDICT_ACCEPT, "excluded ports");
	decide_loopback(d);
	decide_owner_groups(d);
	decide_dns(d);
	decide_destination(d);
}

/* ---- where they end ---- */

static void redirect_everyone(struct compiling *c, struct chain *chain, uint8_t l4proto, uint16_t port)
{
	struct rule *r = build_rule(&c->b, chain);

	build_match(&c->b, r, FIELD_L4PROTO, value_byte(l4proto));
	build_count(&c->b, r);
	build_statement(&c->b, r, STATEMENT_REDIRECT, value_port(port));
}

/* Every service's connections end here: each goes to its own proxy. */
static void add_to_proxy(struct compiling *c)
{
	struct chain *chain = ruleset_add_chain(c->b.out, c->b.arena, TO_PROXY);

	policy_redirect(c, chain, IPPROTO_TCP, "proxy");
	if (c->everyone)
		redirect_everyone(c, chain, IPPROTO_TCP, c->everyone->sidecar->outbound);
}

static void add_resolvers(struct compiling *c)
{
	vec_each (text, &c->b.site->facts.resolvers) {
		for (size_t i = 0; i < array_len(build_families); i++) {
			const struct family *f = &build_families[i];
			unsigned char address[16];

			if (inet_pton(f->family, *text, address) != 1)
				continue;
			build_element(&c->b,
				build_set(&c->b, arena_printf(c->b.arena, RESOLVERS "-%s", f->suffix),
					f->family == AF_INET ? TYPE_IPV4 : TYPE_IPV6, TYPE_NONE),
				value_address(f->family, address));
		}
	}
}

/* Withdrawn while nothing answers there: names must go on being resolved. */
static void add_to_dns(struct compiling *c)
{
	const struct workload *everyone = NULL;
	bool resolvers = false, any = false;
	struct chain *chain;

	vec_each (it, &c->workloads) {
		if (!policy_captures_dns(c, *it))
			continue;
		any = true;
		resolvers |= (*it)->capture->dns == DNS_RESOLVERS;
		policy_port(c, *it, "dns", (*it)->sidecar->dns);
		if (*it == c->everyone)
			everyone = *it;
	}
	if (!any)
		return;
	if (resolvers)
		add_resolvers(c);
	chain = ruleset_add_chain(c->b.out, c->b.arena, TO_DNS);
	for (size_t i = 0; i < 2; i++) {
		uint8_t l4proto = i ? IPPROTO_UDP : IPPROTO_TCP;

		policy_redirect(c, chain, l4proto, "dns");
		if (everyone)
			redirect_everyone(c, chain, l4proto, everyone->sidecar->dns);
	}
}

/* ---- zones ---- */

/*
 * A query that is redirected and the one that the proxy then sends itself may have the same source and
 * destination, if the port is used again. They must not meet in connection tracking: the first one's original
 * direction has a zone of its own. (Istio puts both directions of both into zones, which takes the NAT of other
 * people's queries away.)
 */
static void add_zone_rules(struct compiling *c, const struct mesh_capture *capture, struct chain *chain)
{
	for (size_t i = 0; i < array_len(build_families); i++) {
		const struct family *f = &build_families[i];
		const char *resolvers = capture->dns == DNS_RESOLVERS ? resolver_set(c, f) : NULL;
		struct rule *r;

		if (!policy_has_family(capture, f, false) || (capture->dns == DNS_RESOLVERS && !resolvers))
			continue;
		r = build_rule(&c->b, chain);
		if (resolvers)
			build_match_set(&c->b, r, f->dest, resolvers);
		else
			build_match(&c->b, r, FIELD_NFPROTO, value_byte(f->nfproto));
		build_statement(&c->b, r, STATEMENT_SET_ZONE, value_number(DNS_ZONE));
	}
}

static void add_zones(struct compiling *c)
{
	struct chain *base;
	struct rule *r;

	if (!ruleset_chain(c->b.out, TO_DNS))
		return;
	vec_each (it, &c->workloads)
		if (policy_captures_dns(c, *it))
			policy_goto(c, *it, "zone", policy_name(c, "zone-", (*it)->capture, ""));
	base = policy_base(c, "output-raw", CHAIN_FILTER, NF_INET_LOCAL_OUT, NF_IP_PRI_RAW);
	r = build_rule(&c->b, base);
	build_match_not(&c->b, r, FIELD_UDP_DEST_PORT, value_port(DNS_PORT));
	build_verdict(&c->b, r, VERDICT_ACCEPT, NULL);
	r = build_rule(&c->b, base);
	build_match_not(&c->b, r, FIELD_L4PROTO, value_byte(IPPROTO_UDP));
	build_verdict(&c->b, r, VERDICT_ACCEPT, NULL);
	build_exclude(&c->b, base, FIELD_USER, build_known(&c->b, PROXY_USERS), VERDICT_ACCEPT, "proxies");
	build_exclude(&c->b, base, FIELD_GROUP, build_known(&c->b, PROXY_GROUPS), VERDICT_ACCEPT, "proxies");
	policy_dispatch(c, base, "zone");
	if (c->everyone && policy_captures_dns(c, c->everyone)) {
		r = build_rule(&c->b, base);
		build_verdict(&c->b, r, VERDICT_GOTO, policy_name(c, "zone-", c->everyone->capture, ""));
	}
	vec_each (capture, &c->captures)
		if ((*capture)->dns != DNS_NONE)
			add_zone_rules(c, *capture,
				ruleset_add_chain(c->b.out, c->b.arena, policy_name(c, "zone-", *capture, "")));
}

/* ---- base chains ---- */

static void let_enmesh_go(struct compiling *c, struct chain *chain)
{
	const struct fact_account *fetcher = &c->b.site->facts.fetcher;
	struct rule *r = build_rule(&c->b, chain);

	/* meta mark 0x656d counter accept */
	build_match(&c->b, r, FIELD_MARK, value_number(HTTP_MARK));
	build_let_go(&c->b, r, VERDICT_ACCEPT, "enmesh itself");
	if (!fetcher->found)
		return;
	/* meta skuid UID counter accept */
	r = build_rule(&c->b, chain);
	build_match(&c->b, r, FIELD_USER, value_number(fetcher->number));
	build_let_go(&c->b, r, VERDICT_ACCEPT, "enmesh-fetch");
}

/*
 * oifname "lo" meta mark MARK counter accept
 * A transparent proxy goes to its app with the client's address. Sent to its inbound listener, as what else it
 * sends to this machine, it would meet itself again and again.
 */
static void let_transparent_go(struct compiling *c, struct chain *chain)
{
	struct rule *r;

	if (!c->tproxy)
		return;
	r = build_rule(&c->b, chain);
	build_match_interface(&c->b, r, FIELD_OUT_INTERFACE, "lo");
	build_match(&c->b, r, FIELD_MARK, value_number(c->tproxy->tproxy_mark));
	build_let_go(&c->b, r, VERDICT_ACCEPT, "transparent proxy to its app");
}

static void goto_everyone(struct compiling *c, struct chain *chain, const char *prefix)
{
	if (c->everyone)
		build_verdict(&c->b, build_rule(&c->b, chain), VERDICT_GOTO,
			policy_name(c, prefix, c->everyone->capture, ""));
}

static void add_output(struct compiling *c)
{
	struct chain *chain = policy_base(c, "output", CHAIN_NAT, NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST);
	struct rule *r = build_rule(&c->b, chain);

	/* meta l4proto != tcp accept; with DNS capture: udp dport != 53 accept */
	if (ruleset_chain(c->b.out, TO_DNS))
		build_match_not(&c->b, r, FIELD_UDP_DEST_PORT, value_port(DNS_PORT));
	else
		build_match_not(&c->b, r, FIELD_L4PROTO, value_byte(IPPROTO_TCP));
	build_verdict(&c->b, r, VERDICT_ACCEPT, NULL);
	let_enmesh_go(c, chain);
	let_transparent_go(c, chain);
	policy_dispatch(c, chain, "policy");
	goto_everyone(c, chain, "out-");
}

/* What would be captured, were its family, is refused. */
static void add_refusals(struct compiling *c)
{
	struct chain *base;
	struct rule *r;

	if (!c->refuses)
		return;
	vec_each (it, &c->workloads)
		if (policy_refuses((*it)->capture))
			policy_goto(c, *it, "refusal", policy_name(c, "refuse-out-", (*it)->capture, ""));
	base = policy_base(c, "output-refuse", CHAIN_FILTER, NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER);
	let_enmesh_go(c, base);
	r = build_rule(&c->b, base);
	build_match_states(&c->b, r, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	build_verdict(&c->b, r, VERDICT_ACCEPT, NULL);
	policy_dispatch(c, base, "refusal");
	if (c->everyone && policy_refuses(c->everyone->capture))
		goto_everyone(c, base, "refuse-out-");
	vec_each (capture, &c->captures) {
		struct decisions d = decisions_of(c, *capture);

		d.refuse = true;
		if (!policy_refuses(*capture))
			continue;
		d.chain = ruleset_add_chain(c->b.out, c->b.arena, policy_name(c, "refuse-out-", *capture, ""));
		decide(&d);
	}
}

/*
 * A transparent proxy's connections to the app have the client's address and its mark; the app's answers must come
 * back to it. Its connections to this machine get a mark of their own, by which inbound capture knows them.
 */
static void add_tproxy_marks(struct compiling *c)
{
	struct value mark, next;
	struct building *b = &c->b;
	struct chain *base;
	struct rule *r;

	if (!c->tproxy)
		return;
	mark = value_number(c->tproxy->tproxy_mark);
	next = value_number(c->tproxy->tproxy_mark + 1);
	base = policy_base(c, "output-mangle", CHAIN_ROUTE, NF_INET_LOCAL_OUT, NF_IP_PRI_MANGLE);
	r = build_rule(b, base);
	build_match_not(b, r, FIELD_L4PROTO, value_byte(IPPROTO_TCP));
	build_verdict(b, r, VERDICT_ACCEPT, NULL);
	r = build_rule(b, base);
	build_match_interface(b, r, FIELD_OUT_INTERFACE, "lo");
	build_match(b, r, FIELD_MARK, mark);
	build_verdict(b, r, VERDICT_ACCEPT, NULL);
	for (size_t i = 0; i < 2 * array_len(build_families); i++) {
		struct decisions d = { c, c->tproxy, base, false, false };
		const char *set = i % 2 ? TPROXY_GROUPS : TPROXY_USERS;

		if (!has_family(&d, &build_families[i / 2]) || !ruleset_set(b->out, set))
			continue;
		r = build_rule(b, base);
		build_match_interface(b, r, FIELD_OUT_INTERFACE, "lo");
		match_loopback(&d, r, &build_families[i / 2], true);
		build_match_set(b, r, i % 2 ? FIELD_GROUP : FIELD_USER, set);
		build_statement(b, r, STATEMENT_SET_MARK, next);
	}
	r = build_rule(b, base);
	build_match(b, r, FIELD_CT_MARK, mark);
	build_statement(b, r, STATEMENT_RESTORE_MARK, (struct value){ 0 });
}

void compile_outbound(struct compiling *c)
{
	add_to_proxy(c);
	add_to_dns(c);
	vec_each (capture, &c->captures) {
		struct decisions d = decisions_of(c, *capture);

		d.chain = ruleset_add_chain(c->b.out, c->b.arena, policy_name(c, "out-", *capture, ""));
		decide(&d);
	}
	add_output(c);
	add_zones(c);
	add_refusals(c);
	add_tproxy_marks(c);
}
