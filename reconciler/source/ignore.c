#include "source/ignore.h"

#include <ctype.h>
#include <string.h>

/* Spaces at the end do not count, unless a backslash is before them. */
static size_t without_spaces(const char *line, size_t n)
{
	size_t end = 0;

	for (size_t i = 0; i < n; i++) {
		if (line[i] == ' ')
			continue;
		i += line[i] == '\\' && i + 1 < n;
		end = i + 1;
	}
	return end;
}

static bool add_line(const char *line, size_t n, struct arena *a, struct ignore *out)
{
	struct ignore_pattern p = { 0 };
	char *glob;

	n = without_spaces(line, n - (n && line[n - 1] == '\r'));
	if (!n || line[0] == '#')
		return true;
	if (line[0] == '!') {
		p.negated = true;
		line++, n--;
	}
	if (n && line[n - 1] == '/') {
		p.directories_only = true;
		n--;
	}
	if (!n)
		return true;
	if (out->patterns.n == IGNORE_PATTERNS_MAX)
		return false;
	glob = arena_strndup(a, line, n);
	p.anchored = strchr(glob, '/') != NULL;
	p.glob = glob + (glob[0] == '/');
	*vec_push(a, &out->patterns) = p;
	return true;
}

bool ignore_parse(const struct bytes *text, struct arena *a, struct ignore *out)
{
	const char *s = text->data, *end = s + text->size;

	if (text->size >= 3 && !memcmp(s, "\xef\xbb\xbf", 3))
		s += 3;
	while (s < end) {
		const char *newline = memchr(s, '\n', (size_t)(end - s));

		if (!add_line(s, (size_t)((newline ? newline : end) - s), a, out))
			return false;
		s = newline ? newline + 1 : end;
	}
	return true;
}

/* "[:alpha:]"; *p is behind "[:" and is moved behind ":]". False: no such class. */
static bool in_class(const char **p, unsigned char c, bool *in)
{
	static const struct {
		const char *name;
		int (*is)(int);
	} classes[] = {
		{ "alnum:]", isalnum },
		{ "alpha:]", isalpha },
		{ "blank:]", isblank },
		{ "cntrl:]", iscntrl },
		{ "digit:]", isdigit },
		{ "graph:]", isgraph },
		{ "lower:]", islower },
		{ "print:]", isprint },
		{ "punct:]", ispunct },
		{ "space:]", isspace },
		{ "upper:]", isupper },
		{ "xdigit:]", isxdigit },
	};

	for (size_t i = 0; i < array_len(classes); i++) {
		size_t n = strlen(classes[i].name);

		if (strncmp(*p, classes[i].name, n))
			continue;
		*in |= classes[i].is(c) != 0;
		*p += n;
		return true;
	}
	return false;
}

/* "[a-z]"; *p is behind "[" and is moved behind "]". False: c is not in it, or it has no end. */
static bool match_set(const char **p, unsigned char c)
{
	bool negated = **p == '!' || **p == '^', in = false;
	unsigned char from = 0; /* what a range may begin with */
	const char *s = *p + negated;

	for (bool first = true; first || *s != ']'; first = false) {
		unsigned char low = (unsigned char)*s++, high = low;
		bool range = low == '-' && from && *s && *s != ']';

		if (!low)
			return false;
		if (low == '[' && *s == ':') {
			s++;
			if (!in_class(&s, c, &in))
				return false;
			from = 0;
			continue;
		}
		if (range) {
			low = from;
			high = (unsigned char)*s++;
		}
		if ((range ? high : low) == '\\') {
			if (!*s)
				return false;
			high = (unsigned char)*s++;
			low = range ? low : high;
		}
		in |= low <= c && c <= high;
		from = range ? 0 : high;
	}
	*p = s + 1;
	return in != negated && c != '/';
}

/* One character of the path; *p is moved behind what matched it. */
static bool match_one(const char **p, char c)
{
	char wanted = *(*p)++;

	if (wanted == '?')
		return c != '/';
	if (wanted == '[')
		return match_set(p, (unsigned char)c);
	if (wanted == '\\')
		wanted = *(*p)++;
	return wanted && wanted == c;
}

/* A `**` between slashes or the ends of the glob: any number of directories. */
static bool is_deep(const char *glob, const char *p)
{
	size_t stars = strspn(p, "*");

	return stars > 1 && (p == glob || p[-1] == '/') && (!p[stars] || p[stars] == '/');
}

/*
 * Only the last `*` and the last `**` are gone back to: what is before them has matched as early as it can, which
 * leaves the most to what follows. So no glob takes more than (length of the glob) x (length of the path) x (depth
 * of the path).
 */
static bool match(const char *glob, const char *path)
{
	const char *p = glob, *s = path;
	const char *star = NULL, *star_path = NULL, *deep = NULL, *deep_path = NULL;

	for (;;) {
		if (*p == '*') {
			bool any_depth = is_deep(glob, p);

			p += strspn(p, "*");
			if (any_depth && !*p)
				return true;
			if (any_depth) {
				deep = ++p;
				deep_path = s;
				star = NULL;
			} else {
				star = p;
				star_path = s;
			}
			continue;
		}
		if (!*p && !*s)
			return true;
		if (*p && *s && match_one(&p, *s)) {
			s++;
			continue;
		}
		if (star && *star_path && *star_path != '/') {
			p = star;
			s = ++star_path;
		} else if (deep && (deep_path = strchr(deep_path, '/'))) {
			p = deep;
			s = ++deep_path;
			star = NULL;
		} else {
			return false;
		}
	}
}

bool ignore_matches(const struct ignore *ignore, const char *path, bool directory)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = ignore->patterns.n; i-- > 0;) {
		const struct ignore_pattern *p = &ignore->patterns.items[i];

		if (p->directories_only && !directory)
			continue;
		if (match(p->glob, p->anchored ? path : name))
			return !p->negated;
	}
	return false;
}
