#include "fetch/signature.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "fetch/allowed_signers.h"
#include "fetch/openpgp.h"
#include "fetch/sshsig.h"

/* A git object without its signature, and the signature. Format: gitformat-signature(5). */
struct parts {
	struct bytes message, signature;
	long long when; /* by the committer's or tagger's clock */
};

/* ---- git objects ---- */

static const char *line_end(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return newline ? newline + 1 : end;
}

static bool begins(const char *at, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - at) >= n && !memcmp(at, word, n);
}

/* "committer NAME <MAIL> SECONDS ZONE" */
static long long read_time(const char *at, const char *end)
{
	const char *mail = memrchr(at, '>', (size_t)(end - at));

	return mail ? strtoll(mail + 1, NULL, 10) : 0;
}

/* A header's lines after the first begin with a space. */
static const char *take_header(const char *at, const char *end, struct str *out)
{
	const char *value = memchr(at, ' ', (size_t)(end - at));
	const char *stop = line_end(at, end);

	str_add_n(out, value + 1, (size_t)(stop - value - 1));
	for (at = stop; at < end && *at == ' '; at = stop) {
		stop = line_end(at, end);
		str_add_n(out, at + 1, (size_t)(stop - at - 1));
	}
	return at;
}

static void split_commit(const struct bytes *object, struct arena *a, struct parts *out)
{
	const char *at = object->data, *end = at + object->size;
	struct str message = { .arena = a }, signature = { .arena = a };

	while (at < end && *at != '\n') {
		const char *next = line_end(at, end);

		if (begins(at, end, "committer "))
			out->when = read_time(at, next);
		if (begins(at, end, "gpgsig ")) {
			at = take_header(at, end, &signature);
			continue;
		}
		/* The signature of the same commit in a repository with SHA-256. */
		if (begins(at, end, "gpgsig-sha256 ")) {
			struct str other = { .arena = a };

			at = take_header(at, end, &other);
			continue;
		}
		str_add_n(&message, at, (size_t)(next - at));
		at = next;
	}
	str_add_n(&message, at, (size_t)(end - at));
	out->message = (struct bytes){ str_text(&message), message.n };
	out->signature = (struct bytes){ str_text(&signature), signature.n };
}

/* The last line that begins a signature begins it; all before is what was signed. */
static void split_tag(const struct bytes *object, struct parts *out)
{
	const char *end = object->data + object->size, *found = end;
	bool header = true;

	for (const char *at = object->data; at < end; at = line_end(at, end)) {
		header &= *at != '\n';
		if (header && begins(at, end, "tagger "))
			out->when = read_time(at, line_end(at, end));
		if (begins(at, end, "-----BEGIN PGP SIGNATURE-----") ||
			begins(at, end, "-----BEGIN SSH SIGNATURE-----"))
			found = at;
	}
	out->message = (struct bytes){ object->data, (size_t)(found - object->data) };
	out->signature = (struct bytes){ found, (size_t)(end - found) };
}

const char *signature_tag_target(const struct bytes *tag, struct arena *a)
{
	const char *end = tag->data + tag->size, *stop = line_end(tag->data, end);

	if (!begins(tag->data, end, "object ") || stop == end)
		return NULL;
	return arena_strndup(a, tag->data + strlen("object "), (size_t)(stop - 1 - tag->data) - strlen("object "));
}

/* ---- checking ---- */

static bool no(const char **problem, const char *what)
{
	*problem = what;
	return false;
}

bool signature_check_file(const struct signature_policy *policy, const struct bytes *file,
	const struct bytes *signature, const char *name_space, long long when, struct arena *a, const char **who,
	const char **problem)
{
	struct sshsig s;
	bool readable = true;

	if (!policy->allowed_signers.data)
		return no(problem, "it has an SSH signature, and the settings name no allowed signers");
	if (!sshsig_read(signature, a, &s, problem))
		return false;
	if (strcmp(s.name_space, name_space) != 0)
		return no(
			problem, arena_printf(a, "its SSH signature was made for the namespace '%s', not for '%s'",
					 s.name_space, name_space));
	if (policy->revoked.data && signers_revoke(&policy->revoked, &s.key, a, &readable))
		return no(problem, arena_printf(a, "the key %s is revoked", ssh_key_fingerprint(&s.key, a)));
	if (!readable)
		return no(problem, "the list of revoked keys is none: it takes public keys, one a line");
	if (!signers_allow(&policy->allowed_signers, &s.key, name_space, when, a, who, problem) ||
		!sshsig_verify(&s, file, a, problem))
		return false;
	*who = arena_printf(a, "%s (%s)", *who, ssh_key_fingerprint(&s.key, a));
	return true;
}

bool signature_check_object(const struct signature_policy *policy, const struct bytes *object, bool tag,
	struct arena *a, const char **who, const char **problem)
{
	struct parts parts = { 0 };

	if (tag)
		split_tag(object, &parts);
	else
		split_commit(object, a, &parts);
	if (!parts.signature.size)
		return no(problem, tag ? "the tag is not signed" : "the commit is not signed");
	if (sshsig_is(&parts.signature))
		return signature_check_file(
			policy, &parts.message, &parts.signature, NAMESPACE_GIT, parts.when, a, who, problem);
	if (!openpgp_is(&parts.signature))
		return no(problem, "it has a signature that is neither SSH's nor OpenPGP's");
	if (!policy->keyring.data)
		return no(problem, "it has an OpenPGP signature, and the settings name no keyring");
	return openpgp_verify(&policy->keyring, &parts.message, &parts.signature, a, who, problem);
}
