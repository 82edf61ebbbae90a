#include "fetch/fetch.h"

#include <errno.h>
#include <git2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "fetch/bundle.h"
#include "fetch/refs.h"
#include "fetch/repository.h"
#include "fetch/ssh.h"
#include "fetch/tidy.h"
#include "fetch/transport.h"
#include "source/url.h"

#define OURS "refs/enmesh/source"

#define VERSION_2 "Git-Protocol: version=2"

struct fetch {
	struct request *request;
	struct url url;
	const char *address;
	struct wish wish;
	const char *commit; /* that the caller names; NULL: none */
	struct http *http;  /* NULL: the server is reached otherwise */
	struct ssh ssh;
	git_repository *repository;
	git_remote *remote;
	struct choice choice;
};

static _Noreturn void answer(struct fetch *f, bool unchanged)
{
	struct request *r = f->request;

	node_put_text(r->arena, r->answer, "commit", f->choice.commit);
	node_put_text(r->arena, r->answer, "ref", f->choice.name);
	node_put_text(r->arena, r->answer, "tag", f->choice.tag);
	node_put_bool(r->arena, r->answer, "unchanged", unchanged);
	request_answer(r);
}

static _Noreturn void fail(struct fetch *f)
{
	const git_error *error = git_error_last();

	if (f->ssh.problem)
		request_fail(f->request, "%s", f->ssh.problem);
	/* Such a server begins its list with what is missing, which libgit2 1.5 does not understand. */
	if (error && error->message && strstr(error->message, "REF pkt-line"))
		request_fail(f->request,
			"%s: the server's repository is a shallow clone, or its answer is damaged",
			error->message);
	repository_fail(f->request);
}

/* ---- what the server has ---- */

/*
 * Why a server has no answer to a request of version 2: it speaks an older one (false), its ids are of another
 * kind than those that were asked for, or the repository has moved, which f->http then knows.
 */
static bool ask_what_it_speaks(struct fetch *f)
{
	struct request *r = f->request;
	struct exchange e = {
		.suffix = "/info/refs?service=git-upload-pack",
		.accept = "application/x-git-upload-pack-advertisement",
		.header = VERSION_2,
		.limit = HTTP_LIST_MAX,
		.file = -1,
	};
	const char *problem = NULL;
	struct offer offer;

	if (!http_exchange(f->http, &e, &problem))
		request_fail(r, "%s", problem);
	pkt_read_offer(&e.answer, r->arena, &offer);
	if (strcmp(offer.object_format, "sha1") != 0)
		request_fail(r, "the repository uses %s, which libgit2 cannot read; use one with SHA-1",
			!strcmp(offer.object_format, "sha256") ? "SHA-256" : offer.object_format);
	return offer.version_2;
}

/* Protocol 2, which lists but what is asked for. False: the server does not speak it. */
static bool ask_for_refs(struct fetch *f, struct refs *out)
{
	struct request *r = f->request;
	struct exchange e = {
		.suffix = "/git-upload-pack",
		.content_type = "application/x-git-upload-pack-request",
		.accept = "application/x-git-upload-pack-result",
		.header = VERSION_2,
		.body = refs_request(&f->wish, r->arena),
		.limit = HTTP_LIST_MAX,
		.file = -1,
	};
	const char *problem = NULL;

	for (bool again = false; !http_exchange(f->http, &e, &problem); again = true) {
		/* An old server takes the request for one of protocol 0, which makes no sense to it. */
		if (e.status == 400 || e.status == 500)
			return false;
		/* Of a repository that has moved some servers send only that on with which git itself begins. */
		if (again || (e.status != 404 && e.status != 405))
			request_fail(r, "%s", problem);
		if (!ask_what_it_speaks(f))
			return false;
	}
	if (!e.answer.size) {
		if (!ask_what_it_speaks(f))
			return false;
		request_fail(r, "the server's answer is empty");
	}
	if (!pkt_read_refs(&e.answer, r->arena, out, &problem))
		request_fail(r, "%s", problem);
	return true;
}

static void connect_remote(struct fetch *f, const git_fetch_options *options)
{
	while (!git_remote_connected(f->remote) &&
		git_remote_connect(f->remote, GIT_DIRECTION_FETCH, &options->callbacks, NULL, NULL) < 0)
		if (!ssh_ask_for_another(&f->ssh))
			fail(f);
}

static void list_remote(struct fetch *f, const git_fetch_options *options, struct refs *out)
{
	struct arena *a = f->request->arena;
	const git_remote_head **heads;
	size_t n;

	connect_remote(f, options);
	if (git_remote_ls(&heads, &n, f->remote) < 0)
		fail(f);
	for (size_t i = 0; i < n; i++) {
		size_t length = strlen(heads[i]->name);
		const char *id = arena_strdup(a, git_oid_tostr_s(&heads[i]->oid));
		struct ref *ref;

		/* "refs/tags/v1^{}" comes right after "refs/tags/v1". */
		if (str_ends(heads[i]->name, "^{}") && out->list.n &&
			!strncmp(out->list.items[out->list.n - 1].name, heads[i]->name, length - 3)) {
			out->list.items[out->list.n - 1].peeled = id;
			continue;
		}
		ref = vec_push(a, &out->list);
		ref->name = arena_strdup(a, heads[i]->name);
		ref->id = id;
		if (heads[i]->symref_target)
			ref->target = arena_strdup(a, heads[i]->symref_target);
	}
}

/* ---- the repository ---- */

static void open_repository(struct fetch *f)
{
	const char *path = f->request->repository;
	int error = tidy_begin(path, node_get_bool(f->request->words, "anew", false));

	if (error == -EPERM)
		request_fail(f->request,
			"%s, or something in it, belongs to another user than that of enmesh-fetch, or others may "
			"write there; remove it, and it is fetched again",
			path);
	if (error)
		request_fail(f->request, "%s cannot be used: %s", path, strerror(-error));
	repository_set_up(f->request);
	if (f->http)
		transport_use(f->http, path);
	if (git_repository_open_bare(&f->repository, path) < 0 &&
		git_repository_init(&f->repository, path, true) < 0)
		repository_fail(f->request);
	if (git_remote_create_anonymous(&f->remote, f->repository, f->address) < 0)
		repository_fail(f->request);
}

static bool has_commit(struct fetch *f, const char *commit)
{
	git_commit *found = NULL;
	git_oid id;
	bool has = git_oid_fromstr(&id, commit) == 0 && git_commit_lookup(&found, f->repository, &id) == 0;

	git_commit_free(found);
	return has;
}

static void fetch_refs(struct fetch *f, git_fetch_options *options, const char *const *specs, size_t n)
{
	char *copies[2];
	git_strarray list = { copies, n };

	for (size_t i = 0; i < n; i++)
		copies[i] = arena_strdup(f->request->arena, specs[i]);
	connect_remote(f, options);
	if (git_remote_fetch(f->remote, &list, options, NULL) < 0)
		fail(f);
}

/* What came, which may be newer than what was listed. */
static void look_at_result(struct fetch *f)
{
	git_reference *reference = NULL;
	git_object *commit = NULL;

	if (git_reference_lookup(&reference, f->repository, OURS) < 0)
		repository_fail(f->request);
	if (git_reference_peel(&commit, reference, GIT_OBJECT_COMMIT) < 0)
		request_fail(f->request, "%s is no commit", f->choice.name);
	f->choice.commit = arena_strdup(f->request->arena, git_oid_tostr_s(git_object_id(commit)));
	f->choice.tag = NULL;
	if (!git_oid_equal(git_reference_target(reference), git_object_id(commit)))
		f->choice.tag = arena_strdup(f->request->arena, git_oid_tostr_s(git_reference_target(reference)));
	git_object_free(commit);
	git_reference_free(reference);
}

/* ---- what is wanted ---- */

/* Servers need not give what no reference has, so all of them are fetched. */
static _Noreturn void fetch_commit(struct fetch *f, git_fetch_options *options)
{
	static const char *const specs[] = { "+refs/heads/*:refs/enmesh/heads/*",
		"+refs/tags/*:refs/enmesh/tags/*" };
	bool had = has_commit(f, f->commit);

	if (!had)
		fetch_refs(f, options, specs, 2);
	if (!had && !has_commit(f, f->commit))
		request_fail(f->request, "no branch and no tag of the repository has the commit %s", f->commit);
	tidy_packs(f->repository, f->request->arena);
	f->choice.commit = f->commit;
	answer(f, had);
}

static _Noreturn void fetch_reference(struct fetch *f, git_fetch_options *options)
{
	struct request *r = f->request;
	const char *known = request_text(r, "known"), *problem = NULL, *spec;
	struct refs refs = { 0 };

	if (!f->http || !ask_for_refs(f, &refs)) {
		open_repository(f);
		list_remote(f, options, &refs);
	}
	if (!refs_choose(&refs, &f->wish, r->arena, &f->choice, &problem))
		request_fail(r, "%s", problem);
	if (strlen(f->choice.commit) != GIT_OID_HEXSZ)
		request_fail(r, "the repository uses SHA-256, which libgit2 cannot read; use one with SHA-1");
	if (known && !strcmp(known, f->choice.commit))
		answer(f, true);
	if (!f->repository)
		open_repository(f);
	spec = arena_printf(r->arena, "+%s:" OURS, f->choice.name);
	fetch_refs(f, options, &spec, 1);
	look_at_result(f);
	tidy_packs(f->repository, r->arena);
	answer(f, false);
}

void fetch_run(struct request *r)
{
	struct fetch f = { .request = r,
		.address = request_text(r, "url"),
		.commit = request_text(r, "commit"),
		.wish = { request_text(r, "branch"), request_text(r, "tag"), request_text(r, "semver") } };
	git_fetch_options options = GIT_FETCH_OPTIONS_INIT;
	const char *problem = NULL;

	/* libgit2 writes to connections that may be gone. */
	signal(SIGPIPE, SIG_IGN);
	if (!f.address || !url_read(f.address, r->arena, &f.url, &problem))
		request_fail(r, "the address is refused: %s", problem ? problem : "there is none");
	if (node_get_bool(r->words, "bundle", false))
		bundle_fetch(r);
	f.ssh = (struct ssh){ .request = r, .url = &f.url };
	options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	options.update_fetchhead = 0;
	if (f.url.scheme == SCHEME_SSH)
		ssh_use(&f.ssh, &options.callbacks);
	if (f.url.scheme == SCHEME_HTTPS || f.url.scheme == SCHEME_HTTP) {
		f.http = http_open(r, f.address, &problem);
		if (!f.http)
			request_fail(r, "%s", problem);
	}
	if (!f.commit)
		fetch_reference(&f, &options);
	open_repository(&f);
	fetch_commit(&f, &options);
}
