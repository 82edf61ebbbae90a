#include "source/git.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/secret.h"
#include "base/str.h"
#include "source/worker.h"

enum { FILE_MAX = 1024 * 1024, ARCHIVE_MAX = 192 * 1024 * 1024, LOCAL_MS = 60 * 1000 };

/* ---- requests ---- */

static bool add_bytes(
	struct worker_request *r, const char *name, const char *path, struct arena *a, struct diags *d)
{
	struct blob *b = &r->blobs[r->n_blobs];
	int error;

	if (!path)
		return true;
	b->name = name;
	error = file_read(AT_FDCWD, path, FILE_MAX, a, &b->bytes);
	if (error)
		return diag_failure(
			d, "the file %s of the source's settings cannot be read: %s", path, strerror(-error));
	r->n_blobs++;
	return true;
}

static bool add_secret(
	struct worker_request *r, const char *name, const char *path, struct secret *secret, struct diags *d)
{
	unsigned mode = 0;
	int error;

	if (!path)
		return true;
	error = secret_read(path, secret, &mode);
	if (error == -EPERM && (mode & 077))
		return diag_failure(d,
			"the file %s of the source's settings has mode %04o: others than its owner can get at it "
			"(chmod "
			"600)",
			path, mode);
	if (error)
		return diag_failure(
			d, "the file %s of the source's settings cannot be read: %s", path, strerror(-error));
	r->blobs[r->n_blobs++] = (struct blob){ .name = name, .secret = secret };
	return true;
}

struct secrets {
	struct secret token, password, key, ssh_key;
};

static void secrets_finish(struct secrets *s)
{
	secret_finish(&s->token);
	secret_finish(&s->password);
	secret_finish(&s->key);
	secret_finish(&s->ssh_key);
}

/* Where there is none nobody is trusted, and the server's key, which that error shows, is what helps. */
static bool add_known_hosts(
	struct worker_request *r, const struct git_spec *spec, struct arena *a, struct diags *d)
{
	node_put_text(a, r->words, "knownHosts", spec->known_hosts_file);
	if (spec->known_hosts_file && access(spec->known_hosts_file, F_OK) < 0 && errno == ENOENT)
		return true;
	return add_bytes(r, "known-hosts", spec->known_hosts_file, a, d);
}

static bool add_credentials(
	struct worker_request *r, const struct git_spec *spec, struct secrets *s, struct arena *a, struct diags *d)
{
	return add_secret(r, "token", spec->token_file, &s->token, d) &&
	       add_secret(r, "password", spec->password_file, &s->password, d) &&
	       add_secret(r, "key", spec->key_file, &s->key, d) &&
	       add_secret(r, "ssh-key", spec->ssh_key_file, &s->ssh_key, d) &&
	       add_bytes(r, "cert", spec->cert_file, a, d) && add_bytes(r, "ca", spec->ca_file, a, d) &&
	       add_known_hosts(r, spec, a, d);
}

static bool add_signers(struct worker_request *r, const struct git_spec *spec, struct arena *a, struct diags *d)
{
	return add_bytes(r, "allowed-signers", spec->allowed_signers_file, a, d) &&
	       add_bytes(r, "revoked", spec->revoked_file, a, d) &&
	       add_bytes(r, "keyring", spec->keyring_file, a, d);
}

static const char *fetch_purpose(const struct git_spec *spec, struct arena *a)
{
	return arena_printf(a, "the source %s cannot be fetched", spec->url);
}

const char *git_name(const struct git_spec *spec, struct arena *a)
{
	const char *ref = spec->branch   ? arena_printf(a, "branch %s", spec->branch)
			  : spec->tag    ? arena_printf(a, "tag %s", spec->tag)
			  : spec->semver ? arena_printf(a, "versions %s", spec->semver)
			  : spec->commit ? arena_printf(a, "commit %s", spec->commit)
					 : "HEAD";

	if (spec->bundle)
		return arena_printf(a, "%s bundle", spec->url);
	return arena_printf(a, "%s %s%s%s", spec->url, ref, spec->path ? " " : "", spec->path ? spec->path : "");
}

bool git_is_verified(const struct git_spec *spec)
{
	return spec && (spec->allowed_signers_file || spec->keyring_file);
}

bool git_policy(const struct git_spec *spec, struct arena *a, const char **out, struct diags *d)
{
	struct worker_request files = { 0 };
	struct digest *digest = digest_start(a);

	if (!add_signers(&files, spec, a, d))
		return false;
	digest_add_text(digest, spec->verify_tag ? "tag" : "commit");
	for (size_t i = 0; i < files.n_blobs; i++) {
		digest_add_text(digest, files.blobs[i].name);
		digest_add(digest, files.blobs[i].bytes.data, files.blobs[i].bytes.size);
	}
	*out = files.n_blobs ? digest_end(digest, a) : NULL;
	return true;
}

/* ---- a server ---- */

static void put_words(
	const struct git_spec *spec, const char *known, bool anew, struct arena *a, struct node *words)
{
	node_put_text(a, words, "url", spec->url);
	node_put_text(a, words, "branch", spec->branch);
	node_put_text(a, words, "tag", spec->tag);
	node_put_text(a, words, "semver", spec->semver);
	node_put_text(a, words, "commit", spec->commit);
	node_put_text(a, words, "known", anew ? NULL : known);
	node_put_text(a, words, "username", spec->username);
	node_put_text(a, words, "proxy", spec->proxy);
	node_put_int(a, words, "timeoutMs", spec->timeout_ms);
	node_put_bool(a, words, "anew", anew);
	node_put_bool(a, words, "bundle", spec->bundle);
}

/* False: an error was added; `*damaged`: the repository may be. */
static bool fetch_once(const struct git_spec *spec, const char *repository, const char *known, bool anew,
	struct arena *a, struct git_revision *out, bool *damaged, struct diags *d)
{
	scoped(secrets_finish) struct secrets secrets = { 0 };
	struct node words = { .type = NODE_MAP };
	struct worker_request r = { .action = "fetch",
		.repository = repository,
		.user = spec->user,
		.words = &words,
		.timeout_ms = spec->timeout_ms,
		.stopped = spec->stopped };
	struct worker_answer answer = { 0 };

	*damaged = false;
	if (str_starts(spec->url, "file://"))
		r.origin = spec->url + strlen("file://");
	put_words(spec, known, anew, a, &words);
	if (!worker_make_home(&r, fetch_purpose(spec, a), a, d) || !add_credentials(&r, spec, &secrets, a, d))
		return false;
	if (!worker_run(&r, fetch_purpose(spec, a), a, &answer, d)) {
		*damaged = node_get_bool(answer.json, "damaged", false);
		return false;
	}
	*out = (struct git_revision){
		.commit = node_get_text(answer.json, "commit"),
		.ref = node_get_text(answer.json, "ref"),
		.tag = node_get_text(answer.json, "tag"),
		.etag = node_get_text(answer.json, "etag"),
		.unchanged = node_get_bool(answer.json, "unchanged", false),
	};
	return out->commit || spec->bundle ||
	       diag_failure(d, "%s: the answer names no commit", fetch_purpose(spec, a));
}

bool git_fetch(const struct git_spec *spec, const char *repository, const char *known, bool damaged,
	struct arena *a, struct git_revision *out, struct diags *d)
{
	struct diags first = { .arena = a };

	if (!damaged && fetch_once(spec, repository, known, false, a, out, &damaged, &first))
		return true;
	if (damaged)
		return fetch_once(spec, repository, known, true, a, out, &damaged, d);
	diag_append(d, &first);
	return false;
}

bool git_read(const struct git_spec *spec, const char *repository, const struct git_revision *revision,
	const char *ancestor, struct arena *a, struct git_files *out, struct diags *d)
{
	struct node words = { .type = NODE_MAP };
	struct worker_request r = { .action = "read",
		.repository = repository,
		.user = spec->user,
		.words = &words,
		.file_limit = ARCHIVE_MAX,
		.timeout_ms = spec->timeout_ms,
		.stopped = spec->stopped };
	struct worker_answer answer = { 0 };
	bool ok;

	node_put_text(a, &words, "commit", revision->commit);
	node_put_text(a, &words, "tag", revision->tag);
	node_put_text(a, &words, "ancestor", ancestor);
	node_put_text(a, &words, "path", spec->path);
	node_put_bool(a, &words, "bundle", spec->bundle);
	if (git_is_verified(spec))
		node_put_text(a, &words, "verify", spec->verify_tag ? "tag" : "commit");
	ok = add_signers(&r, spec, a, d) &&
	     worker_run(&r, arena_printf(a, "commit %s of the source %s is refused", revision->commit, spec->url),
		     a, &answer, d);
	*out = (struct git_files){
		.archive = answer.file,
		.links = node_get(answer.json, "links"),
		.verified = node_get_text(answer.json, "verified"),
		.commit = node_get_text(answer.json, "commit"),
		.sequence = node_get_text(answer.json, "sequence"),
		.damaged = !ok && node_get_bool(answer.json, "damaged", false),
	};
	return ok;
}

/* ---- a work tree ---- */

bool source_read_revision(
	const char *directory, const char *revision, struct arena *a, struct tree *out, struct diags *d)
{
	struct node words = { .type = NODE_MAP };
	struct worker_request r = { .action = "look",
		.repository = directory,
		.words = &words,
		.file_limit = ARCHIVE_MAX,
		.timeout_ms = LOCAL_MS };
	const char *name = revision ? arena_printf(a, "'%s'", revision) : "where HEAD left its upstream branch";
	struct worker_answer answer;

	node_put_bool(a, &words, "workTree", true);
	node_put_text(a, &words, "revision", revision);
	return worker_run(&r, arena_printf(a, "%s of %s cannot be read", name, directory), a, &answer, d) &&
	       source_unpack(&answer.file, directory, node_get_text(answer.json, "commit"),
		       node_get_text(answer.json, "path"), node_get(answer.json, "links"), a, out, d);
}
