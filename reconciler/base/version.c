#include "base/version.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 3 };

const char version_text[] = ENMESH_VERSION;

/* The number of parts; 0: it is no version. What follows the last part of a version, such as "-rc1", is not looked
 * at. */
static size_t read_parts(const char *s, unsigned long parts[PARTS], const char **end)
{
	size_t n = 0;

	for (; n < PARTS && isdigit((unsigned char)*s); s++) {
		char *after;

		parts[n++] = strtoul(s, &after, 10); /* ULONG_MAX for what is larger still */
		s = after;
		if (*s != '.' || !isdigit((unsigned char)s[1]))
			break;
	}
	*end = s;
	return n;
}

bool version_meets(const char *version, const char *condition, bool *meets)
{
	bool or_more = condition[0] == '>', or_equal = condition[or_more] == '=';
	unsigned long have[PARTS] = { 0 }, wanted[PARTS] = { 0 };
	const char *end = condition + or_more + or_equal;
	size_t n = read_parts(end + strspn(end, " "), wanted, &end);
	int order = 0;

	if (!or_more && !or_equal)
		return false;
	if (!n || *end)
		return false;
	read_parts(version, have, &end);
	for (size_t i = 0; i < n && !order; i++)
		order = (have[i] > wanted[i]) - (have[i] < wanted[i]);
	*meets = order ? order > 0 && or_more : or_equal;
	return true;
}
