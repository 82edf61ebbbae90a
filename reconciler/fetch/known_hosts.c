#include "fetch/known_hosts.h"

#include <fnmatch.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <strings.h>

enum { SHA1_SIZE = 20 };

struct looking {
	const char *name; /* as the file has it */
	const struct ssh_key *key;
	struct arena *arena;
	bool found, revoked, changed, other_algorithm, authority;
	unsigned damaged; /* number of the first line that is */
};

/* "|1|SALT|HASH": HMAC-SHA1 of the name, with the salt as key. */
static bool fits_hash(const char *text, const char *name, struct arena *a)
{
	const char *salt_text = text + strlen("|1|"), *bar = strchr(salt_text, '|');
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct bytes salt, hash;
	unsigned n = 0;

	if (!bar || !base64_read(salt_text, (size_t)(bar - salt_text), 64, a, &salt) ||
		!base64_read(bar + 1, strlen(bar + 1), 64, a, &hash) || hash.size != SHA1_SIZE)
		return false;
	return HMAC(EVP_sha1(), salt.data, (int)salt.size, (const unsigned char *)name, strlen(name), digest,
		       &n) &&
	       n == SHA1_SIZE && !memcmp(digest, hash.data, SHA1_SIZE);
}

/* Host names have no case; "[" is no class of characters here. */
static bool fits_pattern(const char *pattern, const char *name, struct arena *a)
{
	struct str escaped = { .arena = a };

	for (; *pattern; pattern++)
		str_printf(&escaped, "%s%c", strchr("[]\\", *pattern) ? "\\" : "", *pattern);
	return fnmatch(str_text(&escaped), name, FNM_CASEFOLD) == 0;
}

static bool fits(const char *hosts, const char *name, struct arena *a)
{
	char *copy = arena_strdup(a, hosts), *pattern;
	bool found = false;

	if (!strncmp(hosts, "|1|", 3))
		return fits_hash(hosts, name, a);
	while ((pattern = strsep(&copy, ","))) {
		bool negated = *pattern == '!';

		if (!fits_pattern(pattern + negated, name, a))
			continue;
		if (negated)
			return false;
		found = true;
	}
	return found;
}

static char *take_word(char **s)
{
	char *word = *s + strspn(*s, " \t");

	*s = word + strcspn(word, " \t");
	if (**s)
		*(*s)++ = 0;
	return word;
}

static void look_at_line(struct looking *l, char *line, unsigned number)
{
	char *hosts, *word = line + strspn(line, " \t");
	const char *marker = NULL;
	struct ssh_key key;
	bool same;

	if (!*word || *word == '#')
		return;
	hosts = take_word(&word);
	if (*hosts == '@') {
		marker = hosts;
		hosts = take_word(&word);
	}
	if (!ssh_key_read(word + strspn(word, " \t"), l->arena, &key, NULL)) {
		l->damaged = l->damaged ? l->damaged : number;
		return;
	}
	same = ssh_key_same(&key, l->key);
	if (marker && !strcmp(marker, "@revoked")) {
		l->revoked |= same && fits(hosts, l->name, l->arena);
		return;
	}
	if (!fits(hosts, l->name, l->arena))
		return;
	if (marker) {
		l->authority |= !strcmp(marker, "@cert-authority");
		return;
	}
	l->found |= same;
	if (!same && !strcmp(key.type, l->key->type))
		l->changed = true;
	else if (!same)
		l->other_algorithm = true;
}

static const char *why_not(const struct looking *l)
{
	struct arena *a = l->arena;
	const char *key = arena_printf(a, "%s %s", l->key->type, ssh_key_fingerprint(l->key, a));

	if (l->revoked)
		return arena_printf(a, "the server %s has the key %s, which is revoked", l->name, key);
	if (l->changed)
		return arena_printf(a,
			"the server %s has another key than the known hosts: %s; somebody may be in between, or "
			"it was made "
			"anew",
			l->name, key);
	if (l->other_algorithm)
		return arena_printf(a,
			"of the server %s the known hosts have keys of other algorithms only than the one that it "
			"shows: %s; "
			"compare it, and add it",
			l->name, key);
	if (l->authority)
		return arena_printf(a,
			"the known hosts have a certificate authority for the server %s, and certificates are not "
			"supported; "
			"add its key, %s, once it was compared",
			l->name, key);
	return arena_printf(a,
		"the server %s is not among the known hosts%s; it shows the key %s: compare it with what its "
		"operator says, "
		"and add it (ssh-keyscan)",
		l->name, l->damaged ? arena_printf(a, ", of which line %u is damaged", l->damaged) : "", key);
}

bool known_hosts_check(const struct bytes *file, const char *host, unsigned port, const struct ssh_key *key,
	struct arena *a, const char **problem)
{
	struct looking l = { .key = key, .arena = a };
	const char *at = file->data, *end = at + file->size;

	l.name = port == 22 ? host : arena_printf(a, "[%s]:%u", host, port);
	for (unsigned number = 1; at < end; number++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
		char *line = arena_strndup(a, at, (size_t)(stop - at));

		line[strcspn(line, "\r")] = 0;
		look_at_line(&l, line, number);
		at = stop + 1;
	}
	if (l.found && !l.revoked)
		return true;
	*problem = why_not(&l);
	return false;
}
