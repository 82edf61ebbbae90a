/* check_json SCHEMA_DIR SCHEMA FILE: whether a document is as its schema says, by enmesh's own validator. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/file.h"
#include "base/json.h"
#include "config/schema.h"

enum { SIZE_MAX_ = 64 * 1024 * 1024 };

static struct node *read_json(const char *path, struct arena *a)
{
	const char *problem = "cannot be read";
	struct node *n = NULL;
	struct bytes text;

	if (file_read(AT_FDCWD, path, SIZE_MAX_, a, &text) == 0)
		n = json_read(text.data, text.size, a, &problem);
	if (!n)
		fprintf(stderr, "%s: %s\n", path, problem);
	return n;
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "diagnostics.schema.json", "plan.schema.json", "render.schema.json",
		"status.schema.json" };
	struct arena a = { 0 };
	struct diags d = { .arena = &a };
	struct node files = { .type = NODE_MAP }, *document;
	struct schema_set *set;
	bool ok;

	if (argc != 4)
		return 64;
	for (size_t i = 0; i < array_len(names); i++) {
		const struct node *schema = read_json(arena_printf(&a, "%s/%s", argv[1], names[i]), &a);

		if (!schema)
			return 1;
		node_put_node(&a, &files, names[i], schema);
	}
	document = read_json(argv[3], &a);
	if (!document)
		return 1;
	node_link(document);
	set = schema_set_new(&files, &a);
	ok = schema_check(set, arena_printf(&a, "%s.schema.json", argv[2]), document, &d);
	vec_each (diag, &d.list)
		fprintf(stderr, "%s\n", diag_line(diag, &a));
	schema_set_finish(set);
	arena_finish(&a);
	return ok ? 0 : 1;
}
