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

static int look_up(struct fact_account *f, struct buffer *b)
{
	for (;;) {
		int r = f->group ? look_up_group(f, b) : look_up_user(f, b);

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

	if (facts->accounts.n)
		b.data = mem_alloc(b.size);
	vec_each (f, &facts->accounts) {
		int r = look_up(f, &b);

		if (r)
			ok = diag_failure(d, "the %s '%s' cannot be looked up: %s", f->group ? "group" : "user",
				f->name, strerror(r));
	}
	return ok;
}
