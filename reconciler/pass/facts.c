#include "pass/facts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/http.h"
#include "base/netns.h"

enum {
	ENTRY_MAX = 1024 * 1024, /* a group of very many members */
	RESOLV_CONF_MAX = 64 * 1024,
	LISTENER_WAIT_MS = 200,
};

struct buffer {
	char *data;
	size_t size;
};

static void buffer_finish(struct buffer *b)
{
	free(b->data);
}

/* What getpwnam(3) lists as other ways to say that there is none. */
static int without_absence(int error)
{
	return error == ENOENT || error == ESRCH || error == EBADF || error == EPERM ? 0 : error;
}

static int look_up_user(struct fact_account *f, struct buffer *b)
{
	struct passwd entry, *found;
	int r = getpwnam_r(f->name, &entry, b->data, b->size, &found);

	if (r || !found)
		return without_absence(r);
	f->found = true;
	f->number = entry.pw_uid;
	f->primary_group = entry.pw_gid;
	return 0;
}

static int look_up_group(struct fact_account *f, struct buffer *b)
{
	struct group entry, *found;
	int r = getgrnam_r(f->name, &entry, b->data, b->size, &found);

	if (r || !found)
		return without_absence(r);
	f->found = true;
	f->number = entry.gr_gid;
	return 0;
}

static int look_up_account(void *fact, struct buffer *b)
{
	struct fact_account *f = fact;

	return f->group ? look_up_group(f, b) : look_up_user(f, b);
}

static int look_up_number(void *fact, struct buffer *b)
{
	struct fact_user *f = fact;
	struct passwd entry, *found;
	int r = getpwuid_r(f->number, &entry, b->data, b->size, &found);

	if (r || !found)
		return without_absence(r);
	f->found = true;
	f->primary_group = entry.pw_gid;
	return 0;
}

static int look_up(int (*one)(void *, struct buffer *), void *fact, struct buffer *b)
{
	for (;;) {
		int r = one(fact, b);

		if (r == EINTR)
			continue;
		if (r != ERANGE || b->size >= ENTRY_MAX)
			return r;
		b->size *= 2;
		b->data = mem_realloc(b->data, b->size);
	}
}

static bool look_up_named(struct fact_account *f, struct buffer *b, struct diags *d)
{
	int r = look_up(look_up_account, f, b);

	return !r || diag_failure(d, "the %s '%s' cannot be looked up: %s", f->group ? "group" : "user", f->name,
			     strerror(r));
}

static bool look_up_accounts(struct facts *facts, struct diags *d)
{
	scoped(buffer_finish) struct buffer b = { NULL, 1024 };
	bool ok = true;

	if (facts->accounts.n || facts->users.n || facts->fetcher.name)
		b.data = mem_alloc(b.size);
	vec_each (f, &facts->accounts)
		ok &= look_up_named(f, &b, d);
	if (facts->fetcher.name)
		ok &= look_up_named(&facts->fetcher, &b, d);
	vec_each (u, &facts->users) {
		int r = look_up(look_up_number, u, &b);

		if (r)
			ok = diag_failure(d, "the user %u cannot be looked up: %s", u->number, strerror(r));
	}
	return ok;
}

static void look_up_port(struct fact_port *f)
{
	char buffer[4096];
	struct servent entry, *found = NULL;

	if (getservbyname_r(f->name, "tcp", &entry, buffer, sizeof(buffer), &found) || !found)
		return;
	f->found = true;
	f->number = ntohs((uint16_t)entry.s_port);
}

/* A group's id is the number of its directory's inode. */
static void look_up_cgroup(const char *mount, struct fact_cgroup *f)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s%s", mount, f->path) >= (int)sizeof(path) || stat(path, &st) < 0 ||
		!S_ISDIR(st.st_mode))
		return;
	f->found = true;
	f->id = st.st_ino;
}

static void look_up_cgroups(struct facts *facts)
{
	struct arena a = { 0 };
	int error;
	const char *mount = facts->cgroups.n ? cgroup_mount(&a, &error) : NULL;

	vec_each (f, &facts->cgroups)
		if (mount)
			look_up_cgroup(mount, f);
	arena_finish(&a);
}

/* resolv.conf(5): as Istio's, the first word after "nameserver"; a scope after % is no part of an address in a
 * rule. */
static void look_up_resolvers(struct facts *facts, struct arena *a)
{
	struct bytes text;
	char *line, *rest;

	if (!facts->want_resolvers || file_read(AT_FDCWD, "/etc/resolv.conf", RESOLV_CONF_MAX, a, &text))
		return;
	rest = arena_strndup(a, text.data, text.size);
	while ((line = strsep(&rest, "\n"))) {
		char *word = strtok_r(line, " \t", &line), *address = strtok_r(NULL, " \t%", &line);

		if (word && address && !strcmp(word, "nameserver"))
			*vec_push(a, &facts->resolvers) = address;
	}
}

/*
 * Where nothing listens, a connection over loopback is refused at once; but the call of a non-blocking socket only
 * says that it is on its way. A listener that is too busy to answer is none that is down.
 */
static bool is_refused(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t size = sizeof(error);

	return poll(&wait, 1, LISTENER_WAIT_MS) > 0 && !getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) &&
	       error == ECONNREFUSED;
}

static bool is_down(uint16_t port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) }
	};
	scoped(close_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int mark = HTTP_MARK;

	if (fd < 0)
		return false;
	/* Without the right to set it, the rules are not enmesh's to write either. */
	setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	if (!connect(fd, (const struct sockaddr *)&to, sizeof(to)))
		return false;
	return errno == EINPROGRESS ? is_refused(fd) : errno == ECONNREFUSED;
}

static void look_up_listener(struct fact_listener *f)
{
	scoped(netns_leave) int back = -1;

	f->down = netns_enter(f->netns, &back) < 0 || is_down(f->port);
}

bool facts_look_up(struct facts *facts, struct arena *a, struct diags *d)
{
	bool ok = look_up_accounts(facts, d);

	vec_each (p, &facts->ports)
		look_up_port(p);
	look_up_cgroups(facts);
	look_up_resolvers(facts, a);
	return ok;
}

void facts_look_around(struct facts *facts)
{
	vec_each (l, &facts->listeners)
		look_up_listener(l);
}
