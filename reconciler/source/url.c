#include "source/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/str.h"

enum { PORT_DIGITS = 5 };

static const struct {
	const char *name;
	enum scheme scheme;
} schemes[] = {
	{ "https://", SCHEME_HTTPS },
	{ "http://", SCHEME_HTTP },
	{ "ssh://", SCHEME_SSH },
	{ "git://", SCHEME_GIT },
	{ "file://", SCHEME_FILE },
};

bool url_is(const char *text)
{
	return strstr(text, "://") != NULL;
}

/* Of what is no address, too: whatever comes before the last '@' may be one. */
const char *url_shown(const char *text, struct arena *a)
{
	const char *rest = strstr(text, "://"), *at = rest ? strrchr(rest, '@') : NULL;

	return at ? arena_printf(a, "%.*s://…@%s", (int)(rest - text), text, at + 1) : text;
}

/* Letters, digits and the others; not one that begins as an option does. */
static bool is_of(const char *text, const char *others)
{
	if (!*text || *text == '-')
		return false;
	for (; *text; text++)
		if (!isascii(*text) || (!isalnum((unsigned char)*text) && !strchr(others, *text)))
			return false;
	return true;
}

static bool wrong(const char **problem, const char *text)
{
	*problem = text;
	return false;
}

static bool read_port(const char *s, uint16_t *port)
{
	unsigned long n = 0;

	if (!*s || strlen(s) > PORT_DIGITS)
		return false;
	for (; *s; s++) {
		if (!isdigit((unsigned char)*s))
			return false;
		n = n * 10 + (unsigned long)(*s - '0');
	}
	*port = (uint16_t)n;
	return n > 0 && n <= UINT16_MAX;
}

/* "[user@]host[:port]" */
static bool read_authority(const char *text, struct arena *a, struct url *out, const char **problem)
{
	char *host = arena_strdup(a, text), *at = strrchr(host, '@'), *port;

	if (at && out->scheme != SCHEME_SSH)
		return wrong(problem,
			"no credentials belong in an address, which is shown and logged; use source.username and "
			"source.passwordFile, or source.tokenFile");
	if (at) {
		*at = 0;
		out->user = host;
		host = at + 1;
		if (!is_of(out->user, "._-"))
			return wrong(problem, "the user may have letters, digits, '.', '_' and '-'");
	}
	if (*host == '[') {
		char *end = strchr(++host, ']');
		struct in6_addr address;

		port = end && end[1] ? end + 1 : NULL;
		if (end)
			*end = 0;
		if (!end || (port && *port != ':') || inet_pton(AF_INET6, host, &address) != 1)
			return wrong(problem, "this is no IPv6 address in brackets");
	} else {
		port = strchr(host, ':');
		if (port)
			*port = 0;
		if (!is_of(host, ".-"))
			return wrong(problem, "the host may have letters, digits, '.' and '-' (names in other "
					      "scripts in their form with "
					      "xn--), and does not begin with '-'");
	}
	out->host = host;
	if (port && !read_port(port + 1, &out->port))
		return wrong(problem, "the port is a number from 1 to 65535");
	return true;
}

static bool check_path(const char *path, const char **problem)
{
	for (const char *part = path; part; part = strchr(part, '/'))
		if (*++part == '-')
			return wrong(problem, "no part of the path may begin with '-'");
	if (!path[1] || !is_of(path + 1, "/._~+-@"))
		return wrong(problem, "the path may have letters, digits and / . _ ~ + - @");
	return true;
}

bool url_read(const char *text, struct arena *a, struct url *out, const char **problem)
{
	for (size_t i = 0; i < array_len(schemes); i++) {
		const char *rest, *slash;

		if (!str_starts(text, schemes[i].name))
			continue;
		rest = text + strlen(schemes[i].name);
		slash = strchr(rest, '/');
		*out = (struct url){ .scheme = schemes[i].scheme, .path = slash };
		if (!slash)
			return wrong(problem, "it names no path");
		if (out->scheme == SCHEME_FILE && slash != rest)
			return wrong(problem, "write file:///PATH");
		return check_path(slash, problem) &&
		       (out->scheme == SCHEME_FILE ||
			       read_authority(arena_strndup(a, rest, (size_t)(slash - rest)), a, out, problem));
	}
	return wrong(problem, "write https://, ssh:// or file:///PATH");
}
