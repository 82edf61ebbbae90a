/* JSON, as an API server or our own state directory gives it. */
#include "fuzz.h"

#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	const char *problem = NULL, *text;
	const struct node *n = json_read((const char *)data, size, &a, &problem), *again;

	promise(n || problem);
	if (n) {
		text = json_write(n, size % 2 ? JSON_ONE_LINE : JSON_INDENTED, &a);
		again = json_read(text, strlen(text), &a, &problem);
		promise(again && node_equal(n, again));
	}
	arena_finish(&a);
	return 0;
}
