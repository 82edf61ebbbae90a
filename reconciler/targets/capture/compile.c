#include "targets/capture/compile.h"

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>
#include <sys/socket.h>

#include "base/netns.h"
#include "model/management.h"
#include "targets/capture/policy.h"

/* ---- owners ---- */

static uint32_t level_of(const char *cgroup)
{
	uint32_t level = 0;

	for (const char *s = cgroup; *s; s++)
		level += *s == '/' && s[1] && s[1] != '/';
	return level;
}

struct owner {
	enum owner_kind kind;
	enum type type;
	uint32_t level;
	struct value key;
};

static struct value cgroup_value(const struct building *b, const char *path)
{
	const struct fact_cgroup *fact = facts_cgroup(&b->site->facts, path);
	struct value v = { .shown = path + strspn(path, "/"), .missing = !fact || !fact->found };

	if (fact)
		memcpy(v.data, &fact->id, sizeof(fact->id));
	return v;
}

/* False: everyone. */
static bool owner_of(const struct compiling *c, const struct mesh_service *s, struct owner *out)
{
	if (s->cgroup)
		*out = (struct owner){ OWNER_CGROUP, TYPE_CGROUP, level_of(s->cgroup),
			cgroup_value(&c->b, s->cgroup) };
	else if (s->user.node)
		*out = (struct owner){ OWNER_USER, TYPE_USER, 0, build_account(&c->b, &s->user, false) };
	else if (s->group.node)
		*out = (struct owner){ OWNER_GROUP, TYPE_GROUP, 0, build_account(&c->b, &s->group, true) };
	else
		return false;
	return true;
}

static const char *map_name(struct compiling *c, enum owner_kind kind, uint32_t level, const char *what)
{
	switch (kind) {
	case OWNER_CGROUP:
		return arena_printf(c->b.arena, "cgroup-%u-%s", level, what);
	case OWNER_USER:
		return arena_printf(c->b.arena, "user-%s", what);
	case OWNER_GROUP:
	case OWNER_KINDS:
		break;
	}
	return arena_printf(c->b.arena, "group-%s", what);
}

void policy_port(struct compiling *c, const struct workload *w, const char *what, uint16_t port)
{
	struct owner o;

	if (owner_of(c, w->service, &o))
		build_port(&c->b, map_name(c, o.kind, o.level, what), o.type, o.key, port);
}

void policy_goto(struct compiling *c, const struct workload *w, const char *what, const char *chain)
{
	struct owner o;

	if (owner_of(c, w->service, &o))
		build_goto(&c->b, map_name(c, o.kind, o.level, what), o.type, o.key, chain);
}

/* Deeper groups are more exact. */
void policy_dispatch(struct compiling *c, struct chain *chain, const char *what)
{
	for (uint32_t level = CGROUP_LEVELS_MAX; level-- > 0;)
		if (c->levels & 1U << level)
			build_dispatch(&c->b, chain, FIELD_CGROUP, level, map_name(c, OWNER_CGROUP, level, what));
	build_dispatch(&c->b, chain, FIELD_USER, 0, map_name(c, OWNER_USER, 0, what));
	build_dispatch(&c->b, chain, FIELD_GROUP, 0, map_name(c, OWNER_GROUP, 0, what));
}

/* A counter before the look-up would count what is not in the map, too. */
static void redirect_mapped(struct compiling *c, struct chain *chain, uint8_t l4proto, enum field field,
	uint32_t level, const char *map)
{
	struct rule *r;

	if (!ruleset_set(c->b.out, map))
		return;
	r = build_rule(&c->b, chain);
	build_match(&c->b, r, FIELD_L4PROTO, value_byte(l4proto));
	build_map(&c->b, r, STATEMENT_REDIRECT_MAP, field, map);
	r->statements.items[r->statements.n - 1].level = level;
}

void policy_redirect(struct compiling *c, struct chain *chain, uint8_t l4proto, const char *what)
{
	for (uint32_t level = CGROUP_LEVELS_MAX; level-- > 0;)
		if (c->levels & 1U << level)
			redirect_mapped(
				c, chain, l4proto, FIELD_CGROUP, level, map_name(c, OWNER_CGROUP, level, what));
	redirect_mapped(c, chain, l4proto, FIELD_USER, 0, map_name(c, OWNER_USER, 0, what));
	redirect_mapped(c, chain, l4proto, FIELD_GROUP, 0, map_name(c, OWNER_GROUP, 0, what));
}

/* ---- what is in it ---- */

const char *policy_name(
	struct compiling *c, const char *prefix, const struct mesh_capture *capture, const char *what)
{
	return arena_printf(c->b.arena, "%s%s%s%s", prefix, capture->name, what[0] ? "-" : "", what);
}

struct chain *policy_base(
	struct compiling *c, const char *name, enum chain_type type, uint32_t hook, int32_t priority)
{
	struct chain *chain = ruleset_add_chain(c->b.out, c->b.arena, name);

	chain->type = type;
	chain->hook = hook;
	chain->priority = priority;
	return chain;
}

bool compile_captures(const struct site *site, const struct workload *w)
{
	const struct mesh_service *s = w->service;
	const struct fact_cgroup *cgroup = s->cgroup ? facts_cgroup(&site->facts, s->cgroup) : NULL;

	if (!w->capture || w->capture->mode == CAPTURE_NONE)
		return false;
	if (cgroup && !cgroup->found)
		return false;
	return !w->capture->open_when_down || facts_listens(&site->facts, s->netns, w->sidecar->outbound);
}

bool policy_refuses(const struct mesh_capture *capture)
{
	return capture->refuse_other_family && !(capture->ipv4 && capture->ipv6);
}

bool policy_has_family(const struct mesh_capture *capture, const struct family *f, bool refuse)
{
	return (f->family == AF_INET ? capture->ipv4 : capture->ipv6) != refuse;
}

static void add_capture(struct compiling *c, const struct mesh_capture *capture)
{
	if (names_find(&c->capture_names, capture->name) != NAMES_NONE)
		return;
	names_add(c->b.arena, &c->capture_names, capture->name, c->captures.n);
	*vec_push(c->b.arena, &c->captures) = capture;
	if (capture->mode == CAPTURE_TPROXY && !c->tproxy)
		c->tproxy = capture;
	c->drop_invalid |= capture->drop_invalid;
	c->refuses |= policy_refuses(capture);
}

bool policy_captures_dns(const struct compiling *c, const struct workload *w)
{
	const struct facts *facts = &c->b.site->facts;

	return w->capture->dns != DNS_NONE && facts_listens(facts, w->service->netns, w->sidecar->dns) &&
	       (w->capture->dns == DNS_ALL || facts->resolvers.n);
}

bool policy_captures_loopback(const struct mesh_capture *capture)
{
	vec_each (range, &capture->outbound_cidrs.list)
		if (range->family == AF_INET ? range->address[0] == 127
					     : !memcmp(range->address, build_loopback6, sizeof(build_loopback6)))
			return true;
	return false;
}

static void add_proxy_users(struct compiling *c, const struct workload *w)
{
	bool dns = policy_captures_dns(c, w), all = policy_captures_loopback(w->capture);
	const struct mesh_sidecar *s = w->sidecar;
	struct building *b = &c->b;

	vec_each (user, &s->proxy_users.list) {
		bool first = user == s->proxy_users.list.items;
		struct value id = build_account(b, user, false);

		build_goto(b, "user-policy", TYPE_USER, id, policy_name(c, "out-", w->capture, ""));
		if (first || all)
			build_port(b, USER_INBOUND, TYPE_USER, id, s->inbound);
		if (first && dns && !all)
			build_element(b, build_set(b, FIRST_USERS, TYPE_USER, TYPE_NONE), id);
	}
}

static void add_proxy_groups(struct compiling *c, const struct workload *w)
{
	bool dns = policy_captures_dns(c, w), all = policy_captures_loopback(w->capture);
	const struct mesh_sidecar *s = w->sidecar;
	struct building *b = &c->b;

	vec_each (group, &s->proxy_groups.list) {
		bool first = !s->proxy_users.list.n && group == s->proxy_groups.list.items;
		struct value id = build_account(b, group, true);

		build_goto(b, "group-policy", TYPE_GROUP, id, policy_name(c, "out-", w->capture, ""));
		if (first || all)
			build_port(b, GROUP_INBOUND, TYPE_GROUP, id, s->inbound);
		else if (dns)
			build_port(b, DNS_INBOUND, TYPE_GROUP, id, s->inbound);
		if (first && dns && !all)
			build_element(b, build_set(b, FIRST_GROUPS, TYPE_GROUP, TYPE_NONE), id);
	}
}

/*
 * Whose connections are the proxy's own. Istio asks for one user after the other, then for one group after the
 * other, and what is not the first one's own and stays on this machine is let go before the next one is asked for;
 * unless loopback addresses are captured.
 */
static void add_proxy(struct compiling *c, const struct workload *w)
{
	const struct mesh_sidecar *s = w->sidecar;

	build_accounts(&c->b, PROXY_USERS, &s->proxy_users, false);
	build_accounts(&c->b, PROXY_GROUPS, &s->proxy_groups, true);
	if (w->capture->mode == CAPTURE_TPROXY) {
		build_accounts(&c->b, TPROXY_USERS, &s->proxy_users, false);
		build_accounts(&c->b, TPROXY_GROUPS, &s->proxy_groups, true);
	}
	add_proxy_users(c, w);
	add_proxy_groups(c, w);
}

static void add_workload(struct compiling *c, const struct workload *w)
{
	struct owner o;

	*vec_push(c->b.arena, &c->workloads) = w;
	add_capture(c, w->capture);
	build_element(&c->b, build_set(&c->b, TUNNEL_PORTS, TYPE_PORT, TYPE_NONE), value_port(w->sidecar->tunnel));
	add_proxy(c, w);
	if (!owner_of(c, w->service, &o))
		c->everyone = w;
	else if (o.kind == OWNER_CGROUP && o.level < CGROUP_LEVELS_MAX)
		c->levels |= 1U << o.level;
	policy_goto(c, w, "policy", policy_name(c, "out-", w->capture, ""));
	policy_port(c, w, "proxy", w->sidecar->outbound);
}

void compile_site(const struct site *site, const char *netns, struct arena *a, struct ruleset *out)
{
	struct compiling c = { .b = { site, a, out } };

	vec_each (w, &site->workloads)
		if (netns_same(w->service->netns, netns) && compile_captures(site, w))
			add_workload(&c, w);
	if (!c.workloads.n)
		return;
	out->present = true;
	compile_inbound(&c);
	compile_outbound(&c);
	ruleset_normalize(out, a);
}
