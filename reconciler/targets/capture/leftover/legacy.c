#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libiptc/libiptc.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "targets/capture/leftover/old.h"

/*
 * The tables of iptables-legacy, through libiptc. They are looked at only if the kernel says that they exist in
 * this network namespace: to open one that does not would make it, and load modules. The library is opened only
 * then.
 */

enum { LOCK_WAIT_MS = 5000, LOCK_NAP_MS = 20, NAMES_MAX = 4096 };

/* All changes of all legacy tables are made under this lock (iptables(8), --wait). */
#define LOCK_FILE "/run/xtables.lock"

/* libip4tc and libip6tc have the same functions, but for the type of a rule. */
struct library {
	struct xtc_handle *(*init)(const char *table);
	void (*free)(struct xtc_handle *handle);
	int (*is_chain)(const char *chain, struct xtc_handle *handle);
	const char *(*first_chain)(struct xtc_handle *handle);
	const char *(*next_chain)(struct xtc_handle *handle);
	const void *(*first_rule)(const char *chain, struct xtc_handle *handle);
	const void *(*next_rule)(const void *previous, struct xtc_handle *handle);
	const char *(*get_target)(const void *rule, struct xtc_handle *handle);
	int (*flush_entries)(const char *chain, struct xtc_handle *handle);
	int (*delete_num_entry)(const char *chain, unsigned at, struct xtc_handle *handle);
	int (*delete_chain)(const char *chain, struct xtc_handle *handle);
	int (*commit)(struct xtc_handle *handle);
	const char *(*strerror)(int error);
	uint8_t family;
	bool loaded;
};

static const struct {
	const char *name;
	size_t at; /* of the pointer in the library */
} functions[] = {
	{ "init", offsetof(struct library, init) },
	{ "free", offsetof(struct library, free) },
	{ "is_chain", offsetof(struct library, is_chain) },
	{ "first_chain", offsetof(struct library, first_chain) },
	{ "next_chain", offsetof(struct library, next_chain) },
	{ "first_rule", offsetof(struct library, first_rule) },
	{ "next_rule", offsetof(struct library, next_rule) },
	{ "get_target", offsetof(struct library, get_target) },
	{ "flush_entries", offsetof(struct library, flush_entries) },
	{ "delete_num_entry", offsetof(struct library, delete_num_entry) },
	{ "delete_chain", offsetof(struct library, delete_chain) },
	{ "commit", offsetof(struct library, commit) },
	{ "strerror", offsetof(struct library, strerror) },
};

/* Of IPv4 and IPv6. */
static const struct {
	uint8_t family;
	const char *file, *prefix, *list; /* of the tables that exist in this namespace, one a line */
} kinds[] = {
	{ NFPROTO_IPV4, "libip4tc.so.2", "iptc_", "/proc/thread-self/net/ip_tables_names" },
	{ NFPROTO_IPV6, "libip6tc.so.2", "ip6tc_", "/proc/thread-self/net/ip6_tables_names" },
};

/* ---- the library ---- */

/* It stays open for the life of the program. */
static const struct library *load(size_t kind, struct arena *a)
{
	static struct library libraries[array_len(kinds)];
	struct library *l = &libraries[kind], new = { .family = kinds[kind].family };
	void *handle = l->loaded ? NULL : dlopen(kinds[kind].file, RTLD_NOW | RTLD_LOCAL);

	if (l->loaded)
		return l;
	for (size_t i = 0; handle && i < array_len(functions); i++) {
		void *symbol = dlsym(handle, arena_printf(a, "%s%s", kinds[kind].prefix, functions[i].name));

		if (!symbol) {
			dlclose(handle);
			return NULL;
		}
		memcpy((char *)&new + functions[i].at, &symbol, sizeof(symbol));
	}
	if (!handle)
		return NULL;
	new.loaded = true;
	*l = new;
	return l;
}

/* ---- a rule ---- */

struct reading {
	const struct library *library;
	struct xtc_handle *handle;
	struct old_rule *rule;
	struct arena *arena;
};

static bool is_zero(const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

static void add(struct reading *r, enum part_field field, bool negated, const char *value)
{
	old_add_part(r->rule, field, negated, NULL, value, r->arena);
}

/* The mask of a whole name covers its end, too. */
static void read_interface(
	struct reading *r, enum part_field field, const char *name, const unsigned char *mask, bool negated)
{
	size_t n = strnlen(name, IFNAMSIZ);

	if (n)
		add(r, field, negated,
			arena_printf(r->arena, "%.*s%s", (int)n, name, n < IFNAMSIZ && !mask[n] ? "+" : ""));
}

static void read_ipv4(struct reading *r, const struct ipt_ip *ip)
{
	if (!is_zero(&ip->smsk, sizeof(ip->smsk)))
		add(r, PART_SOURCE, ip->invflags & IPT_INV_SRCIP,
			old_address(AF_INET, &ip->src, &ip->smsk, r->arena));
	if (!is_zero(&ip->dmsk, sizeof(ip->dmsk)))
		add(r, PART_DEST, ip->invflags & IPT_INV_DSTIP,
			old_address(AF_INET, &ip->dst, &ip->dmsk, r->arena));
	read_interface(r, PART_IN, ip->iniface, ip->iniface_mask, ip->invflags & IPT_INV_VIA_IN);
	read_interface(r, PART_OUT, ip->outiface, ip->outiface_mask, ip->invflags & IPT_INV_VIA_OUT);
	if (ip->proto)
		add(r, PART_PROTOCOL, ip->invflags & IPT_INV_PROTO, old_protocol((uint8_t)ip->proto, r->arena));
	r->rule->partly |= ip->flags & IPT_F_FRAG;
}

static void read_ipv6(struct reading *r, const struct ip6t_ip6 *ip)
{
	if (!is_zero(&ip->smsk, sizeof(ip->smsk)))
		add(r, PART_SOURCE, ip->invflags & IP6T_INV_SRCIP,
			old_address(AF_INET6, &ip->src, &ip->smsk, r->arena));
	if (!is_zero(&ip->dmsk, sizeof(ip->dmsk)))
		add(r, PART_DEST, ip->invflags & IP6T_INV_DSTIP,
			old_address(AF_INET6, &ip->dst, &ip->dmsk, r->arena));
	read_interface(r, PART_IN, ip->iniface, ip->iniface_mask, ip->invflags & IP6T_INV_VIA_IN);
	read_interface(r, PART_OUT, ip->outiface, ip->outiface_mask, ip->invflags & IP6T_INV_VIA_OUT);
	if (ip->proto)
		add(r, PART_PROTOCOL, ip->invflags & IP6T_INV_PROTO, old_protocol((uint8_t)ip->proto, r->arena));
	r->rule->partly |= ip->flags & IP6T_F_TOS;
}

/* The extensions lie one behind the other between two offsets of the rule. */
static void read_matches(struct reading *r, const void *rule, size_t from, size_t to)
{
	const unsigned char *bytes = rule;

	while (from + sizeof(struct xt_entry_match) <= to) {
		struct xt_entry_match match;
		struct old_extension e;

		memcpy(&match, bytes + from, sizeof(match));
		if (match.u.match_size < sizeof(match) || from + match.u.match_size > to) {
			r->rule->partly = true;
			return;
		}
		e = (struct old_extension){ arena_strndup(r->arena, match.u.user.name,
						    strnlen(match.u.user.name, sizeof(match.u.user.name))),
			match.u.user.revision, bytes + from + sizeof(match), match.u.match_size - sizeof(match) };
		old_read_match(r->rule, &e, r->arena);
		from += match.u.match_size;
	}
}

static bool read_verdict(struct old_rule *rule, const char *name)
{
	static const struct {
		const char *name;
		enum old_action action;
	} verdicts[] = { { "", OLD_NONE }, { "ACCEPT", OLD_ACCEPT }, { "DROP", OLD_DROP },
		{ "RETURN", OLD_RETURN } };

	for (size_t i = 0; i < array_len(verdicts); i++)
		if (!strcmp(verdicts[i].name, name)) {
			rule->action = verdicts[i].action;
			return true;
		}
	return false;
}

static void read_target(struct reading *r, const void *rule, size_t from, size_t to, bool is_goto)
{
	const char *name = r->library->get_target(rule, r->handle);
	struct xt_entry_target target;
	struct old_extension e;

	if (read_verdict(r->rule, name))
		return;
	if (r->library->is_chain(name, r->handle)) {
		r->rule->action = is_goto ? OLD_GOTO : OLD_JUMP;
		r->rule->to = arena_strdup(r->arena, name);
		return;
	}
	memcpy(&target, (const unsigned char *)rule + from, sizeof(target));
	if (target.u.target_size < sizeof(target) || from + target.u.target_size > to) {
		r->rule->partly = true;
		return;
	}
	e = (struct old_extension){ arena_strdup(r->arena, name), target.u.user.revision,
		(const unsigned char *)rule + from + sizeof(target), target.u.target_size - sizeof(target) };
	old_read_target(r->rule, &e, r->library->family, r->arena);
}

static void read_rule(struct reading *r, const void *rule)
{
	if (r->library->family == NFPROTO_IPV4) {
		const struct ipt_entry *e = rule;

		read_ipv4(r, &e->ip);
		read_matches(r, e, sizeof(*e), e->target_offset);
		read_target(r, e, e->target_offset, e->next_offset, e->ip.flags & IPT_F_GOTO);
	} else {
		const struct ip6t_entry *e = rule;

		read_ipv6(r, &e->ipv6);
		read_matches(r, e, sizeof(*e), e->target_offset);
		read_target(r, e, e->target_offset, e->next_offset, e->ipv6.flags & IP6T_F_GOTO);
	}
}

/* ---- a table ---- */

static int hook_of(const char *chain)
{
	static const char *const names[] = {
		[NF_INET_PRE_ROUTING] = "PREROUTING",
		[NF_INET_LOCAL_IN] = "INPUT",
		[NF_INET_FORWARD] = "FORWARD",
		[NF_INET_LOCAL_OUT] = "OUTPUT",
		[NF_INET_POST_ROUTING] = "POSTROUTING",
	};

	for (size_t i = 0; i < array_len(names); i++)
		if (!strcmp(names[i], chain))
			return (int)i;
	return NO_HOOK;
}

static void read_chain(const struct library *l, struct xtc_handle *handle, struct old_chain *out, struct arena *a)
{
	for (const void *rule = l->first_rule(out->name, handle); rule; rule = l->next_rule(rule, handle)) {
		struct reading r = { l, handle, vec_push(a, &out->rules), a };

		read_rule(&r, rule);
	}
}

static int read_table(const struct library *l, const char *name, struct arena *a, struct leftovers *out)
{
	struct xtc_handle *handle = l->init(name);
	struct old_table *t;

	if (!handle)
		return -errno;
	t = vec_push(a, &out->tables);
	t->family = l->family;
	t->name = name;
	t->legacy = t->iptables = true;
	for (const char *chain = l->first_chain(handle); chain; chain = l->next_chain(handle)) {
		struct old_chain *c = vec_push(a, &t->chains);

		c->name = arena_strdup(a, chain);
		c->hook = hook_of(chain);
	}
	/* The library has one place in its list of chains: the rules are read when that was left. */
	vec_each (c, &t->chains)
		read_chain(l, handle, c, a);
	l->free(handle);
	return 0;
}

/* Reading the list loads nothing. */
static void list_tables(size_t kind, struct arena *a, struct texts *out)
{
	scoped(close_fd) int fd = open(kinds[kind].list, O_RDONLY | O_CLOEXEC);
	struct bytes text;
	char *name, *rest;

	if (fd < 0 || file_read_fd(fd, NAMES_MAX, a, &text))
		return;
	rest = arena_strndup(a, text.data, text.size);
	while ((name = strtok_r(rest, "\n", &rest)))
		if (known_iptables(kinds[kind].family, name))
			*vec_push(a, &out->list) = name;
}

/* `before` is what was not seen of the other kind, or NULL. */
static const char *not_seen(
	const char *before, size_t kind, const struct texts *tables, const char *why, struct arena *a)
{
	struct str names = { .arena = a };

	vec_each (name, &tables->list)
		str_printf(&names, "%s%s %s", names.n ? ", " : "",
			kinds[kind].family == NFPROTO_IPV4 ? "ip" : "ip6", *name);
	return arena_printf(a, "%s%s%s: %s", before ? before : "", before ? "; " : "", str_text(&names), why);
}

void leftover_read_legacy(struct arena *a, struct leftovers *out)
{
	for (size_t kind = 0; kind < array_len(kinds); kind++) {
		const struct library *l = NULL;
		struct texts tables = { 0 };
		int error = 0;

		list_tables(kind, a, &tables);
		if (tables.list.n)
			l = load(kind, a);
		if (tables.list.n && !l)
			out->unseen = not_seen(out->unseen, kind, &tables,
				arena_printf(a, "%s is not installed", kinds[kind].file), a);
		vec_each (name, &tables.list)
			if (l && !error)
				error = read_table(l, *name, a, out);
		if (error)
			out->unseen = not_seen(out->unseen, kind, &tables, l->strerror(-error), a);
	}
}

/* ---- removal ---- */

static int take_lock(bool (*stopped)(void), int *fd)
{
	long long end = clock_monotonic_us() / 1000 + LOCK_WAIT_MS;
	const struct timespec nap = { 0, LOCK_NAP_MS * 1000000L };

	*fd = open(LOCK_FILE, O_CREAT | O_CLOEXEC | O_RDONLY, 0600);
	if (*fd < 0)
		return -errno;
	while (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (clock_monotonic_us() / 1000 > end)
			return -ETIMEDOUT;
		if (stopped && stopped())
			return -EINTR;
		nanosleep(&nap, NULL);
	}
	return 0;
}

static bool is_adopted(const struct old_rule *r, const struct texts *adopt)
{
	return !r->possibly && leftover_adopted(adopt, r->mesh);
}

/* From the last to the first: the numbers of those before it stay. Counts what it does. */
static bool remove_rules(const struct library *l, struct xtc_handle *handle, const struct old_chain *c,
	const struct texts *adopt, size_t *n)
{
	if (leftover_adopted(adopt, c->mesh)) {
		(*n)++;
		return l->flush_entries(c->name, handle);
	}
	for (size_t i = c->rules.n; i-- > 0;) {
		if (!is_adopted(&c->rules.items[i], adopt))
			continue;
		(*n)++;
		if (!l->delete_num_entry(c->name, (unsigned)i, handle))
			return false;
	}
	return true;
}

static bool remove_in(
	const struct library *l, struct xtc_handle *handle, const struct old_table *t, const struct texts *adopt)
{
	size_t n = 0;

	vec_each (c, &t->chains)
		if (!remove_rules(l, handle, c, adopt, &n))
			return false;
	vec_each (c, &t->chains)
		if (leftover_adopted(adopt, c->mesh) && !l->delete_chain(c->name, handle))
			return false;
	return !n || l->commit(handle);
}

static int remove_from(const struct old_table *t, const struct texts *adopt, struct arena *a, const char **problem)
{
	const struct library *l = load(t->family == NFPROTO_IPV6, a);
	struct xtc_handle *handle = l->init(t->name);
	int error = 0;

	if (!handle || !remove_in(l, handle, t, adopt)) {
		error = errno ? -errno : -EPROTO;
		*problem = arena_printf(a, "the table %s: %s", old_table_name(t, a), l->strerror(-error));
	}
	if (handle)
		l->free(handle);
	return error;
}

int leftover_remove_legacy(const struct texts *adopt, bool (*stopped)(void), struct arena *a, const char **problem)
{
	scoped(close_fd) int lock = -1;
	struct leftovers fresh = { 0 };
	int error = take_lock(stopped, &lock);

	if (error) {
		*problem = arena_printf(a, "%s: %s", LOCK_FILE,
			error == -ETIMEDOUT ? "somebody else holds the lock of iptables-legacy"
					    : strerror(-error));
		return error;
	}
	leftover_read_legacy(a, &fresh);
	if (fresh.unseen) {
		*problem = fresh.unseen;
		return -EIO;
	}
	leftover_recognise(&fresh, a);
	vec_each (t, &fresh.tables)
		if (!error)
			error = remove_from(t, adopt, a, problem);
	return error;
}
