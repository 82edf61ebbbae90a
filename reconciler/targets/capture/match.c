#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "targets/capture/evaluate.h"

/* The rule that is carried out. */
struct matching {
	struct evaluating *e;
	struct step *step;
	struct str effect;
	enum ruling ruling;
	const char *chain;
};

/* Always false: what the rule looks at is not there, or is not what it wants. */
static bool fail(struct matching *m, const char *format, ...) printf_like(2, 3);

static bool fail(struct matching *m, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	m->step->why = arena_vprintf(m->e->arena, format, args);
	va_end(args);
	return false;
}

static bool unknown(struct matching *m, const char *why)
{
	m->ruling = RULING_UNKNOWN;
	return fail(m, "%s", why);
}

static void say(struct matching *m, const char *format, ...) printf_like(2, 3);

static void say(struct matching *m, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	str_printf(&m->effect, "%s%s", m->effect.n ? ", " : "", arena_vprintf(m->e->arena, format, args));
	va_end(args);
}

/* ---- what a field has ---- */

/* A value that is there, but not known: it equals nothing that a rule names. */
static struct value value_unknown(void)
{
	return (struct value){ .shown = "unknown", .missing = true };
}

static bool load_identity(struct matching *m, const struct identity *id, struct value *out)
{
	if (!m->e->packet.owned)
		return fail(m, "it does not come straight from a process's socket");
	if (id->known) {
		*out = value_number(id->number);
	} else if (id->name) {
		*out = (struct value){ .shown = id->name, .missing = true };
	} else {
		*out = value_unknown();
		evaluate_assume(m->e, id == &m->e->connection->user ? "no rule names the user of the socket"
								    : "no rule names the group of the socket");
	}
	return true;
}

static bool load_interface(struct matching *m, const char *name, struct value *out)
{
	if (!name)
		return fail(m, "it has none yet");
	*out = strcmp(name, "?") ? value_interface(name) : value_unknown();
	return true;
}

static bool load_cgroup(struct matching *m, uint32_t level, struct value *out)
{
	const struct facts *groups = m->e->connection->cgroup;
	const struct fact_cgroup *group;

	if (!m->e->packet.owned)
		return fail(m, "it does not come straight from a socket");
	*out = value_unknown();
	if (!groups) {
		evaluate_assume(m->e, "no rule names the cgroup of the socket");
		return true;
	}
	if (!level || level > groups->cgroups.n)
		return fail(m, "the cgroup of the socket is above level %" PRIu32, level);
	group = &groups->cgroups.items[level - 1];
	*out = (struct value){ .shown = group->path + strspn(group->path, "/"), .missing = !group->found };
	memcpy(out->data, &group->id, sizeof(group->id));
	return true;
}

static uint32_t address_type(const struct evaluating *e)
{
	const struct endpoint *to = &e->packet.dest;

	if (network_is_local(e->network, to))
		return RTN_LOCAL;
	if (to->family == AF_INET ? to->address[0] >> 4 == 14 : to->address[0] == 0xff)
		return RTN_MULTICAST;
	return RTN_UNICAST;
}

/* nft reads a header only once the packet is known to have it, and so does the typed form. */
static bool load_header(struct matching *m, enum field field, struct value *out)
{
	const struct packet *p = &m->e->packet;
	const struct field_info *info = field_info(field);
	const struct endpoint *end = field == FIELD_IP_SOURCE || field == FIELD_IP6_SOURCE ? &p->source : &p->dest;

	if (info->nfproto && (info->nfproto == NFPROTO_IPV4) != (p->dest.family == AF_INET))
		return fail(m, "it is %s", p->dest.family == AF_INET ? "IPv4" : "IPv6");
	if (info->l4proto && info->l4proto != p->protocol)
		return fail(m, "it is %s", p->protocol == IPPROTO_TCP ? "TCP" : "UDP");
	if (info->loader == LOAD_NETWORK_HEADER)
		*out = value_address(end->family, end->address);
	else
		*out = value_port(field == FIELD_UDP_SOURCE_PORT ? p->source.port : p->dest.port);
	return true;
}

static bool load(struct matching *m, const struct statement *s, struct value *out)
{
	struct evaluating *e = m->e;
	const struct packet *p = &e->packet;

	switch (s->field) {
	case FIELD_NFPROTO:
		*out = value_byte(p->dest.family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
		return true;
	case FIELD_L4PROTO:
		*out = value_byte(p->protocol);
		return true;
	case FIELD_MARK:
		*out = value_number(p->mark);
		return true;
	case FIELD_USER:
		return load_identity(m, &e->connection->user, out);
	case FIELD_GROUP:
		return load_identity(m, &e->connection->group, out);
	case FIELD_IN_INTERFACE:
		return load_interface(m, p->in, out);
	case FIELD_OUT_INTERFACE:
		return load_interface(m, p->out, out);
	case FIELD_IP_SOURCE:
	case FIELD_IP_DEST:
	case FIELD_IP6_SOURCE:
	case FIELD_IP6_DEST:
	case FIELD_TCP_DEST_PORT:
	case FIELD_UDP_DEST_PORT:
	case FIELD_UDP_SOURCE_PORT:
		return load_header(m, s->field, out);
	case FIELD_DEST_TYPE:
		*out = value_number(address_type(e));
		return true;
	case FIELD_CT_STATE:
		*out = value_number(p->tracked ? NF_CT_STATE_BIT(IP_CT_NEW) : NF_CT_STATE_INVALID_BIT);
		return true;
	case FIELD_CT_MARK:
		*out = value_number(e->out->connection_mark);
		return p->tracked || fail(m, "connection tracking has not seen it yet");
	case FIELD_TRANSPARENT:
		return fail(m, "it belongs to no connection yet");
	case FIELD_CGROUP:
		return load_cgroup(m, s->level, out);
	case FIELD_COUNT:
		break;
	}
	return unknown(m, "it looks at something that trace does not know");
}

/* ---- comparing ---- */

/* Where this machine lacks a name, names are compared. */
static bool same_value(enum type type, const struct value *rule, const struct value *packet)
{
	if (rule->missing || packet->missing)
		return rule->shown && packet->shown && !strcmp(rule->shown, packet->shown);
	return !memcmp(rule->data, packet->data, type_info(type)->size);
}

static const struct element *find_element(const struct set *s, const struct value *v)
{
	vec_each (e, &s->elements) {
		if (s->interval ? !v->missing && value_compare(s->key, &e->key, v) <= 0 &&
					  value_compare(s->key, v, &e->end) <= 0
				: same_value(s->key, &e->key, v))
			return e;
	}
	return NULL;
}

static const char *field_text(const struct matching *m, const struct statement *s)
{
	const char *name = field_info(s->field)->name;

	return s->field == FIELD_CGROUP ? arena_printf(m->e->arena, "%s level %" PRIu32, name, s->level) : name;
}

/* Which interface it is may not be known; that it is not lo is. */
static void assume_interface(struct matching *m, const struct statement *s, const struct value *v)
{
	struct value lo = value_interface("lo");

	if (field_info(s->field)->type != TYPE_INTERFACE || !v->missing ||
		(s->kind == MATCH_VALUE && same_value(TYPE_INTERFACE, &s->value, &lo)))
		return;
	evaluate_assume(m->e, "no rule names the interface (--interface says which it is)");
}

static bool match_value(struct matching *m, const struct statement *s)
{
	enum type type = field_info(s->field)->type;
	struct value v;

	if (!load(m, s, &v))
		return false;
	assume_interface(m, s, &v);
	if (same_value(type, &s->value, &v) != s->negated)
		return true;
	return fail(m, "%s is %s", field_text(m, s), print_value(type, &v, m->e->arena));
}

static bool match_flags(struct matching *m, const struct statement *s)
{
	enum type type = field_info(s->field)->type;
	struct value v;

	if (!load(m, s, &v))
		return false;
	for (uint32_t i = 0; !v.missing && i < type_info(type)->size; i++)
		if (v.data[i] & s->value.data[i])
			return true;
	return fail(m, "%s is %s", field_text(m, s), print_value(type, &v, m->e->arena));
}

/* Looks a field up in the statement's set. False: the field is not there, or the set is not known. */
static bool look_up(struct matching *m, const struct statement *s, const struct element **found)
{
	const struct set *set = ruleset_set(&m->e->space->rules, s->set);
	struct arena *a = m->e->arena;
	struct look_up *l;
	struct value v;

	if (!load(m, s, &v))
		return false;
	if (!set || set->foreign || set->key != field_info(s->field)->type)
		return unknown(m, arena_printf(a, "set %s has no form that trace knows", s->set));
	assume_interface(m, s, &v);
	*found = find_element(set, &v);
	l = vec_push(a, &m->step->look_ups);
	l->set = s->set;
	l->key = print_value(set->key, &v, a);
	l->element = *found ? print_element(set, *found, a) : NULL;
	return true;
}

static bool not_as_wanted(struct matching *m, const struct statement *s, bool found)
{
	const struct look_up *l = &m->step->look_ups.items[m->step->look_ups.n - 1];

	return fail(m, "%s %s is %sin @%s", field_text(m, s), l->key, found ? "" : "not ", s->set);
}

static bool match_set(struct matching *m, const struct statement *s)
{
	const struct element *found;

	if (!look_up(m, s, &found))
		return false;
	return !found == s->negated || not_as_wanted(m, s, found != NULL);
}

/* What a map has for a field; NULL: nothing. */
static const struct element *map(struct matching *m, const struct statement *s)
{
	const struct element *found = NULL;

	if (look_up(m, s, &found) && !found)
		not_as_wanted(m, s, false);
	return found;
}

/* ---- statements: each is true if the rule goes on behind it, or ends with a ruling ---- */

static bool give_verdict(struct matching *m, enum verdict verdict, const char *chain)
{
	static const struct {
		enum ruling ruling;
		const char *word;
	} rulings[] = {
		[VERDICT_ACCEPT] = { RULING_ACCEPT, "accept" },
		[VERDICT_DROP] = { RULING_DROP, "drop" },
		[VERDICT_RETURN] = { RULING_RETURN, "return" },
		[VERDICT_JUMP] = { RULING_JUMP, "jump" },
		[VERDICT_GOTO] = { RULING_GOTO, "goto" },
	};

	m->ruling = rulings[verdict].ruling;
	m->chain = chain;
	say(m, chain ? "%s %s" : "%s", rulings[verdict].word, chain);
	return true;
}

/* In output to the loopback address; else to the interface's first address, which is as good as the packet's own.
 */
static bool redirect(struct matching *m, uint16_t port)
{
	static const struct endpoint loopback[] = { { AF_INET, { 127, 0, 0, 1 }, 0 },
		{ AF_INET6, { [15] = 1 }, 0 } };
	struct packet *p = &m->e->packet;

	if (m->step->hook == NF_INET_LOCAL_OUT)
		p->dest = loopback[p->dest.family == AF_INET6];
	p->dest.port = port;
	p->translated = m->e->out->redirected = true;
	m->ruling = RULING_ACCEPT;
	say(m, "redirect to %s", endpoint_text(&p->dest, m->e->arena));
	return true;
}

/* Where no socket with IP_TRANSPARENT waits, the rule does not match. */
static bool tproxy(struct matching *m, uint16_t port)
{
	struct endpoint at = m->e->packet.dest;

	at.port = port;
	if (!network_waits(m->e->network, m->e->packet.protocol, &at, true))
		return fail(m, "no transparent socket waits on port %u", port);
	m->e->out->tproxy = port;
	say(m, "the socket on port %u takes it", port);
	return true;
}

static uint16_t port_of(const struct value *v)
{
	return (uint16_t)(v->data[0] << 8 | v->data[1]);
}

static bool to_mapped(struct matching *m, const struct statement *s, bool (*to)(struct matching *m, uint16_t port))
{
	const struct element *found = map(m, s);

	return found && to(m, port_of(&found->data));
}

static bool set_mark(struct matching *m, uint32_t mark)
{
	m->e->packet.mark = mark;
	say(m, "mark 0x%" PRIx32, mark);
	return true;
}

/* Tracking that has not seen the packet is not told. */
static bool save_mark(struct matching *m)
{
	if (!m->e->packet.tracked)
		return true;
	m->e->out->connection_mark = m->e->packet.mark;
	say(m, "connection mark 0x%" PRIx32, m->e->packet.mark);
	return true;
}

static bool restore_mark(struct matching *m)
{
	if (!m->e->packet.tracked)
		return fail(m, "connection tracking has not seen it yet");
	return set_mark(m, m->e->out->connection_mark);
}

/* Only before tracking has seen the packet, and the first time. */
static bool set_zone(struct matching *m, uint32_t zone)
{
	if (m->e->packet.tracked || m->e->out->zone)
		return true;
	m->e->out->zone = zone;
	say(m, "zone %" PRIu32, zone);
	return true;
}

static bool refuse(struct matching *m, bool reset)
{
	bool possible = !reset || m->e->packet.protocol == IPPROTO_TCP;

	m->ruling = possible ? RULING_REFUSE : RULING_DROP;
	say(m, "%s", !possible ? "drop" : reset ? "refuse with a reset" : "refuse as unreachable");
	return true;
}

static bool run(struct matching *m, const struct statement *s)
{
	const struct element *found;

	switch (s->kind) {
	case MATCH_VALUE:
		return match_value(m, s);
	case MATCH_FLAGS:
		return match_flags(m, s);
	case MATCH_SET:
		return match_set(m, s);
	case STATEMENT_COUNTER:
		return true;
	case STATEMENT_VERDICT:
		return give_verdict(m, s->verdict, s->chain);
	case STATEMENT_VERDICT_MAP:
		found = map(m, s);
		return found && give_verdict(m, found->verdict, found->chain);
	case STATEMENT_REDIRECT:
		return redirect(m, port_of(&s->value));
	case STATEMENT_REDIRECT_MAP:
		return to_mapped(m, s, redirect);
	case STATEMENT_TPROXY:
		return tproxy(m, port_of(&s->value));
	case STATEMENT_TPROXY_MAP:
		return to_mapped(m, s, tproxy);
	case STATEMENT_SET_MARK:
		return set_mark(m, value_as_number(&s->value));
	case STATEMENT_SAVE_MARK:
		return save_mark(m);
	case STATEMENT_RESTORE_MARK:
		return restore_mark(m);
	case STATEMENT_SET_ZONE:
		return set_zone(m, value_as_number(&s->value));
	case STATEMENT_REJECT:
		return refuse(m, false);
	case STATEMENT_RESET:
		return refuse(m, true);
	}
	return unknown(m, "it does something that trace does not know");
}

/*
 * What a rule has done before a comparison fails stays done. Of a rule that has a part without a typed form, what
 * stands before it counts: if that fails, the rule does not match, whatever the part is.
 */
enum ruling match_rule(struct evaluating *e, const struct rule *r, struct step *step, const char **chain)
{
	struct matching m = { .e = e, .step = step, .effect = { .arena = e->arena } };
	size_t known = r->foreign ? r->known : r->statements.n;
	bool matched = true;

	for (size_t i = 0; i < known && matched && m.ruling == RULING_CONTINUE; i++)
		matched = run(&m, &r->statements.items[i]);
	if (matched && r->foreign && m.ruling == RULING_CONTINUE)
		matched = unknown(&m, "it has no form that trace knows");
	step->matched = matched;
	if (m.effect.n)
		step->effect = str_text(&m.effect);
	*chain = m.chain;
	return m.ruling;
}
