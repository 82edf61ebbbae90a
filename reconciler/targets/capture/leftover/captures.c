#include <ctype.h>
#include <linux/netfilter.h>
#include <string.h>

#include "targets/capture/leftover/old.h"

/*
 * What the rules of a mesh do to connections, in words: the ways from the base chains through its chains to every
 * rule that sends packets elsewhere, with what is asked on the way.
 */

enum { DEPTH_MAX = 16, STEPS_MAX = 100000, CONDITIONS_SHOWN = 4 };

/* One end: "outbound TCP to port 15001", and for which connections. */
struct capture {
	const char *direction, *what, *end;
	bool all; /* one way to it asks for nothing more */
	vec_of(const char *) conditions;
};

struct walking {
	struct arena *arena;
	const struct known_mesh *mesh;
	const struct old_table *table;
	int hook;
	const struct old_rule *way[DEPTH_MAX];
	size_t depth, steps;
	vec_of(struct capture) captures;
	vec_of(const char *) not_of, only_of; /* "uid 1337" */
};

static void add_once(struct walking *w, const char ***items, size_t *n, size_t *cap, const char *text)
{
	for (size_t i = 0; i < *n; i++)
		if (!strcmp((*items)[i], text))
			return;
	if (*n == *cap)
		*items = vec_grow(w->arena, *items, cap, sizeof(**items));
	(*items)[(*n)++] = text;
}

#define ADD_ONCE(w, v, text) add_once(w, &(v)->items, &(v)->n, &(v)->cap, text)

/* ---- the way ---- */

static const struct old_part *asked(const struct walking *w, enum part_field field, bool negated)
{
	for (size_t i = w->depth; i-- > 0;)
		vec_each (p, &w->way[i]->parts)
			if (p->field == field && p->negated == negated)
				return p;
	return NULL;
}

/* What the proxy sends to its own machine goes to its inbound listener: that is no capture of its own. */
static bool is_hairpin(const struct walking *w)
{
	const struct old_part *out = asked(w, PART_OUT, false);

	return w->hook == NF_INET_LOCAL_OUT && out && !strcmp(out->value, "lo");
}

static bool is_dns(const struct walking *w)
{
	const struct old_part *port = asked(w, PART_DPORT, false);

	return port && !strcmp(port->value, "53");
}

static const char *traffic(const struct walking *w)
{
	const struct old_part *protocol = asked(w, PART_PROTOCOL, false);
	char *upper;

	if (is_dns(w))
		return "DNS";
	if (!protocol)
		return "traffic";
	upper = arena_strdup(w->arena, protocol->value);
	for (char *c = upper; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return upper;
}

/* What narrows it down. */
static const char *const conditions[] = {
	[PART_SOURCE] = "from",
	[PART_DEST] = "to",
	[PART_IN] = "over",
	[PART_OUT] = "over",
	[PART_SPORT] = "from port",
	[PART_DPORT] = "port",
	[PART_USER] = "of uid",
	[PART_GROUP] = "of gid",
};

static void add_conditions(const struct walking *w, enum part_field field, struct str *out)
{
	if (!conditions[field] || (field == PART_DPORT && is_dns(w)))
		return;
	for (size_t i = 0; i < w->depth; i++)
		vec_each (p, &w->way[i]->parts)
			if (p->field == field && !p->negated)
				str_printf(out, "%s%s %s", out->n ? " " : "", conditions[field], p->value);
}

static struct capture *capture_of(struct walking *w, const char *direction, const char *what, const char *end)
{
	struct capture *c;

	vec_each (it, &w->captures)
		if (!strcmp(it->direction, direction) && !strcmp(it->what, what) && !strcmp(it->end, end))
			return it;
	c = vec_push(w->arena, &w->captures);
	c->direction = direction;
	c->what = what;
	c->end = end;
	return c;
}

static void add_capture(struct walking *w, const char *end)
{
	struct capture *c;
	struct str all = { .arena = w->arena };

	if (is_hairpin(w))
		return;
	c = capture_of(w, w->hook == NF_INET_LOCAL_OUT ? "outbound" : "inbound", traffic(w), end);
	for (int field = PART_SOURCE; field <= PART_GROUP; field++)
		add_conditions(w, (enum part_field)field, &all);
	if (all.n)
		ADD_ONCE(w, &c->conditions, str_text(&all));
	else
		c->all = true;
}

/* Whom the mesh lets go, or captures alone. */
static void learn_owners(struct walking *w, const struct old_rule *r)
{
	if (w->hook != NF_INET_LOCAL_OUT || r->action != OLD_RETURN)
		return;
	vec_each (p, &r->parts)
		if (p->field != PART_USER && p->field != PART_GROUP && p->field != PART_COMMENT)
			return;
	vec_each (p, &r->parts) {
		const char *who = arena_printf(w->arena, "%s %s", p->field == PART_USER ? "uid" : "gid", p->value);

		if (p->field == PART_COMMENT)
			continue;
		if (p->negated)
			ADD_ONCE(w, &w->only_of, who);
		else
			ADD_ONCE(w, &w->not_of, who);
	}
}

static const struct old_chain *chain_of(const struct old_table *t, const char *name)
{
	vec_each (c, &t->chains)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static void walk_chain(struct walking *w, const struct old_chain *c);

static void walk_rule(struct walking *w, const struct old_rule *r)
{
	const struct old_chain *to;

	if (r->mesh != w->mesh || r->possibly || w->depth == DEPTH_MAX || ++w->steps > STEPS_MAX)
		return;
	w->way[w->depth++] = r;
	learn_owners(w, r);
	if (r->action == OLD_JUMP || r->action == OLD_GOTO) {
		to = chain_of(w->table, r->to);
		if (to)
			walk_chain(w, to);
	} else if (r->action == OLD_REDIRECT) {
		add_capture(w, arena_printf(w->arena, "port %s", r->to));
	} else if (r->action == OLD_TPROXY) {
		add_capture(w, arena_printf(w->arena, "port %s (TPROXY)", r->to));
	} else if (r->action == OLD_DNAT) {
		add_capture(w, r->to);
	}
	w->depth--;
}

static void walk_chain(struct walking *w, const struct old_chain *c)
{
	vec_each (r, &c->rules)
		walk_rule(w, r);
}

/* ---- words ---- */

static void add_list(struct str *out, const char *const *items, size_t n)
{
	size_t shown = n > CONDITIONS_SHOWN ? CONDITIONS_SHOWN - 1 : n;

	for (size_t i = 0; i < shown; i++)
		str_printf(out, "%s%s", i == 0 ? "" : i + 1 == n ? " and " : ", ", items[i]);
	if (shown < n)
		str_printf(out, " and %zu more", n - shown);
}

static void describe(struct str *out, const struct walking *w, const struct capture *c)
{
	str_printf(out, "%s%s %s", out->n ? ", " : "", c->direction, c->what);
	if (!c->all) {
		str_add(out, " (");
		add_list(out, c->conditions.items, c->conditions.n);
		str_add(out, ")");
	}
	if (!strcmp(c->direction, "outbound") && strcmp(c->what, "DNS")) {
		if (w->only_of.n) {
			str_add(out, " of ");
			add_list(out, w->only_of.items, w->only_of.n);
		} else if (w->not_of.n) {
			str_add(out, " of everyone but ");
			add_list(out, w->not_of.items, w->not_of.n);
		}
	}
	str_printf(out, " to %s", c->end);
}

const char *leftover_captures(
	const struct leftovers *l, const struct old_table *only, const struct known_mesh *mesh, struct arena *a)
{
	struct walking w = { .arena = a, .mesh = mesh };
	struct str out = { .arena = a };

	vec_each (t, &l->tables)
		vec_each (c, &t->chains) {
			if ((only && t != only) ||
				(c->hook != NF_INET_PRE_ROUTING && c->hook != NF_INET_LOCAL_OUT))
				continue;
			w.table = t;
			w.hook = c->hook;
			walk_chain(&w, c);
		}
	vec_each (c, &w.captures)
		describe(&out, &w, c);
	return out.n ? str_text(&out) : NULL;
}
