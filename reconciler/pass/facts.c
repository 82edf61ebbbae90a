#include "pass/facts.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { ENTRY_MAX = 1024 * 1024 }; /* a group of very many members */

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

bool facts_look_up(struct facts *facts, struct diags *d)
{
	scoped(buffer_finish) struct buffer b = { NULL, 1024 };
	bool ok = true;

	if (facts->accounts.n || facts->users.n)
		b.data = mem_alloc(b.size);
	vec_each (f, &facts->accounts) {
		int r = look_up(look_up_account, f, &b);

		if (r)
			ok = diag_failure(d, "the %s '%s' cannot be looked up: %s", f->group ? "group" : "user",
				f->name, strerror(r));
	}
	vec_each (u, &facts->users) {
		int r = look_up(look_up_number, u, &b);

		if (r)
			ok = diag_failure(d, "the user %u cannot be looked up: %s", u->number, strerror(r));
	}
	return ok;
}
