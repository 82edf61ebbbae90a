#include "cli/place.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

/* By its words alone: a link is what it is called. */
static const char *absolute(const char *path, struct arena *a)
{
	char directory[PATH_MAX], *all, *part, *rest;
	struct str out = { .arena = a };

	if (!getcwd(directory, sizeof(directory)))
		return NULL;
	all = *path == '/' ? arena_strdup(a, path) : arena_printf(a, "%s/%s", directory, path);
	for (rest = all; (part = strsep(&rest, "/"));) {
		if (!*part || !strcmp(part, "."))
			continue;
		if (strcmp(part, "..") != 0)
			str_printf(&out, "/%s", part);
		else if (out.n)
			out.s[out.n = (size_t)(strrchr(out.s, '/') - out.s)] = 0;
	}
	return str_text(&out);
}

const char *place_in_repository(const char *path, struct arena *a)
{
	const char *all = absolute(path, a);
	char *root = all ? arena_strdup(a, all) : NULL, *slash;

	while (root && (slash = strrchr(root, '/'))) {
		*slash = 0;
		if (access(arena_printf(a, "%s/.git", root), F_OK) == 0)
			return all + (slash - root) + 1;
	}
	return path;
}
