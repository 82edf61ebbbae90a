#include "cli/connection.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pass/facts.h"

/* Whose connection it is, while --from is read. */
struct owner {
	struct connection *connection;
	struct facts *facts;
	const char *user, *group; /* as they were given */
	const char *cgroup;
	bool has_owner;
};

static bool read_number(const char *text, unsigned long max, uint32_t *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 0);

	if (text[0] < '0' || text[0] > '9' || *end || n > max)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool wrong(struct session *s, const char *option, const char *value, const char *right)
{
	return diag_failure(s->diags, "option '--%s': '%s' is not %s", option, value, right);
}

/* ---- accounts ---- */

static void ask_account(struct owner *o, const char *name, bool group, struct arena *a)
{
	uint32_t number;

	if (!read_number(name, UINT32_MAX, &number))
		*vec_push(a, &o->facts->accounts) = (struct fact_account){ .name = name, .group = group };
	else if (!group)
		*vec_push(a, &o->facts->users) = (struct fact_user){ .number = number };
}

static struct identity identity(const struct owner *o, const char *name, bool group)
{
	struct identity id = { .name = name };
	const struct fact_account *fact = facts_account(o->facts, name, group);

	id.known = read_number(name, UINT32_MAX, &id.number);
	if (fact && fact->found) {
		id.known = true;
		id.number = fact->number;
	}
	return id;
}

/* A user's own group; where this machine does not know the user, the group of the same name or number. */
static struct identity own_group(const struct owner *o)
{
	const struct fact_account *named = facts_account(o->facts, o->user, false);
	const struct fact_user *numbered = facts_user(o->facts, o->connection->user.number);
	struct identity id = o->connection->user;

	if (named && named->found)
		id = (struct identity){ .known = true, .number = named->primary_group };
	else if (!named && numbered && numbered->found)
		id = (struct identity){ .known = true, .number = numbered->primary_group };
	return id;
}

/* Itself and all above it: rules ask for any level. */
static void ask_cgroup(struct owner *o, struct arena *a)
{
	const char *path = o->cgroup;

	for (size_t i = 1; path[i - 1]; i++)
		if ((!path[i] || path[i] == '/') && path[i - 1] != '/')
			*vec_push(a, &o->facts->cgroups) =
				(struct fact_cgroup){ .path = arena_strndup(a, path, i) };
}

/* Rules that have the name, not a number, are all that can match. */
static void warn_unknown(struct session *s, const struct identity *id, const char *what)
{
	if (id->name && !id->known)
		diag_warning(s->diags, (struct pos){ 0 }, "this machine has no %s '%s'", what, id->name);
}

static enum code look_up(struct session *s, struct owner *o)
{
	struct connection *c = o->connection;

	if (o->user)
		ask_account(o, o->user, false, s->arena);
	if (o->group)
		ask_account(o, o->group, true, s->arena);
	if (o->cgroup)
		ask_cgroup(o, s->arena);
	if (!facts_look_up(o->facts, s->arena, s->diags))
		return CODE_ERROR;
	if (o->user)
		c->user = identity(o, o->user, false);
	if (o->group)
		c->group = identity(o, o->group, true);
	else if (o->user)
		c->group = own_group(o);
	if (o->cgroup)
		c->cgroup = o->facts;
	if (o->user)
		warn_unknown(s, &c->user, "user");
	if (o->group)
		warn_unknown(s, &c->group, "group");
	return CODE_OK;
}

/* ---- words ---- */

static const char *without(const char *word, const char *prefix)
{
	return str_starts(word, prefix) && word[strlen(prefix)] ? word + strlen(prefix) : NULL;
}

static bool read_from(struct session *s, const char *word, struct owner *o)
{
	const char *user = without(word, "uid:"), *group = without(word, "gid:"),
		   *cgroup = without(word, "cgroup:"), *mark = without(word, "mark:");

	user = user ? user : without(word, "user:");
	group = group ? group : without(word, "group:");
	o->has_owner |= user || group || cgroup || mark;
	if (user)
		o->user = user;
	else if (group)
		o->group = group;
	else if (cgroup && cgroup[0] == '/')
		o->cgroup = cgroup;
	else if (!(mark && read_number(mark, UINT32_MAX, &o->connection->mark)) &&
		 !endpoint_read(word, &o->connection->source))
		return wrong(s, "from", word,
			"uid:USER, gid:GROUP, cgroup:/PATH, mark:NUMBER or an address, such as uid:1001 or "
			"10.0.0.7");
	return true;
}

static bool read_to(struct session *s, const char *word, const struct connection *from, struct connections *out)
{
	struct connection *c = vec_push(s->arena, &out->list);

	*c = *from;
	if (!endpoint_read(word, &c->dest) || !c->dest.port)
		return wrong(s, "to", word, "ADDRESS:PORT, such as 10.0.0.7:443 or [fd00::7]:443");
	if (c->source.family && c->source.family != c->dest.family)
		return diag_failure(
			s->diags, "option '--to': '%s' and the address of --from are of two families", word);
	return true;
}

enum code connections_read(struct session *s, struct connections *out)
{
	struct connection from = { .protocol = s->args.protocol ? IPPROTO_UDP : IPPROTO_TCP };
	struct owner owner = { .connection = &from, .facts = arena_new(s->arena, struct facts) };
	bool ok = true;
	enum code code;

	if (!s->args.from.list.n || !s->args.to.list.n) {
		diag_failure(s->diags, "give --from and --to: who connects, and where to");
		return CODE_USAGE;
	}
	vec_each (word, &s->args.from.list)
		ok &= read_from(s, *word, &owner);
	if (!ok)
		return CODE_USAGE;
	from.inbound = !owner.has_owner;
	from.interface = s->args.interface;
	code = look_up(s, &owner);
	if (code != CODE_OK)
		return code;
	vec_each (word, &s->args.to.list)
		ok &= read_to(s, *word, &from, out);
	return ok ? CODE_OK : CODE_USAGE;
}

enum code connections_network(struct session *s, struct network *out)
{
	bool ok = true;

	vec_each (word, &s->args.addresses.list) {
		struct endpoint e;

		if (endpoint_read(*word, &e) && !e.port)
			*vec_push(s->arena, &out->addresses) = e;
		else
			ok = wrong(s, "address", *word, "an address");
	}
	vec_each (word, &s->args.closed.list) {
		uint32_t port;

		if (read_number(*word, UINT16_MAX, &port) && port)
			*vec_push(s->arena, &out->closed) = (uint16_t)port;
		else
			ok = wrong(s, "closed", *word, "a port");
	}
	return ok ? CODE_OK : CODE_USAGE;
}
