/* Patterns of .enmeshignore, and behind the last newline a path. */
#include "fuzz.h"

#include <string.h>

#include "source/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct ignore ignore = { 0 };
	const char *newline = memrchr(data, '\n', size);
	size_t n = newline ? (size_t)(newline + 1 - (const char *)data) : 0;
	const struct bytes text = { arena_strndup(&a, (const char *)data, n), n };
	const char *path = arena_strndup(&a, (const char *)data + n, size - n);

	if (ignore_parse(&text, &a, &ignore)) {
		bool file = ignore_matches(&ignore, path, false);

		/* Without patterns for directories only, there is no difference. */
		if (!memmem(text.data, n, "/\n", 2) && !memmem(text.data, n, "/\r", 2) &&
			!memmem(text.data, n, "/ ", 2))
			promise(file == ignore_matches(&ignore, path, true));
	}
	arena_finish(&a);
	return 0;
}
