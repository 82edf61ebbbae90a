#include <stdlib.h>
#include <string.h>

#include "base/netns.h"
#include "model/site.h"

/* ---- what must be looked up ---- */

static void add_account(const struct account *account, bool group, struct arena *a, struct facts *out)
{
	struct fact_account *fact;

	if (!account->name || facts_account(out, account->name, group))
		return;
	fact = vec_push(a, &out->accounts);
	fact->name = account->name;
	fact->group = group;
}

static void add_accounts(const struct accounts *accounts, bool group, struct arena *a, struct facts *out)
{
	vec_each (account, &accounts->list)
		add_account(account, group, a, out);
}

/* Whose own group must be known: a user by name has it in its account's fact. */
static void add_user(const struct process *p, struct arena *a, struct facts *out)
{
	if (p->user.node && !p->user.name && !p->group.node && !facts_user(out, p->user.number))
		vec_push(a, &out->users)->number = p->user.number;
}

static void add_ports(const struct ports *ports, struct arena *a, struct facts *out)
{
	vec_each (p, &ports->list)
		if (p->name && !facts_port(out, p->name))
			vec_push(a, &out->ports)->name = p->name;
}

static void add_listener(const char *netns, uint16_t port, struct arena *a, struct facts *out)
{
	*vec_push(a, &out->listeners) = (struct fact_listener){ .netns = netns, .port = port };
}

static void add_capture(const struct workload *w, struct arena *a, struct facts *out)
{
	const struct mesh_capture *capture = w->capture;

	add_ports(&capture->inbound_ports, a, out);
	add_ports(&capture->inbound_exclude, a, out);
	add_ports(&capture->outbound_ports, a, out);
	add_ports(&capture->outbound_exclude_ports, a, out);
	add_accounts(&capture->include_groups, true, a, out);
	add_accounts(&capture->exclude_groups, true, a, out);
	out->want_resolvers |= capture->dns == DNS_RESOLVERS;
	if (capture->dns != DNS_NONE)
		add_listener(w->service->netns, w->sidecar->dns, a, out);
	if (capture->open_when_down)
		add_listener(w->service->netns, w->sidecar->outbound, a, out);
}

static void add_workload(const struct workload *w, struct arena *a, struct facts *out)
{
	const struct mesh_service *service = w->service;

	add_account(&service->user, false, a, out);
	add_account(&service->group, true, a, out);
	if (service->cgroup && !facts_cgroup(out, service->cgroup))
		vec_push(a, &out->cgroups)->path = service->cgroup;
	if (w->sidecar) {
		add_accounts(&w->sidecar->proxy_users, false, a, out);
		add_accounts(&w->sidecar->proxy_groups, true, a, out);
	}
	if (w->capture && w->capture->mode != CAPTURE_NONE)
		add_capture(w, a, out);
}

static void add_process(const struct process *p, struct arena *a, struct facts *out)
{
	add_account(&p->user, false, a, out);
	add_account(&p->group, true, a, out);
	add_user(p, a, out);
	vec_each (g, &p->groups)
		add_account(g, true, a, out);
	vec_each (f, &p->files) {
		add_account(&f->user, false, a, out);
		add_account(&f->group, true, a, out);
	}
}

void site_facts(const struct site *s, struct arena *a, struct facts *out)
{
	vec_each (w, &s->workloads)
		add_workload(w, a, out);
	vec_each (p, &s->processes)
		add_process(*p, a, out);
}

/* ---- what was found ---- */

bool site_number(const struct site *s, const struct account *account, bool group, uint32_t *number)
{
	const struct fact_account *fact;

	if (!account->name) {
		*number = account->number;
		return true;
	}
	fact = facts_account(&s->facts, account->name, group);
	if (!fact || !fact->found)
		return false;
	*number = fact->number;
	return true;
}

bool site_group(const struct site *s, const struct account *user, const struct account *group, uint32_t *number)
{
	const struct fact_account *named;
	const struct fact_user *numbered;

	if (group->node)
		return site_number(s, group, true, number);
	if (!user->name) {
		numbered = facts_user(&s->facts, user->number);
		*number = numbered && numbered->found ? numbered->primary_group : user->number;
		return true;
	}
	named = facts_account(&s->facts, user->name, false);
	if (!named || !named->found)
		return false;
	*number = named->primary_group;
	return true;
}

/* ---- what only ids can show ---- */

struct id_owner {
	bool group;
	uint32_t number;
	const char *netns;
	const struct workload *workload;
	bool sidecar;
	const struct node *node;
};

struct id_owners {
	vec_of(struct id_owner) list;
};

static void own(const struct site *s, const struct account *account, bool group, const struct workload *w,
	bool sidecar, struct arena *a, struct id_owners *out)
{
	uint32_t number;

	if (account->node && site_number(s, account, group, &number))
		*vec_push(a, &out->list) =
			(struct id_owner){ group, number, w->service->netns, w, sidecar, account->node };
}

static int by_id(const void *left, const void *right)
{
	const struct id_owner *a = left, *b = right;
	int order = netns_compare(a->netns, b->netns);

	if (!order)
		order = a->group - b->group;
	return order ? order : (a->number > b->number) - (a->number < b->number);
}

static const char *title(const struct id_owner *o, struct arena *a)
{
	return arena_printf(a, "%sservice %s/%s", o->sidecar ? "the sidecar of " : "",
		o->workload->service->namespace, o->workload->service->name);
}

/* Two names, or a name and a number, may be one user. */
static bool check_owners(const struct site *s, struct diags *d)
{
	struct id_owners owners = { 0 };
	bool ok = true;

	vec_each (w, &s->workloads) {
		if (!w->capture || w->capture->mode == CAPTURE_NONE)
			continue;
		own(s, &w->service->user, false, w, false, d->arena, &owners);
		own(s, &w->service->group, true, w, false, d->arena, &owners);
		vec_each (user, &w->sidecar->proxy_users.list)
			own(s, user, false, w, true, d->arena, &owners);
		vec_each (group, &w->sidecar->proxy_groups.list)
			own(s, group, true, w, true, d->arena, &owners);
	}
	if (owners.list.n)
		qsort(owners.list.items, owners.list.n, sizeof(*owners.list.items), by_id);
	for (size_t i = 1; i < owners.list.n; i++) {
		const struct id_owner *x = &owners.list.items[i - 1], *y = &owners.list.items[i];

		if (by_id(x, y) || (x->workload == y->workload && x->sidecar == y->sidecar))
			continue;
		ok = diag_error(d, node_pos(y->node), "%s and %s (at %s) run as one %s, %u, on this machine",
			title(y, d->arena), title(x, d->arena), pos_text(node_pos(x->node), d->arena),
			y->group ? "group" : "user", y->number);
	}
	return ok;
}

bool site_check(const struct site *s, bool needed, struct diags *d)
{
	bool ok = check_owners(s, d);

	if (!needed)
		return ok;
	vec_each (account, &s->facts.accounts)
		if (!account->found)
			ok = diag_failure(d, "this machine has no %s '%s', which the source names",
				account->group ? "group" : "user", account->name);
	vec_each (port, &s->facts.ports)
		if (!port->found)
			ok = diag_failure(d,
				"this machine has no port '%s' in /etc/services, which the source names",
				port->name);
	return ok;
}
