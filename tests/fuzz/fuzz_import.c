/* Istio's settings: an env file, a line "--", and flags, each on a line. Nothing in them gets out of its place. */
#include "fuzz.h"

#include <string.h>

#include "cli/import.h"
#include "config/config.h"
#include "config/yaml.h"

enum { DOCUMENTS = 5, FLAGS_MAX = 64 };

static size_t split(char *text, const char *words[FLAGS_MAX])
{
	size_t n = 0;

	for (char *line = text; line && n < FLAGS_MAX; n++) {
		char *end = strchr(line, '\n');

		words[n] = line;
		if (end)
			*end = 0;
		line = end ? end + 1 : NULL;
	}
	return n;
}

/* What the schemas refuse is a line that has somebody to blame. */
static void check(struct import *im, const char *text)
{
	struct diags d = { .arena = im->arena };
	const struct bytes bytes = { text, strlen(text) };
	struct source_file file = { "a.yaml", "a.yaml", true, bytes, true };
	struct tree tree = { "test", "test", &file, 1 };
	struct yaml_documents documents = { 0 };
	struct config config = { 0 };

	promise(yaml_read("a.yaml", &bytes, im->arena, &documents, &d) || d.errors);
	promise(documents.list.n == DOCUMENTS);
	d = (struct diags){ .arena = im->arena };
	config_read(&tree, im->arena, &config, &d);
	vec_each (it, &d.list) {
		promise(it->pos.line && it->pos.line <= im->lines.n);
		promise(im->values[im->lines.items[it->pos.line - 1]].text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct diags d = { .arena = &a };
	struct import im = { .arena = &a, .diags = &d, .node = "node", .address = "192.0.2.1", .envoy_user = -1 };
	struct import_variables variables = { 0 };
	char *text = arena_strndup(&a, (const char *)data, size), *flags = strstr(text, "\n--\n");
	const char *words[FLAGS_MAX], *out;
	struct bytes file = { text, flags ? (size_t)(flags - text) : strlen(text) };
	bool ok = import_read_file("x.env", &file, &a, &variables, &d);

	promise(ok == !d.errors);
	ok &= import_use_variables(&im, &variables);
	if (flags)
		ok &= import_use_flags(&im, words, split(flags + 4, words));
	promise(ok == !d.errors);
	out = import_write(&im);
	promise(out || d.errors);
	if (out)
		check(&im, out);
	arena_finish(&a);
	return 0;
}
