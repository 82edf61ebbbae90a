#include "base/cgroup.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

enum { MOUNTINFO_MAX = 16 * 1024 * 1024 };

/* The kernel writes blank, tab, newline and backslash as \ and three octal digits. */
static char *unescape(char *s)
{
	char *to = s;

	for (const char *from = s; *from; to++) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = 0;
	return s;
}

/* The mount point in a line of mountinfo, if it is one of cgroup v2. */
static char *mount_point(char *line, bool *read_only)
{
	char *dash = strstr(line, " - "), *field = line, *end;

	if (!dash || !str_starts(dash, " - cgroup2 "))
		return NULL;
	for (int i = 0; i < 4; i++) {
		field = strchr(field, ' ');
		if (!field)
			return NULL;
		field++;
	}
	end = strchr(field, ' ');
	if (!end)
		return NULL;
	*end = 0;
	*read_only = str_starts(end + 1, "ro,") || str_starts(end + 1, "ro ");
	return unescape(field);
}

const char *cgroup_mount(struct arena *a, int *error)
{
	const char *found = NULL;
	struct bytes text;
	char *line, *rest;

	*error = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, a, &text);
	if (*error)
		return NULL;
	for (line = strtok_r(arena_strdup(a, text.data), "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		bool read_only = false;
		const char *point = mount_point(line, &read_only);

		/* The first that can be written to; containers often have a second one that cannot. */
		if (point && (!found || !read_only))
			found = point;
		if (point && !read_only)
			break;
	}
	return found;
}
