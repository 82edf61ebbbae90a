#include "fetch/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "fetch/http.h"
#include "source/tar.h"
#include "source/worker.h"

#define FILE_NAME "bundle"

enum { BUNDLE_MAX = 128 * 1024 * 1024 };

/* ---- what it is made of ---- */

struct members {
	const char *names[2];
	struct bytes found[2];
};

static bool find_member(void *context, const char *path, const struct bytes *content)
{
	struct members *m = context;

	for (size_t i = 0; i < array_len(m->names); i++)
		if (m->names[i] && !strcmp(m->names[i], path))
			m->found[i] = *content;
	return true;
}

static bool no(const char **problem, const char *what)
{
	*problem = what;
	return false;
}

static bool read_label(const struct bytes *text, struct arena *a, struct bundle *out, const char **problem)
{
	const char *why;
	const struct node *root = text->data ? json_read(text->data, text->size, a, &why) : NULL;

	out->revision = node_get_text(root, "revision");
	out->sequence = node_get_int(root, "sequence", -1);
	if (!out->revision || strchr(out->revision, '/') || out->sequence < 0)
		return no(problem, "it does not say which revision it is (.enmesh-bundle.json)");
	return true;
}

bool bundle_read(const struct bytes *file, const struct signature_policy *policy, long long when, struct arena *a,
	struct bundle *out, const char **problem)
{
	struct members outer = { .names = { "bundle.tar", "bundle.tar.sig" } };
	struct members inner = { .names = { ".enmesh-bundle.json" } };

	if (!tar_read(file, find_member, &outer, a, problem))
		return false;
	if (!outer.found[0].data || !outer.found[1].data)
		return no(problem, "it is no bundle: bundle.tar and bundle.tar.sig are missing");
	if (!signature_check_file(
		    policy, &outer.found[0], &outer.found[1], NAMESPACE_BUNDLE, when, a, &out->verified, problem))
		return false;
	out->content = outer.found[0];
	return tar_read(&out->content, find_member, &inner, a, problem) &&
	       read_label(&inner.found[0], a, out, problem);
}

/* ---- with a network ---- */

static _Noreturn void fail_errno(const struct request *r, const char *what)
{
	request_fail(r, "%s: %s", what, strerror(errno));
}

_Noreturn void bundle_fetch(struct request *r)
{
	const char *problem = NULL, *known = request_text(r, "known");
	struct http *h = http_open(r, request_text(r, "url"), &problem);
	scoped(close_fd) int dir = open(r->repository, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Of one that is no longer here, the tag says nothing. */
	bool there = dir >= 0 && faccessat(dir, FILE_NAME, R_OK, 0) == 0;
	struct exchange e = {
		.suffix = "",
		.limit = BUNDLE_MAX,
		.header = known && there ? arena_printf(r->arena, "If-None-Match: %s", known) : NULL,
		.file = openat(dir, FILE_NAME ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600),
	};

	if (!h)
		request_fail(r, "%s", problem);
	if (e.file < 0)
		fail_errno(r, "it cannot be kept");
	if (!http_exchange(h, &e, &problem))
		request_fail(r, "%s", problem);
	if (e.status == 200 && (fsync(e.file) < 0 || renameat(dir, FILE_NAME ".new", dir, FILE_NAME) < 0))
		fail_errno(r, "it cannot be kept");
	if (e.status != 200)
		unlinkat(dir, FILE_NAME ".new", 0);
	node_put_bool(r->arena, r->answer, "unchanged", e.status != 200);
	node_put_text(r->arena, r->answer, "etag", e.etag);
	request_answer(r);
}

/* ---- without ---- */

static struct bytes map_bundle(const struct request *r)
{
	scoped(close_fd) int fd =
		open(arena_printf(r->arena, "%s/" FILE_NAME, r->repository), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	void *data;

	if (fd < 0 || fstat(fd, &st) < 0)
		fail_errno(r, "it cannot be read");
	if (!S_ISREG(st.st_mode) || !st.st_size || st.st_size > BUNDLE_MAX)
		request_fail(r, "it is empty, or larger than %d MiB", BUNDLE_MAX >> 20);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		fail_errno(r, "it cannot be read");
	return (struct bytes){ data, (size_t)st.st_size };
}

_Noreturn void bundle_hand_over(struct request *r)
{
	const struct signature_policy policy = { .allowed_signers = request_blob(r, "allowed-signers"),
		.revoked = request_blob(r, "revoked") };
	const char *problem = NULL, *last = request_text(r, "ancestor");
	struct bytes file = map_bundle(r);
	struct bundle b = { 0 };

	if (!bundle_read(&file, &policy, time(NULL), r->arena, &b, &problem))
		request_fail(r, "%s", problem);
	if (last && b.sequence < strtoll(last, NULL, 10))
		request_fail(r,
			"its sequence %" PRId64
			" is below %s, which was applied before: somebody offers an old one; "
			"source.allowRollback lets that happen",
			b.sequence, last);
	for (size_t at = 0; at < b.content.size;) {
		ssize_t n = write(WORKER_FILE, b.content.data + at, b.content.size - at);

		if (n < 0 && errno != EINTR)
			fail_errno(r, "its files cannot be handed over");
		at += n < 0 ? 0 : (size_t)n;
	}
	node_put_text(
		r->arena, r->answer, "commit", arena_printf(r->arena, "%s+%" PRId64, b.revision, b.sequence));
	node_put_text(r->arena, r->answer, "sequence", arena_printf(r->arena, "%" PRId64, b.sequence));
	node_put_text(r->arena, r->answer, "verified", b.verified);
	request_answer(r);
}
