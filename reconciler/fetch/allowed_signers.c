#include "fetch/allowed_signers.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { LINE_MAX_ = 32 * 1024 };

/* What one line says, beside its key. */
struct signer {
	const char *principals, *namespaces; /* namespaces NULL: all */
	bool authority, has_after, has_before, damaged;
	long long after, before; /* valid from … to */
};

/* ---- lines and words ---- */

/* The next line, without its end; NULL: there is none. */
static char *next_line(const char **at, const char *end, struct arena *a)
{
	const char *start = *at, *stop;

	if (start >= end)
		return NULL;
	stop = memchr(start, '\n', (size_t)(end - start));
	stop = stop ? stop : end;
	*at = stop + 1;
	if (stop > start && stop[-1] == '\r')
		stop--;
	return arena_strndup(a, start, (size_t)(stop - start));
}

/* Cuts off the first word, in which "…" keeps spaces and commas together; the quotes go. */
static char *take_word(char **s)
{
	char *word = *s + strspn(*s, " \t"), *to = word, *from = word;
	bool quoted = false;

	for (; *from && (quoted || (*from != ' ' && *from != '\t')); from++) {
		if (*from == '"')
			quoted = !quoted;
		else
			*to++ = *from;
	}
	*s = *from ? from + 1 : from;
	*to = 0;
	return quoted || to == word ? NULL : word;
}

/* ---- options ---- */

/* YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z]; without Z as the clock on the wall says, which here is UTC. */
static bool read_time(const char *s, long long *out)
{
	size_t n = strspn(s, "0123456789");
	struct tm tm = { .tm_mday = 1 };
	int values[6] = { 0 };
	static const int widths[] = { 4, 2, 2, 2, 2, 2 };

	if ((n != 8 && n != 12 && n != 14) || (s[n] && strcmp(s + n, "Z") != 0))
		return false;
	for (size_t i = 0, at = 0; at < n; at += (size_t)widths[i], i++)
		for (int k = 0; k < widths[i]; k++)
			values[i] = values[i] * 10 + (s[at + (size_t)k] - '0');
	tm.tm_year = values[0] - 1900;
	tm.tm_mon = values[1] - 1;
	tm.tm_mday = values[2];
	tm.tm_hour = values[3];
	tm.tm_min = values[4];
	tm.tm_sec = values[5];
	*out = timegm(&tm);
	return values[1] >= 1 && values[1] <= 12 && values[2] >= 1 && values[2] <= 31 && values[3] < 24 &&
	       values[4] < 60 && values[5] < 61;
}

static bool read_option(struct signer *s, char *option)
{
	char *value = strchr(option, '=');

	if (!strcasecmp(option, "cert-authority")) {
		s->authority = true;
		return true;
	}
	if (!value)
		return false;
	*value++ = 0;
	if (!strcasecmp(option, "namespaces"))
		s->namespaces = value;
	else if (!strcasecmp(option, "valid-after"))
		return s->has_after = read_time(value, &s->after);
	else if (!strcasecmp(option, "valid-before"))
		return s->has_before = read_time(value, &s->before);
	else
		return false;
	return true;
}

/* Commas in quotes belong to a value. */
static bool read_options(struct signer *s, const char *text, struct arena *a)
{
	char *at = arena_strdup(a, text), *option = at, *to = at;
	bool quoted = false, ok = true;

	for (;; at++) {
		if (*at == '"') {
			quoted = !quoted;
			continue;
		}
		if (*at && (*at != ',' || quoted)) {
			*to++ = *at;
			continue;
		}
		bool last = !*at;

		*to++ = 0;
		ok &= read_option(s, option);
		option = to;
		if (last)
			return ok && !quoted;
	}
}

/* ---- patterns ---- */

/* As ssh_config(5) has it under PATTERNS: one with "!" that fits decides at once. */
static bool fits(const char *list, const char *word, struct arena *a)
{
	char *copy = arena_strdup(a, list), *pattern;
	bool found = false;

	while ((pattern = strsep(&copy, ","))) {
		bool negated = *pattern == '!';

		if (fnmatch(pattern + negated, word, FNM_NOESCAPE) != 0)
			continue;
		if (negated)
			return false;
		found = true;
	}
	return found;
}

/* ---- a line ---- */

/* False: it has no key. */
static bool read_signer(char *line, struct arena *a, struct signer *out, struct ssh_key *key)
{
	char *rest = line, *options;

	*out = (struct signer){ 0 };
	out->principals = take_word(&rest);
	rest += strspn(rest, " \t");
	if (!out->principals || !*rest)
		return false;
	if (ssh_key_read(rest, a, key, NULL))
		return true;
	/* Otherwise options come first; quotes are kept for them. */
	options = rest;
	for (bool quoted = false;; rest++) {
		quoted ^= *rest == '"';
		if (!*rest)
			return false;
		if (!quoted && (*rest == ' ' || *rest == '\t'))
			break;
	}
	*rest++ = 0;
	out->damaged = !read_options(out, options, a);
	return ssh_key_read(rest + strspn(rest, " \t"), a, key, NULL);
}

static const char *why_not(const struct signer *s, const char *name_space, long long when, struct arena *a)
{
	if (s->damaged)
		return "the line that allows it has an option that is not understood";
	if (s->authority)
		return "it is allowed as a certificate authority only, and certificates are not supported";
	if (s->namespaces && !fits(s->namespaces, name_space, a))
		return arena_printf(
			a, "it is allowed for the namespaces %s, not for %s", s->namespaces, name_space);
	if (s->has_after && when < s->after)
		return "it was not valid yet when it signed";
	if (s->has_before && when >= s->before)
		return "it was no longer valid when it signed";
	return NULL;
}

bool signers_allow(const struct bytes *allowed, const struct ssh_key *key, const char *name_space, long long when,
	struct arena *a, const char **who, const char **problem)
{
	const char *at = allowed->data, *end = at + allowed->size, *reason = NULL;
	char *line;

	while ((line = next_line(&at, end, a))) {
		struct signer s;
		struct ssh_key listed;
		const char *why;

		line += strspn(line, " \t");
		if (!*line || *line == '#' || strlen(line) > LINE_MAX_ || !read_signer(line, a, &s, &listed) ||
			!ssh_key_same(&listed, key))
			continue;
		why = why_not(&s, name_space, when, a);
		if (!why) {
			*who = arena_strndup(a, s.principals, strcspn(s.principals, ","));
			return true;
		}
		reason = why;
	}
	*problem = arena_printf(a, "the key %s may not sign: %s", ssh_key_fingerprint(key, a),
		reason ? reason : "it is not among the allowed signers");
	return false;
}

bool signers_revoke(const struct bytes *revoked, const struct ssh_key *key, struct arena *a, bool *readable)
{
	const char *at = revoked->data, *end = at + revoked->size;
	char *line;

	*readable = true;
	while ((line = next_line(&at, end, a))) {
		struct ssh_key listed;

		line += strspn(line, " \t");
		if (!*line || *line == '#')
			continue;
		if (!ssh_key_read(line, a, &listed, NULL)) {
			*readable = false;
			return false;
		}
		if (ssh_key_same(&listed, key))
			return true;
	}
	return false;
}
