/* YAML to nodes, and what is read is written and read back equal: as YAML, and as JSON. */
#include "fuzz.h"

#include <string.h>

#include "base/json.h"
#include "config/yaml.h"

static void check_yaml(const struct node *n, struct arena *a)
{
	const char *text = yaml_write(n, a);
	struct yaml_documents again = { 0 };
	struct diags d = { .arena = a };

	promise(yaml_read("again", &(struct bytes){ text, strlen(text) }, a, &again, &d));
	promise(again.list.n == 1 && node_equal(n, again.list.items[0]));
}

static void check_json(const struct node *n, struct arena *a)
{
	const char *problem, *text = json_write(n, JSON_INDENTED, a);
	const struct node *again = json_read(text, strlen(text), a, &problem);

	promise(again && node_equal(n, again));
	promise(node_hash(n) == node_hash(again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct diags d = { .arena = &a };
	struct yaml_documents documents = { 0 };
	bool ok = yaml_read(
		"f", &(struct bytes){ arena_strndup(&a, (const char *)data, size), size }, &a, &documents, &d);

	promise(ok == !d.errors);
	diag_sort(&d);
	vec_each (it, &d.list)
		diag_line(it, &a);
	if (ok)
		vec_each (n, &documents.list) {
			check_yaml(*n, &a);
			check_json(*n, &a);
		}
	arena_finish(&a);
	return 0;
}
