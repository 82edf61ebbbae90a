#include "source/ignore.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static void add_line(const char *line, size_t n, struct arena *a, struct ignore *out)
{
	struct ignore_pattern p = { 0 };
	char *glob;

	while (n && (line[n - 1] == '\r' || (line[n - 1] == ' ' && (n < 2 || line[n - 2] != '\\'))))
		n--;
	if (!n || line[0] == '#')
		return;
	if (line[0] == '!') {
		p.negated = true;
		line++, n--;
	}
	if (n && line[n - 1] == '/') {
		p.directories_only = true;
		n--;
	}
	if (!n)
		return;
	glob = arena_strndup(a, line, n);
	p.anchored = strchr(glob, '/') != NULL;
	p.glob = glob + (glob[0] == '/');
	*vec_push(a, &out->patterns) = p;
}

void ignore_parse(const struct bytes *text, struct arena *a, struct ignore *out)
{
	for (const char *s = text->data, *end = s + text->size; s < end;) {
		const char *newline = memchr(s, '\n', (size_t)(end - s));

		add_line(s, (size_t)((newline ? newline : end) - s), a, out);
		s = newline ? newline + 1 : end;
	}
}

/* fnmatch has no `**`: the glob is matched part by part, and `**` takes any number of parts. */
static bool match_parts(const char *glob, const char *path)
{
	size_t g = strcspn(glob, "/"), p = strcspn(path, "/");
	char part[256], name[256];

	if (!*glob)
		return !*path;
	if (g == 2 && glob[0] == '*' && glob[1] == '*') {
		if (!glob[2])
			return *path !=
			       0; /* a glob that ends so takes everything inside, not the directory itself */
		for (;; path += strcspn(path, "/") + 1) {
			if (match_parts(glob + 3, path))
				return true;
			if (!path[strcspn(path, "/")])
				return false;
		}
	}
	if (!*path || g >= sizeof(part) || p >= sizeof(name))
		return false;
	memcpy(part, glob, g);
	memcpy(name, path, p);
	part[g] = name[p] = 0;
	if (fnmatch(part, name, 0))
		return false;
	if (!glob[g] || !path[p])
		return !glob[g] && !path[p];
	return match_parts(glob + g + 1, path + p + 1);
}

bool ignore_matches(const struct ignore *ignore, const char *path, bool directory)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = ignore->patterns.n; i-- > 0;) {
		const struct ignore_pattern *p = &ignore->patterns.items[i];

		if (p->directories_only && !directory)
			continue;
		if (match_parts(p->glob, p->anchored ? path : name))
			return !p->negated;
	}
	return false;
}
