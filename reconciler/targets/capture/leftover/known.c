#include <ctype.h>
#include <linux/netfilter.h>
#include <string.h>

#include "targets/capture/leftover/old.h"

/* ---- what is known ---- */

enum { ISTIO, KUMA, CONSUL, LINKERD, MESHES };

static const struct known_mesh meshes[MESHES] = {
	[ISTIO] = { "istio", NULL },
	[KUMA] = { "kuma", "kuma/mesh/transparent/proxy" },
	[CONSUL] = { "consul", NULL },
	[LINKERD] = { "linkerd", "proxy-init/" },
};

/* Tables of nf_tables that a mesh makes for itself. */
static const struct {
	int mesh;
	const char *prefix;
} own_tables[] = {
	{ ISTIO, "istio-proxy-" },
	{ ISTIO, "istio-ambient-" },
	{ CONSUL, "consul_tproxy" },
};

/* Chains that a mesh makes, by how their names begin. */
static const struct {
	int mesh;
	const char *table; /* how the name of the table begins; NULL: one of iptables' tables that they use */
	const char *prefix;
} chains[] = {
	{ ISTIO, NULL, "ISTIO_" },
	{ ISTIO, "istio-proxy-", "istio-" }, /* elsewhere such a name says little */
	{ ISTIO, "istio-ambient-", "istio-" },
	{ KUMA, NULL, "KUMA_MESH_" },
	{ CONSUL, NULL, "CONSUL_PROXY_" },
	{ CONSUL, NULL, "CONSUL_DNS_REDIRECT" },
	{ CONSUL, NULL, "CONSUL_NAT_" },
	{ LINKERD, NULL, "PROXY_INIT_" },
};

/* The tables of iptables that they use. */
static const char *const iptables[] = { "nat", "mangle", "raw" };

/*
 * Rules that a mesh writes into the base chains besides the jumps to its own chains. They are its own only if its
 * chains are there too, in the same family and kind of table. In a pattern, %a is any address or range, %i any
 * interface, %x any word; %m is a mark, %u a user, %g a group, %d a port for DNS, and %p any port that the rules
 * in its chains have.
 */
static const struct plain {
	int mesh;
	const char *table; /* how its name ends */
	int hook;
	const char *pattern;
	bool possibly; /* others may well have the same */
} plain[] = {
	{ ISTIO, "mangle", NF_INET_PRE_ROUTING,
		"-p tcp -m mark --mark %m -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff",
		false },
	{ ISTIO, "mangle", NF_INET_LOCAL_OUT, "-o lo -p tcp -m mark --mark %m -j RETURN", false },
	{ ISTIO, "mangle", NF_INET_LOCAL_OUT,
		"! -d %a -o lo -p tcp -m owner --uid-owner %x -j MARK --set-xmark 0x53a/0xffffffff", false },
	{ ISTIO, "mangle", NF_INET_LOCAL_OUT,
		"! -d %a -o lo -p tcp -m owner --gid-owner %x -j MARK --set-xmark 0x53a/0xffffffff", false },
	{ ISTIO, "mangle", NF_INET_LOCAL_OUT,
		"-p tcp -m connmark --mark %m -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff",
		false },
	{ ISTIO, "mangle", NF_INET_PRE_ROUTING, "-m conntrack --ctstate INVALID -j DROP", true },
	{ ISTIO, "raw", NF_INET_LOCAL_OUT, "-p udp -m udp --dport 53 -m owner --uid-owner %u -j CT --zone 1",
		false },
	{ ISTIO, "raw", NF_INET_LOCAL_OUT, "-p udp -m udp --sport %d -m owner --uid-owner %u -j CT --zone 2",
		false },
	{ ISTIO, "raw", NF_INET_LOCAL_OUT, "-p udp -m udp --dport 53 -m owner --gid-owner %g -j CT --zone 1",
		false },
	{ ISTIO, "raw", NF_INET_LOCAL_OUT, "-p udp -m udp --sport %d -m owner --gid-owner %g -j CT --zone 2",
		false },
	{ ISTIO, "raw", NF_INET_LOCAL_OUT, "-p udp -m udp --dport 53 -j CT --zone 2", false },
	{ ISTIO, "raw", NF_INET_LOCAL_OUT, "-d %a -p udp -m udp --dport 53 -j CT --zone 2", false },
	{ ISTIO, "raw", NF_INET_PRE_ROUTING, "-p udp -m udp --sport 53 -j CT --zone 1", false },
	{ ISTIO, "raw", NF_INET_PRE_ROUTING, "-s %a -p udp -m udp --sport 53 -j CT --zone 1", false },
	{ ISTIO, "raw", NF_INET_PRE_ROUTING, "-d %a -p udp -m udp --sport 53 -j CT --zone 1", false },
	{ ISTIO, "nat", NF_INET_LOCAL_OUT, "-p udp -m udp --dport 53 -m owner --uid-owner %u -j RETURN", false },
	{ ISTIO, "nat", NF_INET_LOCAL_OUT, "-p udp -m udp --dport 53 -m owner --gid-owner %g -j RETURN", false },
	{ ISTIO, "nat", NF_INET_LOCAL_OUT, "-p udp -m udp --dport 53 -j REDIRECT --to-ports %d", false },
	{ ISTIO, "nat", NF_INET_LOCAL_OUT, "-d %a -p udp -m udp --dport 53 -j REDIRECT --to-ports %d", false },
	{ ISTIO, "nat", NF_INET_PRE_ROUTING, "-i %i -j RETURN", true },
	{ ISTIO, "nat", NF_INET_LOCAL_OUT, "-o %i -j RETURN", true },
	{ ISTIO, "mangle", NF_INET_PRE_ROUTING, "-i %i -j RETURN", true },
	{ ISTIO, "mangle", NF_INET_LOCAL_OUT, "-o %i -j RETURN", true },
	{ KUMA, "raw", NF_INET_LOCAL_OUT, "-p udp -m udp --dport 53 -m owner --uid-owner %u -j CT --zone 1",
		false },
	{ KUMA, "raw", NF_INET_LOCAL_OUT, "-p udp -m udp --sport %d -m owner --uid-owner %u -j CT --zone 2",
		false },
	{ KUMA, "raw", NF_INET_LOCAL_OUT, "-p udp -m udp --dport 53 -j CT --zone 2", false },
	{ KUMA, "raw", NF_INET_LOCAL_OUT, "-d %a -p udp -m udp --dport 53 -j CT --zone 2", false },
	{ KUMA, "raw", NF_INET_PRE_ROUTING, "-p udp -m udp --sport 53 -j CT --zone 1", false },
	{ KUMA, "raw", NF_INET_PRE_ROUTING, "-s %a -p udp -m udp --sport 53 -j CT --zone 1", false },
	{ KUMA, "raw", NF_INET_PRE_ROUTING, "-d %a -p udp -m udp --sport 53 -j CT --zone 1", false },
	{ KUMA, "nat", NF_INET_LOCAL_OUT, "-p udp -m udp --dport 53 -m owner --uid-owner %u -j RETURN", false },
	{ KUMA, "nat", NF_INET_LOCAL_OUT, "-p udp -m udp --dport 53 -m owner --uid-owner %u -j DOCKER_OUTPUT",
		false },
	{ KUMA, "nat", NF_INET_LOCAL_OUT, "-p udp -m udp --dport 53 -j REDIRECT --to-ports %d", false },
	{ KUMA, "nat", NF_INET_LOCAL_OUT, "-d %a -p udp -m udp --dport 53 -j REDIRECT --to-ports %d", false },
	{ KUMA, "nat", NF_INET_LOCAL_OUT, "-p tcp -m multiport --dports %x -m owner --uid-owner %x -j RETURN",
		true },
	{ KUMA, "nat", NF_INET_LOCAL_OUT, "-p udp -m multiport --dports %x -m owner --uid-owner %x -j RETURN",
		true },
	{ KUMA, "nat", NF_INET_PRE_ROUTING, "-i %i -p udp -m udp --dport 53 -j REDIRECT --to-ports %d", false },
	{ KUMA, "nat", NF_INET_PRE_ROUTING, "! -d %a -i %i -p tcp -j REDIRECT --to-ports %p", false },
	{ KUMA, "mangle", NF_INET_PRE_ROUTING, "-m conntrack --ctstate INVALID -j DROP", true },
};

/* Policy rules of TPROXY; whatever a mesh's chains mark is looked for as well. */
static const struct {
	int mesh;
	uint32_t mark, table;
} lookups[] = {
	{ ISTIO, 1337, 133 },
};

const struct known_mesh *known_table(const char *table)
{
	for (size_t i = 0; i < array_len(own_tables); i++)
		if (str_starts(table, own_tables[i].prefix))
			return &meshes[own_tables[i].mesh];
	return NULL;
}

const struct known_mesh *known_chain(uint8_t family, const char *table, const char *chain)
{
	for (size_t i = 0; i < array_len(chains); i++)
		if (str_starts(chain, chains[i].prefix) &&
			(chains[i].table ? str_starts(table, chains[i].table) : known_iptables(family, table)))
			return &meshes[chains[i].mesh];
	return NULL;
}

bool known_iptables(uint8_t family, const char *table)
{
	if (family != NFPROTO_IPV4 && family != NFPROTO_IPV6)
		return false;
	for (size_t i = 0; i < array_len(iptables); i++)
		if (!strcmp(table, iptables[i]))
			return true;
	return false;
}

/* ---- what the chains of a mesh say of it ---- */

struct words {
	vec_of(const char *) list;
};

struct evidence {
	struct arena *arena;
	int mesh;
	bool anywhere; /* in tables of any family and kind */
	uint8_t family;
	bool legacy;
	bool found; /* it has chains there */
	struct words marks, users, groups, ports, dns;
};

static bool has_word(const struct words *words, const char *word, size_t n)
{
	vec_each (w, &words->list)
		if (strlen(*w) == n && !memcmp(*w, word, n))
			return true;
	return false;
}

static void add_word(struct evidence *e, struct words *to, const char *word)
{
	if (word && !has_word(to, word, strlen(word)))
		*vec_push(e->arena, &to->list) = word;
}

static const struct old_part *only_part(const struct old_rule *r)
{
	return r->parts.n == 1 && !r->partly ? &r->parts.items[0] : NULL;
}

static bool asks_for_dns(const struct old_rule *r)
{
	vec_each (p, &r->parts)
		if (p->field == PART_DPORT && !p->negated && !strcmp(p->value, "53"))
			return true;
	return false;
}

static void learn(struct evidence *e, const struct old_rule *r)
{
	const struct old_part *p = only_part(r);

	if (r->action == OLD_RETURN && p && !p->negated) {
		if (p->field == PART_USER)
			add_word(e, &e->users, p->value);
		if (p->field == PART_GROUP)
			add_word(e, &e->groups, p->value);
	}
	if (r->action == OLD_SET_MARK || r->action == OLD_TPROXY)
		add_word(e, &e->marks, r->mark);
	if (r->action == OLD_REDIRECT || r->action == OLD_TPROXY) {
		add_word(e, &e->ports, r->to);
		if (asks_for_dns(r))
			add_word(e, &e->dns, r->to);
	}
}

static void collect(struct evidence *e, const struct leftovers *l)
{
	vec_each (t, &l->tables)
		vec_each (c, &t->chains) {
			bool there = e->anywhere || (t->family == e->family && t->legacy == e->legacy);

			if (!there || c->mesh != &meshes[e->mesh])
				continue;
			e->found = true;
			vec_each (r, &c->rules)
				learn(e, r);
		}
}

/* ---- patterns ---- */

static bool is_address(const char *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isxdigit((unsigned char)word[i]) && !strchr(".:/", word[i]))
			return false;
	return n > 0;
}

static bool is_any(char kind, const char *word, size_t n, const struct evidence *e)
{
	switch (kind) {
	case 'a':
		return is_address(word, n);
	case 'i':
	case 'x':
		return n > 0;
	case 'm':
		return has_word(&e->marks, word, n);
	case 'u':
		return has_word(&e->users, word, n);
	case 'g':
		return has_word(&e->groups, word, n);
	case 'd':
		return has_word(&e->dns, word, n);
	case 'p':
		return has_word(&e->ports, word, n);
	default:
		return false;
	}
}

/* Word by word. */
static bool fits(const char *pattern, const char *shape, const struct evidence *e)
{
	while (*pattern && *shape) {
		size_t n = strcspn(shape, " "), m = strcspn(pattern, " ");
		bool same =
			*pattern == '%' ? is_any(pattern[1], shape, n, e) : n == m && !memcmp(pattern, shape, n);

		if (!same)
			return false;
		pattern += m + (pattern[m] == ' ');
		shape += n + (shape[n] == ' ');
	}
	return !*pattern && !*shape;
}

/* ---- whose is what ---- */

struct recognising {
	struct leftovers *all;
	struct arena *arena;
	struct evidence evidence[MESHES]; /* of the table's family and kind */
};

static const struct old_chain *chain_of(const struct old_table *t, const char *name)
{
	vec_each (c, &t->chains)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static const char *comment_of(const struct old_rule *r)
{
	vec_each (p, &r->parts)
		if (p->field == PART_COMMENT)
			return p->value;
	return NULL;
}

static const struct known_mesh *mesh_of_comment(const char *comment)
{
	for (size_t i = 0; comment && i < MESHES; i++)
		if (meshes[i].comment && str_starts(comment, meshes[i].comment))
			return &meshes[i];
	return NULL;
}

/* If the rules of two meshes look alike and both are there, it is one of them, but not for sure which. */
static void recognise_plain(struct recognising *r, const struct old_table *t, int hook, struct old_rule *rule)
{
	const char *shape = rule->partly ? NULL : old_rule_shape(rule, r->arena);

	for (size_t i = 0; shape && i < array_len(plain); i++) {
		const struct evidence *e = &r->evidence[plain[i].mesh];

		if (!e->found || plain[i].hook != hook || !str_ends(t->name, plain[i].table) ||
			!fits(plain[i].pattern, shape, e))
			continue;
		rule->possibly = plain[i].possibly || (rule->mesh && rule->mesh != &meshes[plain[i].mesh]);
		if (!rule->mesh)
			rule->mesh = &meshes[plain[i].mesh];
	}
	/* In a table that it made for itself, a rule like one of its own is its own. */
	if (rule->mesh && rule->mesh == t->mesh)
		rule->possibly = false;
}

static void recognise_rule(
	struct recognising *r, const struct old_table *t, const struct old_chain *in, struct old_rule *rule)
{
	const struct old_chain *to =
		rule->action == OLD_JUMP || rule->action == OLD_GOTO ? chain_of(t, rule->to) : NULL;

	if (in->mesh)
		rule->mesh = in->mesh;
	else if (to && to->mesh)
		rule->mesh = to->mesh;
	else
		rule->mesh = mesh_of_comment(comment_of(rule));
	if (!rule->mesh && in->hook != NO_HOOK)
		recognise_plain(r, t, in->hook, rule);
}

/* ---- Istio's excluded interfaces ---- */

/* The interface of a rule that does nothing but let go what comes in or goes out there. */
static const char *let_go(const struct old_rule *r)
{
	const struct old_part *p = only_part(r);

	if (r->action != OLD_RETURN || !p || p->negated || (p->field != PART_IN && p->field != PART_OUT))
		return NULL;
	return p->value;
}

static bool is_surely(const struct old_rule *r, const struct known_mesh *mesh)
{
	return r->mesh == mesh && !r->possibly;
}

/* It stands in a row of such rules that begins or ends at a rule of the mesh. */
static bool stands_with_mesh(const struct old_chain *c, size_t at, const struct known_mesh *mesh)
{
	size_t before = at, after = at + 1;

	while (before > 0 && let_go(&c->rules.items[before - 1]) && c->rules.items[before - 1].possibly)
		before--;
	while (after < c->rules.n && let_go(&c->rules.items[after]) && c->rules.items[after].possibly)
		after++;
	return (before > 0 && is_surely(&c->rules.items[before - 1], mesh)) ||
	       (after < c->rules.n && is_surely(&c->rules.items[after], mesh));
}

static struct old_rule *find_let_go(const struct old_chain *c, const char *interface)
{
	vec_each (r, &c->rules)
		if (r->possibly && let_go(r) && !strcmp(let_go(r), interface))
			return r;
	return NULL;
}

static struct old_chain *chain_at(const struct old_table *t, int hook)
{
	vec_each (c, &t->chains)
		if (c->hook == hook && !c->mesh)
			return c;
	return NULL;
}

/* An interface that a rule beside it has just sent to a chain of the mesh. */
static bool ends_virtual_interface(const struct old_chain *c, size_t at, const struct known_mesh *mesh)
{
	const struct old_rule *before = at ? &c->rules.items[at - 1] : NULL;

	if (!before || !is_surely(before, mesh))
		return false;
	vec_each (p, &before->parts)
		if (p->field == PART_IN && !p->negated && !strcmp(p->value, let_go(&c->rules.items[at])))
			return true;
	return false;
}

/*
 * "-i eth0 -j RETURN" alone may be anybody's. Istio writes it for an excluded interface into both chains, in the
 * one that has its jump beside that; and behind what it captures of a virtual interface.
 */
static void pair_interfaces(struct old_chain *in, struct old_chain *out, const struct known_mesh *mesh)
{
	for (size_t i = 0; i < out->rules.n; i++) {
		struct old_rule *r = &out->rules.items[i], *partner;

		if (!r->possibly || !let_go(r) || !stands_with_mesh(out, i, mesh))
			continue;
		partner = find_let_go(in, let_go(r));
		if (partner)
			partner->possibly = r->possibly = false;
	}
}

/* Those far from any rule of the mesh have nothing to do with it. */
static void settle_interfaces(struct old_chain *c, const struct known_mesh *mesh)
{
	for (size_t i = 0; i < c->rules.n; i++) {
		struct old_rule *r = &c->rules.items[i];

		if (!r->possibly || !let_go(r))
			continue;
		if (ends_virtual_interface(c, i, mesh)) {
			r->possibly = false;
		} else if (!stands_with_mesh(c, i, mesh)) {
			r->mesh = NULL;
			r->possibly = false;
		}
	}
}

static void recognise_interfaces(const struct old_table *t)
{
	const struct known_mesh *mesh = &meshes[ISTIO];
	struct old_chain *in = chain_at(t, NF_INET_PRE_ROUTING), *out = chain_at(t, NF_INET_LOCAL_OUT);

	if (in && out)
		pair_interfaces(in, out, mesh);
	if (in)
		settle_interfaces(in, mesh);
	if (out)
		settle_interfaces(out, mesh);
}

/* ---- tables ---- */

/* All of the rules that jump to a chain are found, those of maps are not. */
static void find_kept(struct old_table *t)
{
	vec_each (c, &t->chains) {
		size_t known = c->rules.n;

		if (!c->mesh || t->legacy)
			continue;
		vec_each (from, &t->chains)
			vec_each (r, &from->rules)
				known += (r->action == OLD_JUMP || r->action == OLD_GOTO) &&
					 !strcmp(r->to, c->name);
		c->kept = c->uses > known;
		/* There is nothing more to do about it. */
		if (c->kept && !c->rules.n)
			c->mesh = NULL;
	}
}

static bool is_whole(const struct old_table *t)
{
	if (!t->mesh)
		return false;
	vec_each (c, &t->chains) {
		if (!c->mesh && c->hook == NO_HOOK)
			return false;
		vec_each (r, &c->rules)
			if (!is_surely(r, t->mesh))
				return false;
	}
	return true;
}

static void recognise_table(struct recognising *r, struct old_table *t)
{
	for (int m = 0; m < MESHES; m++) {
		r->evidence[m] = (struct evidence){
			.arena = r->arena, .mesh = m, .family = t->family, .legacy = t->legacy
		};
		collect(&r->evidence[m], r->all);
	}
	vec_each (c, &t->chains)
		vec_each (rule, &c->rules)
			recognise_rule(r, t, c, rule);
	recognise_interfaces(t);
	find_kept(t);
	t->whole = is_whole(t);
}

/* ---- policy rules ---- */

static bool is_default(const struct old_lookup *l, int mesh)
{
	for (size_t i = 0; i < array_len(lookups); i++)
		if (lookups[i].mesh == mesh && lookups[i].mark == l->mark && lookups[i].table == l->table)
			return true;
	return false;
}

static bool marks(const struct leftovers *all, uint32_t mark, int mesh, struct arena *a)
{
	struct evidence e = { .arena = a, .mesh = mesh, .anywhere = true };
	const char *word = old_masked(mark, UINT32_MAX, a);

	collect(&e, all);
	return has_word(&e.marks, word, strlen(word));
}

static void recognise_lookup(struct leftovers *all, struct old_lookup *l, struct arena *a)
{
	for (int m = 0; l->plain && !l->mesh && m < MESHES; m++) {
		l->sure = is_default(l, m);
		if (l->sure || marks(all, l->mark, m, a))
			l->mesh = &meshes[m];
	}
}

void leftover_recognise(struct leftovers *l, struct arena *a)
{
	struct recognising r = { .all = l, .arena = a };

	vec_each (t, &l->tables) {
		t->mesh = t->iptables ? NULL : known_table(t->name);
		vec_each (c, &t->chains)
			c->mesh = known_chain(t->family, t->name, c->name);
	}
	vec_each (t, &l->tables)
		recognise_table(&r, t);
	vec_each (lookup, &l->lookups)
		recognise_lookup(l, lookup, a);
}
