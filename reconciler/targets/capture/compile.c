#include "targets/capture/compile.h"

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/http.h"
#include "model/management.h"

/*
 * The table has two base chains, which stay whatever else changes, and for each MeshCapture in use a chain for
 * inbound and one for outbound. What differs between services is in sets and maps: which port and which user
 * belongs to which MeshCapture, and which port of a proxy its connections go to. So one more service is some more
 * elements.
 */
struct compiling {
	const struct site *site;
	struct arena *arena;
	struct ruleset *out;
	vec_of(const struct mesh_capture *) captures; /* those in use, each once */
	const struct workload *everyone;              /* the workload that has no user or group of its own */
	const struct workload *all_ports;             /* the one to which every other port belongs */
};

static bool is_captured(const struct workload *w)
{
	return w->capture && w->capture->mode != CAPTURE_NONE;
}

static const char *name_of(
	struct compiling *c, const char *prefix, const struct mesh_capture *capture, const char *suffix)
{
	return arena_printf(c->arena, "%s%s%s", prefix, capture->name, suffix);
}

/* ---- statements ---- */

static struct statement *add_statement(
	struct compiling *c, struct rule *r, enum statement_kind kind, enum field field)
{
	struct statement *s = vec_push(c->arena, &r->statements);

	s->kind = kind;
	s->field = field;
	return s;
}

static void match_value(struct compiling *c, struct rule *r, enum field field, struct value value)
{
	add_statement(c, r, MATCH_VALUE, field)->value = value;
}

static void match_other(struct compiling *c, struct rule *r, enum field field, struct value value)
{
	struct statement *s = add_statement(c, r, MATCH_VALUE, field);

	s->value = value;
	s->negated = true;
}

/* What must be known of a packet before the field can be read is matched first, as nft does it. */
static void match_protocol(struct compiling *c, struct rule *r, enum field field)
{
	if (field_info(field)->nfproto)
		match_value(c, r, FIELD_NFPROTO, value_byte(field_info(field)->nfproto));
	if (field_info(field)->l4proto)
		match_value(c, r, FIELD_L4PROTO, value_byte(field_info(field)->l4proto));
}

static void match_set(struct compiling *c, struct rule *r, enum field field, const char *set, bool negated)
{
	struct statement *s;

	match_protocol(c, r, field);
	s = add_statement(c, r, MATCH_SET, field);
	s->set = set;
	s->negated = negated;
}

static void match_interface(struct compiling *c, struct rule *r, enum field field, const char *name)
{
	match_value(c, r, field, value_interface(name));
}

static void match_tcp(struct compiling *c, struct rule *r)
{
	match_value(c, r, FIELD_L4PROTO, value_byte(IPPROTO_TCP));
}

static void count(struct compiling *c, struct rule *r)
{
	add_statement(c, r, STATEMENT_COUNTER, (enum field)0);
}

static void verdict(struct compiling *c, struct rule *r, enum verdict what, const char *chain)
{
	struct statement *s = add_statement(c, r, STATEMENT_VERDICT, (enum field)0);

	s->verdict = what;
	s->chain = chain;
}

static void let_go(struct compiling *c, struct rule *r, const char *comment)
{
	count(c, r);
	verdict(c, r, VERDICT_ACCEPT, NULL);
	r->comment = comment;
}

static void map_statement(
	struct compiling *c, struct rule *r, enum statement_kind kind, enum field field, const char *set)
{
	add_statement(c, r, kind, field)->set = set;
}

static struct rule *add_rule(struct compiling *c, struct chain *chain)
{
	return vec_push(c->arena, &chain->rules);
}

/* ---- sets ---- */

static struct element *add_element(struct compiling *c, struct set *s, struct value key)
{
	struct element *e = vec_push(c->arena, &s->elements);

	e->key = e->end = key;
	return e;
}

static struct set *set_of(struct compiling *c, const char *name, enum type key, enum type data)
{
	struct set *s = ruleset_set(c->out, name);

	return s ? s : ruleset_add_set(c->out, c->arena, name, key, data);
}

/* An id where this machine knows the account, else its name, which can be shown but not written. */
static struct value account_value(const struct compiling *c, const struct account *account, bool group)
{
	struct value v = { .shown = account->name, .missing = true };
	uint32_t number;

	return site_number(c->site, account, group, &number) ? value_number(number) : v;
}

static const char *port_set(struct compiling *c, const char *name, const struct ports *ports)
{
	struct set *s;

	if (!ports->list.n)
		return NULL;
	s = set_of(c, name, TYPE_PORT, TYPE_NONE);
	vec_each (port, &ports->list)
		add_element(c, s, value_port(*port));
	return name;
}

/* The last address of a range. */
static struct value last_of(const struct cidr *range)
{
	struct value v = value_address(range->family, range->address);

	for (unsigned bit = range->prefix; bit < (range->family == AF_INET ? 32U : 128U); bit++)
		v.data[bit / 8] |= (unsigned char)(0x80U >> bit % 8);
	return v;
}

/* The ranges of one family; NULL: there are none. */
static const char *range_set(struct compiling *c, const char *name, const struct cidrs *ranges, int family)
{
	struct set *s = NULL;

	vec_each (range, &ranges->list) {
		struct element *e;

		if (range->family != family)
			continue;
		if (!s) {
			s = set_of(c, name, family == AF_INET ? TYPE_IPV4 : TYPE_IPV6, TYPE_NONE);
			s->interval = true;
		}
		e = add_element(c, s, value_address(family, range->address));
		e->end = last_of(range);
	}
	return s ? name : NULL;
}

static const char *interface_set(struct compiling *c, const struct mesh_capture *capture)
{
	const char *name = name_of(c, "", capture, "-interfaces");
	struct set *s;

	if (!capture->exclude_interfaces.list.n)
		return NULL;
	s = set_of(c, name, TYPE_INTERFACE, TYPE_NONE);
	if (!s->elements.n)
		vec_each (interface, &capture->exclude_interfaces.list)
			add_element(c, s, value_interface(*interface));
	return name;
}

/* ---- what each service adds to the maps ---- */

#define TUNNEL_PORTS "tunnel-ports"
#define PROXY_USERS "proxy-users"
#define HAIRPIN "proxy-inbound" /* user of a proxy → its inbound port */
#define USER_PROXY "user-proxy" /* user of a service → outbound port of its proxy */
#define GROUP_PROXY "group-proxy"
#define PORT_PROXY "port-proxy"   /* port of a service → inbound port of its proxy */
#define USER_POLICY "user-policy" /* user → chain of its MeshCapture */
#define GROUP_POLICY "group-policy"
#define PORT_POLICY "port-policy"
#define TO_PROXY "to-proxy"

static void put_port(struct compiling *c, const char *map, enum type key_type, struct value key, uint16_t port)
{
	add_element(c, set_of(c, map, key_type, TYPE_PORT), key)->data = value_port(port);
}

static void put_policy(
	struct compiling *c, const char *map, enum type key_type, struct value key, const char *chain)
{
	struct element *e = add_element(c, set_of(c, map, key_type, TYPE_VERDICT), key);

	e->verdict = VERDICT_GOTO;
	e->chain = chain;
}

static bool contains(const struct ports *ports, uint16_t port)
{
	vec_each (p, &ports->list)
		if (*p == port)
			return true;
	return false;
}

static void capture_port(struct compiling *c, const struct workload *w, uint16_t port)
{
	const struct mesh_capture *capture = w->capture;

	if (contains(&capture->inbound_exclude, port) ||
		(management_port(c->site->node, port) && !capture->allow_management_ports))
		return;
	put_port(c, PORT_PROXY, TYPE_PORT, value_port(port), w->sidecar->inbound);
	put_policy(c, PORT_POLICY, TYPE_PORT, value_port(port), name_of(c, "in-", capture, ""));
}

static void add_inbound(struct compiling *c, const struct workload *w)
{
	switch (w->capture->inbound) {
	case INBOUND_SERVICE:
		vec_each (port, &w->service->ports)
			capture_port(c, w, port->target);
		break;
	case INBOUND_LIST:
		vec_each (port, &w->capture->inbound_ports.list)
			capture_port(c, w, *port);
		break;
	case INBOUND_ALL:
		c->all_ports = w;
		break;
	}
}

static void add_outbound(struct compiling *c, const struct workload *w)
{
	const char *chain = name_of(c, "out-", w->capture, "");
	const struct mesh_service *service = w->service;
	struct value proxy = account_value(c, &w->sidecar->process.user, false);

	add_element(c, set_of(c, PROXY_USERS, TYPE_USER, TYPE_NONE), proxy);
	put_port(c, HAIRPIN, TYPE_USER, proxy, w->sidecar->inbound);
	put_policy(c, USER_POLICY, TYPE_USER, proxy, chain);
	if (service->user.node) {
		struct value user = account_value(c, &service->user, false);

		put_port(c, USER_PROXY, TYPE_USER, user, w->sidecar->outbound);
		put_policy(c, USER_POLICY, TYPE_USER, user, chain);
	} else if (service->group.node) {
		struct value group = account_value(c, &service->group, true);

		put_port(c, GROUP_PROXY, TYPE_GROUP, group, w->sidecar->outbound);
		put_policy(c, GROUP_POLICY, TYPE_GROUP, group, chain);
	} else {
		c->everyone = w;
	}
}

static void add_workload(struct compiling *c, const struct workload *w)
{
	bool known = false;

	vec_each (capture, &c->captures)
		known |= *capture == w->capture;
	if (!known)
		*vec_push(c->arena, &c->captures) = w->capture;
	add_element(c, set_of(c, TUNNEL_PORTS, TYPE_PORT, TYPE_NONE), value_port(w->sidecar->tunnel));
	add_inbound(c, w);
	add_outbound(c, w);
}

/* ---- chains ---- */

static struct chain *add_base(struct compiling *c, const char *name, uint32_t hook)
{
	struct chain *chain = ruleset_add_chain(c->out, c->arena, name);

	chain->type = CHAIN_NAT;
	chain->hook = hook;
	chain->priority = NF_IP_PRI_NAT_DST;
	return chain;
}

/* meta skuid vmap @MAP, if there is such a map */
static void dispatch(struct compiling *c, struct chain *chain, enum field field, const char *map)
{
	struct rule *r;

	if (!ruleset_set(c->out, map))
		return;
	r = add_rule(c, chain);
	match_protocol(c, r, field);
	map_statement(c, r, STATEMENT_VERDICT_MAP, field, map);
}

static void add_prerouting(struct compiling *c)
{
	struct chain *chain = add_base(c, "prerouting", NF_INET_PRE_ROUTING);
	struct rule *r;

	/* fib daddr type != local counter accept */
	r = add_rule(c, chain);
	match_other(c, r, FIELD_DEST_TYPE, value_number(RTN_LOCAL));
	let_go(c, r, "not to this machine");
	/* tcp dport @tunnel-ports counter accept */
	r = add_rule(c, chain);
	match_set(c, r, FIELD_TCP_DEST_PORT, TUNNEL_PORTS, false);
	let_go(c, r, "tunnel");
	dispatch(c, chain, FIELD_TCP_DEST_PORT, PORT_POLICY);
	if (!c->all_ports)
		return;
	/* meta l4proto tcp goto in-CAPTURE */
	r = add_rule(c, chain);
	match_tcp(c, r);
	verdict(c, r, VERDICT_GOTO, name_of(c, "in-", c->all_ports->capture, ""));
}

static void add_output(struct compiling *c)
{
	struct chain *chain = add_base(c, "output", NF_INET_LOCAL_OUT);
	struct rule *r;

	/* meta l4proto != tcp accept */
	r = add_rule(c, chain);
	match_other(c, r, FIELD_L4PROTO, value_byte(IPPROTO_TCP));
	verdict(c, r, VERDICT_ACCEPT, NULL);
	/* meta mark 0x656d counter accept */
	r = add_rule(c, chain);
	match_value(c, r, FIELD_MARK, value_number(HTTP_MARK));
	let_go(c, r, "enmesh itself");
	dispatch(c, chain, FIELD_USER, USER_POLICY);
	dispatch(c, chain, FIELD_GROUP, GROUP_POLICY);
	if (!c->everyone)
		return;
	r = add_rule(c, chain);
	verdict(c, r, VERDICT_GOTO, name_of(c, "out-", c->everyone->capture, ""));
}

static void redirect_mapped(struct compiling *c, struct chain *chain, enum field field, const char *map)
{
	struct rule *r;

	if (!ruleset_set(c->out, map))
		return;
	/* meta l4proto tcp redirect to :FIELD map @MAP; a counter before the look-up would count what is not in
	 * the map too */
	r = add_rule(c, chain);
	match_tcp(c, r);
	map_statement(c, r, STATEMENT_REDIRECT_MAP, field, map);
}

static void redirect_to(struct compiling *c, struct chain *chain, uint16_t port)
{
	struct rule *r = add_rule(c, chain);

	/* meta l4proto tcp counter redirect to :PORT */
	match_tcp(c, r);
	count(c, r);
	add_statement(c, r, STATEMENT_REDIRECT, (enum field)0)->value = value_port(port);
}

/* Every service's connections end here: each goes to its own proxy. */
static void add_to_proxy(struct compiling *c)
{
	struct chain *chain = ruleset_add_chain(c->out, c->arena, TO_PROXY);

	redirect_mapped(c, chain, FIELD_USER, USER_PROXY);
	redirect_mapped(c, chain, FIELD_GROUP, GROUP_PROXY);
	if (c->everyone)
		redirect_to(c, chain, c->everyone->sidecar->outbound);
}

static void exclude_set(
	struct compiling *c, struct chain *chain, enum field field, const char *set, const char *comment)
{
	struct rule *r;

	if (!set)
		return;
	r = add_rule(c, chain);
	match_set(c, r, field, set, false);
	let_go(c, r, comment);
}

/* Ports that a capture of all ports leaves alone. Of listed ones they were left out when the map was made. */
static const char *excluded_ports(struct compiling *c, const struct mesh_capture *capture)
{
	const char *name = name_of(c, "in-", capture, "-exclude-ports");
	struct ports ports = { 0 };

	vec_each (port, &capture->inbound_exclude.list)
		*vec_push(c->arena, &ports.list) = *port;
	if (!capture->allow_management_ports) {
		*vec_push(c->arena, &ports.list) = 22;
		vec_each (port, &c->site->node->management_ports.list)
			*vec_push(c->arena, &ports.list) = *port;
	}
	return port_set(c, name, &ports);
}

static bool has_inbound(const struct compiling *c, const struct mesh_capture *capture)
{
	const struct set *ports = ruleset_set(c->out, PORT_POLICY);
	const char *chain = arena_printf(c->arena, "in-%s", capture->name);

	if (c->all_ports && c->all_ports->capture == capture)
		return true;
	for (size_t i = 0; ports && i < ports->elements.n; i++)
		if (!strcmp(ports->elements.items[i].chain, chain))
			return true;
	return false;
}

static void add_inbound_chain(struct compiling *c, const struct mesh_capture *capture)
{
	struct chain *chain = ruleset_add_chain(c->out, c->arena, name_of(c, "in-", capture, ""));

	chain->origin = capture->node;
	exclude_set(c, chain, FIELD_IN_INTERFACE, interface_set(c, capture), "excluded interfaces");
	if (c->all_ports && c->all_ports->capture == capture)
		exclude_set(c, chain, FIELD_TCP_DEST_PORT, excluded_ports(c, capture), "excluded ports");
	redirect_mapped(c, chain, FIELD_TCP_DEST_PORT, PORT_PROXY);
	if (c->all_ports && c->all_ports->capture == capture)
		redirect_to(c, chain, c->all_ports->sidecar->inbound);
}

static const struct family {
	int family;
	enum field source, dest;
	const char *suffix;
	/* What Istio's inbound cluster connects from, and the loopback address. */
	unsigned char passthrough[16], loopback[16];
} families[] = {
	{ AF_INET, FIELD_IP_SOURCE, FIELD_IP_DEST, "ipv4", { 127, 0, 0, 6 }, { 127, 0, 0, 1 } },
	{ AF_INET6, FIELD_IP6_SOURCE, FIELD_IP6_DEST, "ipv6", { [15] = 6 }, { [15] = 1 } },
};

/* oifname "lo" ip saddr 127.0.0.6 counter accept */
static void let_passthrough_go(struct compiling *c, struct chain *chain, const struct family *f)
{
	struct rule *r = add_rule(c, chain);

	match_interface(c, r, FIELD_OUT_INTERFACE, "lo");
	match_protocol(c, r, f->source);
	match_value(c, r, f->source, value_address(f->family, f->passthrough));
	let_go(c, r, "proxy to its app");
}

/* oifname "lo" ip daddr != 127.0.0.1 tcp dport != @tunnel-ports redirect to :meta skuid map @proxy-inbound */
static void hairpin(struct compiling *c, struct chain *chain, const struct family *f)
{
	struct rule *r = add_rule(c, chain);

	match_interface(c, r, FIELD_OUT_INTERFACE, "lo");
	match_protocol(c, r, f->dest);
	match_other(c, r, f->dest, value_address(f->family, f->loopback));
	match_set(c, r, FIELD_TCP_DEST_PORT, TUNNEL_PORTS, true);
	map_statement(c, r, STATEMENT_REDIRECT_MAP, FIELD_USER, HAIRPIN);
	r->comment = "proxy to this machine";
}

static void let_loopback_go(struct compiling *c, struct chain *chain, const struct family *f)
{
	struct rule *r = add_rule(c, chain);

	match_protocol(c, r, f->dest);
	match_value(c, r, f->dest, value_address(f->family, f->loopback));
	let_go(c, r, "loopback");
}

/* A rule that ends in `goto to-proxy`. */
static void capture_set(struct compiling *c, struct chain *chain, enum field field, const char *set)
{
	struct rule *r;

	if (!set)
		return;
	r = add_rule(c, chain);
	match_set(c, r, field, set, false);
	count(c, r);
	verdict(c, r, VERDICT_GOTO, TO_PROXY);
}

static void capture_rest(struct compiling *c, struct chain *chain)
{
	struct rule *r = add_rule(c, chain);

	count(c, r);
	verdict(c, r, VERDICT_GOTO, TO_PROXY);
}

static const char *ranges_of(struct compiling *c, const struct mesh_capture *capture, const char *what,
	const struct cidrs *ranges, const struct family *f)
{
	return range_set(
		c, arena_printf(c->arena, "out-%s-%s-%s", capture->name, what, f->suffix), ranges, f->family);
}

static void add_outbound_chain(struct compiling *c, const struct mesh_capture *capture)
{
	struct chain *chain = ruleset_add_chain(c->out, c->arena, name_of(c, "out-", capture, ""));
	struct rule *r;

	chain->origin = capture->node;
	exclude_set(c, chain, FIELD_OUT_INTERFACE, interface_set(c, capture), "excluded interfaces");
	exclude_set(c, chain, FIELD_TCP_DEST_PORT,
		port_set(c, name_of(c, "out-", capture, "-exclude-ports"), &capture->outbound_exclude_ports),
		"excluded ports");
	for (size_t i = 0; i < array_len(families); i++)
		let_passthrough_go(c, chain, &families[i]);
	for (size_t i = 0; i < array_len(families); i++)
		hairpin(c, chain, &families[i]);
	/* oifname "lo" counter accept */
	r = add_rule(c, chain);
	match_interface(c, r, FIELD_OUT_INTERFACE, "lo");
	let_go(c, r, "within this machine");
	exclude_set(c, chain, FIELD_USER, PROXY_USERS, "proxies");
	for (size_t i = 0; i < array_len(families); i++)
		let_loopback_go(c, chain, &families[i]);
	for (size_t i = 0; i < array_len(families); i++)
		exclude_set(c, chain, families[i].dest,
			ranges_of(c, capture, "exclude", &capture->outbound_exclude, &families[i]),
			"excluded ranges");
	capture_set(c, chain, FIELD_TCP_DEST_PORT,
		port_set(c, name_of(c, "out-", capture, "-ports"), &capture->outbound_ports));
	for (size_t i = 0; i < array_len(families); i++)
		capture_set(c, chain, families[i].dest,
			ranges_of(c, capture, "include", &capture->outbound_cidrs, &families[i]));
	if (capture->outbound_all)
		capture_rest(c, chain);
}

void compile_site(const struct site *site, struct arena *a, struct ruleset *out)
{
	struct compiling c = { .site = site, .arena = a, .out = out };

	vec_each (w, &site->workloads)
		if (is_captured(w))
			add_workload(&c, w);
	if (!c.captures.n)
		return;
	out->present = true;
	add_prerouting(&c);
	add_output(&c);
	add_to_proxy(&c);
	vec_each (capture, &c.captures) {
		if (has_inbound(&c, *capture))
			add_inbound_chain(&c, *capture);
		add_outbound_chain(&c, *capture);
	}
	ruleset_normalize(out, a);
}
