#include <ctype.h>
#include <linux/netfilter.h>
#include <string.h>
#include <sys/socket.h>

#include "targets/capture/leftover/old.h"

/* ---- rules, in the language of iptables-save ---- */

/* In iptables-save's order: what belongs to the packet, then what extensions see, as the rule has them. */
static bool is_basic(enum part_field field)
{
	return field <= PART_PROTOCOL;
}

static const char *option_of(const struct old_part *p)
{
	bool many = p->module && !strcmp(p->module, "multiport");

	switch (p->field) {
	case PART_SOURCE:
		return "-s";
	case PART_DEST:
		return "-d";
	case PART_IN:
		return "-i";
	case PART_OUT:
		return "-o";
	case PART_PROTOCOL:
		return "-p";
	case PART_SPORT:
		return many ? "--sports" : "--sport";
	case PART_DPORT:
		return many ? "--dports" : "--dport";
	case PART_MARK:
	case PART_CT_MARK:
		return "--mark";
	case PART_CT_STATE:
		return !strcmp(p->module, "state") ? "--state" : "--ctstate";
	case PART_USER:
		return "--uid-owner";
	case PART_GROUP:
		return "--gid-owner";
	case PART_COMMENT:
		return "--comment";
	case PART_FAMILY:
	case PART_OTHER:
		break;
	}
	return NULL;
}

/* Two options of one match share its name. */
static void add_part(struct str *out, const struct old_part *p, const char **module)
{
	const char *option = option_of(p);

	if (out->n)
		str_add(out, " ");
	if (!option) {
		str_add(out, p->value);
		return;
	}
	if (p->module && (!*module || strcmp(*module, p->module) || p->field == PART_SPORT))
		str_printf(out, "-m %s ", p->module);
	*module = p->module;
	str_printf(out, "%s%s ", p->negated ? "! " : "", option);
	str_printf(out, p->field == PART_COMMENT ? "\"%s\"" : "%s", p->value);
}

static bool has_field(const struct old_rule *r, enum part_field field)
{
	vec_each (p, &r->parts)
		if (p->field == field)
			return true;
	return false;
}

/* Whether a part need not be shown: an address tells its family. */
static bool is_implied(const struct old_rule *r, const struct old_part *p)
{
	return p->field == PART_FAMILY && (has_field(r, PART_SOURCE) || has_field(r, PART_DEST));
}

static const char *target_of(const struct old_rule *r)
{
	static const char *const names[] = {
		[OLD_ACCEPT] = "ACCEPT",
		[OLD_DROP] = "DROP",
		[OLD_RETURN] = "RETURN",
		[OLD_REDIRECT] = "REDIRECT",
		[OLD_TPROXY] = "TPROXY",
		[OLD_DNAT] = "DNAT",
		[OLD_SET_MARK] = "MARK",
		[OLD_SAVE_MARK] = "CONNMARK",
		[OLD_RESTORE_MARK] = "CONNMARK",
		[OLD_ZONE] = "CT",
	};

	return r->action < array_len(names) && names[r->action] ? names[r->action] : r->to;
}

static const char *as_iptables(const struct old_rule *r, bool with_comment, struct arena *a)
{
	struct str out = { .arena = a };
	const char *module = NULL;

	for (int field = PART_FAMILY; field <= PART_PROTOCOL; field++)
		vec_each (p, &r->parts)
			if (p->field == (enum part_field)field && !is_implied(r, p))
				add_part(&out, p, &module);
	vec_each (p, &r->parts)
		if (!is_basic(p->field) && (with_comment || p->field != PART_COMMENT))
			add_part(&out, p, &module);
	if (r->action != OLD_NONE)
		str_printf(&out, "%s-%c %s", out.n ? " " : "", r->action == OLD_GOTO ? 'g' : 'j', target_of(r));
	if (r->options)
		str_printf(&out, " %s", r->options);
	return str_text(&out);
}

const char *old_rule_shape(const struct old_rule *r, struct arena *a)
{
	return as_iptables(r, false, a);
}

/* ---- rules, in the language of nft ---- */

static const char *lower(const char *text, struct arena *a)
{
	char *copy = arena_strdup(a, text);

	for (char *c = copy; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return copy;
}

static const char *nft_address(const struct old_part *p, const char *side, struct arena *a)
{
	bool six = strchr(p->value, ':');
	const char *whole = six ? "/128" : "/32";
	size_t n = strlen(p->value) - (str_ends(p->value, whole) ? strlen(whole) : 0);

	return arena_printf(
		a, "%s %s %s%.*s", six ? "ip6" : "ip", side, p->negated ? "!= " : "", (int)n, p->value);
}

static const char *nft_ports(const struct old_part *p, const char *side, struct arena *a)
{
	bool many = strchr(p->value, ',');
	struct str list = { .arena = a };

	for (const char *c = p->value; *c; c++)
		str_add(&list, *c == ',' ? ", " : *c == ':' ? "-" : ((char[]){ *c, 0 }));
	return arena_printf(a, "%s %s %s%s%s%s", p->module ? p->module : "th", side, p->negated ? "!= " : "",
		many ? "{ " : "", str_text(&list), many ? " }" : "");
}

static const char *nft_word(const struct old_part *p, const char *name, const char *value, struct arena *a)
{
	return arena_printf(a, "%s %s%s", name, p->negated ? "!= " : "", value);
}

static const char *nft_part(const struct old_part *p, struct arena *a)
{
	switch (p->field) {
	case PART_FAMILY:
		return nft_word(p, "meta nfproto", p->value, a);
	case PART_SOURCE:
		return nft_address(p, "saddr", a);
	case PART_DEST:
		return nft_address(p, "daddr", a);
	case PART_IN:
		return nft_word(p, "iifname", arena_printf(a, "\"%s\"", p->value), a);
	case PART_OUT:
		return nft_word(p, "oifname", arena_printf(a, "\"%s\"", p->value), a);
	case PART_PROTOCOL:
		return nft_word(p, "meta l4proto", p->value, a);
	case PART_SPORT:
		return nft_ports(p, "sport", a);
	case PART_DPORT:
		return nft_ports(p, "dport", a);
	case PART_MARK:
		return nft_word(p, "meta mark", p->value, a);
	case PART_CT_MARK:
		return nft_word(p, "ct mark", p->value, a);
	case PART_CT_STATE:
		return nft_word(p, "ct state", lower(p->value, a), a);
	case PART_USER:
		return nft_word(p, "meta skuid", p->value, a);
	case PART_GROUP:
		return nft_word(p, "meta skgid", p->value, a);
	case PART_COMMENT:
	case PART_OTHER:
		break;
	}
	return p->value;
}

static const char *nft_action(const struct old_rule *r, struct arena *a)
{
	switch (r->action) {
	case OLD_NONE:
		return NULL;
	case OLD_ACCEPT:
		return "accept";
	case OLD_DROP:
		return "drop";
	case OLD_RETURN:
		return "return";
	case OLD_JUMP:
		return arena_printf(a, "jump %s", r->to);
	case OLD_GOTO:
		return arena_printf(a, "goto %s", r->to);
	case OLD_REDIRECT:
		return arena_printf(a, "redirect to :%s", r->to);
	case OLD_TPROXY:
		return arena_printf(
			a, "tproxy to :%s%s%s", r->to, r->mark ? " meta mark set " : "", r->mark ? r->mark : "");
	case OLD_DNAT:
		return arena_printf(a, "dnat to %s", r->to);
	case OLD_SET_MARK:
		return arena_printf(a, "meta mark set %s", r->mark);
	case OLD_SAVE_MARK:
		return "ct mark set meta mark";
	case OLD_RESTORE_MARK:
		return "meta mark set ct mark";
	case OLD_ZONE:
		return arena_printf(a, "ct zone set %s", r->to);
	case OLD_OTHER:
		break;
	}
	return r->to;
}

static const char *as_nft(const struct old_rule *r, struct arena *a)
{
	struct str out = { .arena = a };
	bool ports = has_field(r, PART_SPORT) || has_field(r, PART_DPORT);
	const char *action = nft_action(r, a);

	vec_each (p, &r->parts) {
		if (p->field == PART_COMMENT || is_implied(r, p) || (p->field == PART_PROTOCOL && ports))
			continue;
		str_printf(&out, "%s%s", out.n ? " " : "", nft_part(p, a));
	}
	if (action)
		str_printf(&out, "%s%s", out.n ? " " : "", action);
	vec_each (p, &r->parts)
		if (p->field == PART_COMMENT)
			str_printf(&out, " comment \"%s\"", p->value);
	return str_text(&out);
}

const char *old_rule_text(const struct old_table *t, const struct old_rule *r, struct arena *a)
{
	return t->iptables ? as_iptables(r, true, a) : as_nft(r, a);
}

/* ---- what a mesh has in a table ---- */

static const char *family_name(uint8_t family)
{
	return family == NFPROTO_IPV4 ? "ip" : family == NFPROTO_IPV6 ? "ip6" : "inet";
}

const char *old_table_name(const struct old_table *t, struct arena *a)
{
	return arena_printf(a, "%s%s %s", t->legacy ? "legacy " : "", family_name(t->family), t->name);
}

const char *old_lookup_text(const struct old_lookup *l, struct arena *a)
{
	return arena_printf(a, "%u: from all fwmark 0x%x lookup %u", l->priority, l->mark, l->table);
}

static bool is_of(const struct old_rule *r, const struct known_mesh *mesh)
{
	return r->mesh == mesh && !r->possibly;
}

static bool has_rule_of(const struct old_chain *c, const struct known_mesh *mesh)
{
	vec_each (r, &c->rules)
		if (is_of(r, mesh))
			return true;
	return false;
}

static void add_iptables_rules(struct str *out, const struct old_table *t, const struct known_mesh *mesh)
{
	vec_each (c, &t->chains)
		if (c->mesh == mesh && !c->kept)
			str_printf(out, "%s-N %s", out->n ? "\n" : "", c->name);
	vec_each (c, &t->chains)
		vec_each (r, &c->rules)
			if (is_of(r, mesh))
				str_printf(out, "%s-A %s %s", out->n ? "\n" : "", c->name,
					as_iptables(r, true, out->arena));
}

static void add_nft_rules(struct str *out, const struct old_table *t, const struct known_mesh *mesh)
{
	if (t->whole)
		str_printf(out, "table %s", old_table_name(t, out->arena));
	vec_each (c, &t->chains) {
		if (c->mesh != mesh && !has_rule_of(c, mesh))
			continue;
		str_printf(out, "%schain %s {", out->n ? "\n" : "", c->name);
		vec_each (r, &c->rules)
			if (is_of(r, mesh))
				str_printf(out, "\n\t%s", as_nft(r, out->arena));
		str_add(out, "\n}");
	}
}

const char *leftover_rules(const struct old_table *t, const struct known_mesh *mesh, struct arena *a)
{
	struct str out = { .arena = a };

	(t->iptables ? add_iptables_rules : add_nft_rules)(&out, t, mesh);
	return str_text(&out);
}

/* ---- where ---- */

static const char *number(size_t n, const char *what, struct arena *a)
{
	return arena_printf(a, "%zu %s%s", n, what, n == 1 ? "" : "s");
}

static void add_table(struct str *out, const struct old_table *t, const struct known_mesh *mesh)
{
	size_t chains = 0, rules = 0;

	vec_each (c, &t->chains) {
		chains += c->mesh == mesh;
		vec_each (r, &c->rules)
			rules += is_of(r, mesh);
	}
	if (chains || rules)
		str_printf(out, "%s%s (%s, %s)", out->n ? ", " : "", old_table_name(t, out->arena),
			number(chains, "chain", out->arena), number(rules, "rule", out->arena));
}

static void add_lookups(struct str *out, const struct leftovers *l, const struct known_mesh *mesh)
{
	const struct old_lookup *first = NULL;
	size_t n = 0;

	vec_each (it, &l->lookups)
		if (it->mesh == mesh) {
			first = first ? first : it;
			n++;
		}
	if (n)
		str_printf(out, "%s%s (fwmark 0x%x lookup %u%s)", out->n ? ", " : "",
			number(n, "policy rule", out->arena), first->mark, first->table, n > 1 ? " …" : "");
}

const char *leftover_where(const struct leftovers *l, const struct known_mesh *mesh, struct arena *a)
{
	struct str out = { .arena = a };

	vec_each (t, &l->tables)
		add_table(&out, t, mesh);
	add_lookups(&out, l, mesh);
	return out.n ? str_text(&out) : NULL;
}
