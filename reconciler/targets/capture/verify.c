#include <netinet/in.h>
#include <string.h>

#include "base/netns.h"
#include "targets/capture/evaluate.h"
#include "targets/capture/trial.h"

enum judgement { AS_WANTED, WRONG, UNDECIDED };

/* One network namespace. */
struct verifying {
	const struct space *want, *live;
	struct network wanted; /* where everybody who should wait does */
	struct network real;
	struct arena *arena;
	struct node *list;
};

/* ---- what was seen ---- */

static const char *seen_text(const struct trial *p, struct arena *a)
{
	const char *taker = endpoint_text(&p->taker, a);

	switch (p->seen) {
	case SEEN_SOCKET:
		return arena_printf(a, "a %ssocket of this machine, at %s, took it",
			p->transparent ? "transparent " : "", taker);
	case SEEN_ANSWER:
		return "somebody else answered";
	case SEEN_REFUSED:
		return "it was refused";
	case SEEN_RESET:
		return "it was taken and reset, before it could be seen by whom";
	case SEEN_NOTHING:
		return "it came to no socket of this machine, and nobody answered";
	case SEEN_TOO_FAR:
		return "it left the machine";
	case SEEN_NO_WAY:
		return arena_printf(a, "it could not set out: %s", strerror(-p->error));
	case SEEN_FAILED:
		break;
	}
	return arena_printf(a, "it could not be opened: %s", strerror(-p->error));
}

static enum judgement ok_if(bool ok)
{
	return ok ? AS_WANTED : WRONG;
}

/* A direct connection to a port of this machine: who waits there takes it, and where nobody does it is refused. */
static enum judgement judge_direct(const struct verifying *v, const struct trial *p)
{
	if (p->seen == SEEN_REFUSED)
		return ok_if(!network_waits(&v->real, IPPROTO_TCP, &p->connection.dest, false));
	return ok_if(p->seen == SEEN_SOCKET && !p->transparent && p->taker.port == p->connection.dest.port);
}

/* `live`: what the live rules do. Where both a rule and somebody far away may have refused it, they tell. */
static enum judgement judge(const struct verifying *v, const struct trial *p, const struct evaluation *want,
	const struct evaluation *live)
{
	if (p->seen == SEEN_NO_WAY || p->seen == SEEN_FAILED || p->seen == SEEN_RESET)
		return UNDECIDED;
	switch (want->landing) {
	case LANDING_LOCAL:
		if (want->tproxy)
			return ok_if(p->seen == SEEN_SOCKET && p->transparent);
		if (want->redirected)
			return ok_if(p->seen == SEEN_SOCKET && p->taker.port == want->at.port);
		return judge_direct(v, p);
	case LANDING_SENT:
	case LANDING_FORWARDED:
		if (p->seen == SEEN_REFUSED)
			return ok_if(live->landing == want->landing);
		return ok_if(p->seen != SEEN_SOCKET);
	case LANDING_REFUSED:
		return ok_if(p->seen == SEEN_REFUSED);
	case LANDING_DROPPED:
		return ok_if(p->seen == SEEN_NOTHING);
	case LANDING_UNKNOWN:
		break;
	}
	return UNDECIDED;
}

/* ---- who is to blame ---- */

static const char *rule_text(const struct step *s, struct arena *a)
{
	if (!s->rule)
		return arena_printf(a, "the policy of chain %s, %s", s->chain->name, s->effect);
	return arena_printf(a, "rule %zu of chain %s, %s", s->number, s->chain->name, s->rule->text);
}

static const struct step *next_matched(const struct evaluation *e, size_t *i)
{
	for (; *i < e->steps.n; (*i)++)
		if (e->steps.items[*i].matched && e->steps.items[*i].chain)
			return &e->steps.items[(*i)++];
	return NULL;
}

static bool same_rule(const struct step *a, const struct step *b)
{
	if (!a->rule || !b->rule)
		return a->rule == b->rule && !strcmp(a->chain->name, b->chain->name);
	return !strcmp(a->rule->text, b->rule->text) && !strcmp(a->chain->name, b->chain->name) &&
	       !strcmp(a->effect ? a->effect : "", b->effect ? b->effect : "");
}

static bool has_rule(const struct space *space, const struct step *s)
{
	const struct chain *c = ruleset_chain(&space->rules, s->chain->name);

	for (size_t i = 0; c && s->rule && i < c->rules.n; i++)
		if (!strcmp(c->rules.items[i].text, s->rule->text))
			return true;
	return !s->rule;
}

/* The first rule that applies by the source, and does not in the live rules, and the other way round. */
static void find_parting(const struct evaluation *want, const struct evaluation *live, const struct step **wanted,
	const struct step **found)
{
	size_t i = 0, j = 0;

	do {
		*wanted = next_matched(want, &i);
		*found = next_matched(live, &j);
	} while (*wanted && *found && same_rule(*wanted, *found));
}

/* Why a rule that is there does not apply; NULL: it is not met. */
static const char *why_not(const struct evaluation *live, const struct step *wanted)
{
	vec_each (s, &live->steps)
		if (s->rule && !s->matched && !strcmp(s->chain->name, wanted->chain->name) &&
			!strcmp(s->rule->text, wanted->rule->text))
			return s->why;
	return NULL;
}

static const char *blame_rules(
	const struct verifying *v, const struct evaluation *want, const struct evaluation *live)
{
	const struct step *wanted, *found;
	struct arena *a = v->arena;

	find_parting(want, live, &wanted, &found);
	if (!wanted && !found)
		return "the live rules are as the source wants them: something outside of them is in the way, "
		       "such as rules "
		       "of another table";
	if (found && !has_rule(v->want, found))
		return arena_printf(a, "the source does not want %s, which comes first", rule_text(found, a));
	if (wanted && !has_rule(v->live, wanted))
		return arena_printf(a, "missing is %s", rule_text(wanted, a));
	if (wanted && wanted->rule && why_not(live, wanted))
		return arena_printf(a, "%s does not apply: %s", rule_text(wanted, a), why_not(live, wanted));
	return arena_printf(a, "where the source has %s, comes %s", wanted ? rule_text(wanted, a) : "nothing more",
		found ? rule_text(found, a) : "nothing more");
}

/* The rules are right, but there is nobody to whom they could lead. */
static bool lacks_listener(const struct evaluation *want, const struct evaluation *live)
{
	if (want->tproxy)
		return live->decision != NO_STEP && live->landing == LANDING_REFUSED && !live->no_listener;
	return live->no_listener && live->at.port == want->at.port;
}

static const char *blame(const struct verifying *v, const struct trial *p, const struct evaluation *want,
	const struct evaluation *live)
{
	struct arena *a = v->arena;
	const char *port = network_port(&v->real, want->at.port);

	if (!v->live->rules.present)
		return "enmesh has no rules here: apply has not run, or somebody removed them";
	if (live->landing == LANDING_UNKNOWN && live->decision != NO_STEP)
		return arena_printf(a, "what decides has no form that enmesh knows: %s",
			rule_text(&live->steps.items[live->decision], a));
	if (p->seen == SEEN_REFUSED && lacks_listener(want, live))
		return arena_printf(
			a, "nobody waits on port %u (%s)", want->at.port, port ? port : "of the proxy");
	return blame_rules(v, want, live);
}

/* ---- the report ---- */

static void put_connection(struct node *map, const struct trial *p, struct arena *a)
{
	const struct connection *c = &p->connection;

	node_put_text(a, map, "destination", endpoint_text(&c->dest, a));
	if (c->inbound) {
		node_put_text(a, map, "source", c->source.family ? endpoint_text(&c->source, a) : NULL);
		return;
	}
	connection_put_owner(map, c, a);
	node_put_text(a, map, "cgroup", p->cgroup);
}

static void report(struct verifying *v, const struct trial *p)
{
	static const char *const words[] = { [AS_WANTED] = "ok", [WRONG] = "wrong", [UNDECIDED] = "undecided" };
	const struct mesh_service *service = p->workload->service;
	struct node *n = node_add_map(v->arena, v->list);
	struct arena *a = v->arena;
	struct evaluation want, live;
	enum judgement result;

	evaluate(v->want, &p->connection, &v->wanted, a, &want);
	evaluate(v->live, &p->connection, &v->real, a, &live);
	result = judge(v, p, &want, &live);
	node_put_text(a, n, "service", arena_printf(a, "%s/%s", service->namespace, service->name));
	node_put_text(a, n, "networkNamespace", service->netns);
	node_put_text(a, n, "title", p->title);
	put_connection(n, p, a);
	node_put_text(a, n, "result", words[result]);
	node_put_text(a, n, "wanted", evaluation_text(&want, &p->connection, a));
	node_put_text(a, n, "seen", seen_text(p, a));
	if (result == WRONG)
		node_put_text(a, n, "blame", blame(v, p, &want, &live));
}

/* ---- one namespace after the other ---- */

static void add_warning(struct diags *d, const char *netns, int error)
{
	diag_warning(d, (struct pos){ 0 },
		"no connections can be opened from elsewhere%s%s, so inbound capture is not verified: %s",
		netns ? " in " : "", netns ? netns : "", strerror(-error));
}

static bool verify_space(struct verifying *v, const struct site *site, struct diags *d)
{
	const char *netns = v->want->netns;
	scoped(netns_leave) int back = -1;
	scoped(neighbour_finish) struct neighbour neighbour = { .netns = -1 };
	vec_of(struct connection *) connections = { 0 };
	struct trials trials = { 0 };
	int error = netns_enter(netns, &back);

	if (error)
		return diag_failure(d, "the network namespace %s cannot be entered: %s", netns, strerror(-error));
	network_of_site(site, v->arena, &v->real);
	if (!capture_survey(NULL, NULL, 0, v->arena, &v->real, d))
		return false;
	trials_plan(site, netns, &v->real, v->arena, &trials);
	error = neighbour_init(&neighbour, v->arena);
	if (error) {
		neighbour_finish(&neighbour);
		add_warning(d, netns, error);
	}
	trials_place(&trials, &neighbour, v->arena, &v->real);
	vec_each (t, &trials.list)
		*vec_push(v->arena, &connections) = &t->connection;
	error = survey_ways(connections.items, connections.n, &v->real, v->arena);
	if (error)
		return diag_failure(d, "this machine's routes cannot be read: %s", strerror(-error));
	v->wanted = v->real;
	v->wanted.surveyed = false;
	trials_run(&trials, &neighbour, v->arena);
	vec_each (p, &trials.list)
		report(v, p);
	return true;
}

const struct node *capture_verify(const struct site *site, const struct state *want, const struct state *live,
	struct arena *a, struct diags *d)
{
	static const struct space nothing;
	struct node *list = arena_new(a, struct node);
	bool ok = true;

	list->type = NODE_LIST;
	vec_each (space, &want->spaces) {
		struct verifying v = { .want = space, .arena = a, .list = list };

		v.live = state_space(live, space->netns);
		if (!v.live)
			v.live = &nothing;
		if (space->rules.present)
			ok &= verify_space(&v, site, d);
	}
	return ok ? list : NULL;
}
