/* A file of documents, all the way: config, model, and the part of every node. */
#include "fuzz.h"

#include <string.h>

#include "model/site.h"

static const struct source_file files[] = {
	{ "a.json", "mesh/a.json", false, { "{}", 2 }, true },
	{ "fuzz.yaml", "mesh/fuzz.yaml", true, { NULL, 0 }, true },
};

static void make_sites(const struct model *m, const struct tree *tree, struct arena *a)
{
	vec_each (node, &m->nodes) {
		struct diags d = { .arena = a };
		struct texts sources = { 0 };
		struct site *site;

		promise(site_sources(m, node->name, tree, a, &sources, &d));
		vec_each (path, &sources.list)
			promise(source_find(tree, *path));
		site = site_make(m, node->name, tree, a, &d);
		promise(!site == (d.errors > 0));
		if (!site)
			continue;
		site_facts(site, a, &site->facts);
		site_check(site, false, &d);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct diags d = { .arena = &a };
	struct config config = { 0 };
	struct source_file *copy = arena_dup(&a, files, sizeof(files));
	struct tree tree = { "mesh", "sha256:0", copy, 2 };
	const struct model *m = NULL;
	bool ok;

	copy[1].content = (struct bytes){ arena_strndup(&a, (const char *)data, size), size };
	ok = config_read(&tree, &a, &config, &d);
	promise(ok == !d.errors);
	if (!config.requires)
		m = model_load(&config, &a, &d);
	promise(!m || !d.errors);
	if (m)
		make_sites(m, &tree, &a);
	diag_sort(&d);
	vec_each (it, &d.list) {
		promise(!it->pos.file || !it->pos.line || it->pos.column);
		promise(*diag_line(it, &a));
	}
	arena_finish(&a);
	return 0;
}
