#include "cli/settings_source.h"

#include <string.h>

#include "base/str.h"
#include "source/url.h"

#define KNOWN_HOSTS "/etc/enmesh/known_hosts"

enum { COMMIT_DIGITS = 40, TIMEOUT_MS = 60 * 1000 };

static enum code refuse(struct session *s, const char *message)
{
	diag_failure(s->diags, "%s", message);
	return CODE_USAGE;
}

static const char *pick(const char *flag, const struct node *source, const char *field)
{
	return flag ? flag : node_get_text(source, field);
}

static bool is_commit(const char *text)
{
	return strlen(text) == COMMIT_DIGITS && strspn(text, "0123456789abcdef") == COMMIT_DIGITS;
}

/* As people write what of a repository they mean. */
static void read_ref(const char *ref, struct git_spec *out)
{
	static const char branches[] = "refs/heads/", tags[] = "refs/tags/", versions[] = "semver:";

	if (!ref || !strcmp(ref, "HEAD"))
		return;
	if (str_starts(ref, branches))
		out->branch = ref + strlen(branches);
	else if (str_starts(ref, tags))
		out->tag = ref + strlen(tags);
	else if (str_starts(ref, versions))
		out->semver = ref + strlen(versions);
	else if (is_commit(ref))
		out->commit = ref;
	else
		out->branch = ref;
}

static void read_spec(const struct session *s, const struct node *source, struct settings *out)
{
	const struct source_arguments *args = &s->args.git;
	const struct node *verify = node_get(source, "verify");
	const char *object = node_get_text(verify, "object");
	long long timeout = args->timeout_ms;

	if (timeout < 0 &&
		!str_duration(pick(NULL, source, "timeout") ? pick(NULL, source, "timeout") : "", &timeout))
		timeout = TIMEOUT_MS;
	out->git = (struct git_spec){
		.url = out->source,
		.bundle = args->bundle || node_get_bool(source, "bundle", false),
		.path = pick(args->path, source, "path"),
		.token_file = pick(args->token_file, source, "tokenFile"),
		.username = pick(args->username, source, "username"),
		.password_file = pick(args->password_file, source, "passwordFile"),
		.cert_file = pick(args->cert_file, source, "certFile"),
		.key_file = pick(args->key_file, source, "keyFile"),
		.ca_file = pick(args->ca_file, source, "caFile"),
		.proxy = pick(args->proxy, source, "proxy"),
		.ssh_key_file = pick(args->ssh_key_file, source, "sshKeyFile"),
		.known_hosts_file = pick(args->known_hosts_file, source, "knownHostsFile"),
		.allowed_signers_file = pick(args->allowed_signers_file, verify, "allowedSignersFile"),
		.revoked_file = pick(args->revoked_file, verify, "revokedFile"),
		.keyring_file = pick(args->keyring_file, verify, "keyringFile"),
		.verify_tag = args->verify_tag || (object && !strcmp(object, "tag")),
		.user = out->remote.user,
		.timeout_ms = timeout,
	};
	read_ref(pick(args->ref, source, "ref"), &out->git);
	out->remote.git = &out->git;
	out->remote.offline = args->offline;
	out->remote.last_good = args->last_good;
	out->remote.allow_rollback = args->allow_rollback || node_get_bool(source, "allowRollback", false);
}

/* Below the root of the repository, and written in one way. */
static bool is_below(const char *path)
{
	for (const char *part = path;; part += strcspn(part, "/") + 1) {
		size_t n = strcspn(part, "/");

		if (!n || part[0] == '.')
			return false;
		if (!part[n])
			return true;
	}
}

static enum code check_address(struct session *s, struct settings *out)
{
	struct git_spec *git = &out->git;
	const char *problem;
	struct url url;

	if (!url_read(git->url, s->arena, &url, &problem))
		return refuse(s, arena_printf(s->arena, "the source %s is refused: %s",
					 url_shown(git->url, s->arena), problem));
	if ((url.scheme == SCHEME_HTTP || url.scheme == SCHEME_GIT) && !git->allowed_signers_file &&
		!git->keyring_file)
		return refuse(s, arena_printf(s->arena,
					 "the source %s is refused: anyone on the way could change what it sends; "
					 "use https or ssh, or "
					 "require signatures (source.verify)",
					 git->url));
	if (url.scheme != SCHEME_SSH)
		git->known_hosts_file = git->ssh_key_file = NULL;
	else if (!git->known_hosts_file)
		git->known_hosts_file = KNOWN_HOSTS;
	return CODE_OK;
}

static enum code check_bundle(struct session *s, const struct git_spec *git)
{
	if (!git->bundle)
		return CODE_OK;
	if (git->branch || git->tag || git->semver || git->commit || git->path)
		return refuse(s, "a bundle has one revision, and no path: --ref and --path are for repositories");
	if (!git->allowed_signers_file)
		return refuse(s, "a bundle is used only if it is signed: name those who may "
				 "(source.verify.allowedSignersFile)");
	if (!str_starts(git->url, "https://") && !str_starts(git->url, "http://"))
		return refuse(s, "a bundle comes over https or http");
	return CODE_OK;
}

static enum code check(struct session *s, struct settings *out)
{
	const struct git_spec *git = &out->git;

	if (check_bundle(s, git) != CODE_OK)
		return CODE_USAGE;

	if (git->path && !is_below(git->path))
		return refuse(s, arena_printf(s->arena,
					 "source.path '%s' is no path in a repository: names with slashes between "
					 "them, none of which "
					 "begins with a dot",
					 git->path));
	if (!git->cert_file != !git->key_file)
		return refuse(s, "a client certificate for the source needs both certFile and keyFile");
	if (git->password_file && !git->username)
		return refuse(s, "a password for the source needs a username");
	if (git->revoked_file && !git->allowed_signers_file)
		return refuse(s, "source.verify.revokedFile goes with allowedSignersFile");
	if (git->verify_tag && !git->tag && !git->semver)
		return refuse(s, "only a source whose ref is refs/tags/NAME or semver:RANGE has a tag to verify");
	return check_address(s, out);
}

enum code settings_find_source(struct session *s, const struct node *spec, struct settings *out)
{
	const struct operands *operands = &s->args.operands;
	const struct node *source = node_get(spec, "source");
	const char *url = node_get_text(source, "url"), *path = node_get_text(source, "path");

	if (path && !url && *path != '/') {
		diag_error(s->diags, node_pos(node_get(source, "path")),
			"expected an absolute path of a directory, found '%s'", path);
		return CODE_ERROR;
	}
	/* Also of a directory: a pass over another source may fetch, and its connections are let go. */
	out->remote.user = pick(s->args.git.user, source, "user");
	if (!out->remote.user)
		out->remote.user = "enmesh-fetch";
	out->source = operands->list.n ? operands->list.items[0] : url ? url : path;
	if (!out->source)
		return CODE_OK;
	if (url_is(out->source)) {
		/* Credentials are for the server that the settings name, and for no other. */
		read_spec(s, operands->list.n && (!url || strcmp(url, out->source)) ? NULL : source, out);
		return check(s, out);
	}
	if (s->args.git.ref || s->args.git.path)
		return refuse(s, "--ref and --path are for a source that is the address of a repository");
	return CODE_OK;
}
