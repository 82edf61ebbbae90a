/* The settings of a machine. */
#include "fuzz.h"

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct diags d = { .arena = &a };
	const struct bytes text = { arena_strndup(&a, (const char *)data, size), size };

	promise(!config_read_agent("agent.yaml", &text, &a, &d) == (d.errors > 0));
	arena_finish(&a);
	return 0;
}
