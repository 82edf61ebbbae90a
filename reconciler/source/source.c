#include "source/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/str.h"

bool source_is_document(const char *path)
{
	return str_ends(path, ".yaml") || str_ends(path, ".yml");
}

static int by_path(const void *left, const void *right)
{
	const struct source_file *a = left, *b = right;

	return strcmp(a->path, b->path);
}

bool source_finish(struct tree *t, struct diags *d)
{
	size_t documents = 0;

	if (t->n_files)
		qsort(t->files, t->n_files, sizeof(*t->files), by_path);
	for (size_t i = 0; i < t->n_files; i++)
		documents += t->files[i].document;
	return documents > 0 || diag_failure(d,
					"the source %s holds no documents (*.yaml, *.yml); an empty source is no "
					"desired state",
					t->origin);
}

void source_revise(struct tree *t, struct arena *a)
{
	struct digest *digest;

	if (t->archived)
		return;
	digest = digest_start(a);
	for (size_t i = 0; i < t->n_files; i++) {
		const struct source_file *f = &t->files[i];

		if (!f->loaded)
			continue;
		digest_add_text(digest, f->path);
		digest_add(digest, f->content.data, f->content.size);
	}
	t->revision = arena_printf(a, "sha256:%.12s", digest_end(digest, a));
}

static int find_path(const void *key, const void *item)
{
	const struct source_file *f = item;

	return strcmp(key, f->path);
}

struct source_file *source_find(const struct tree *t, const char *path)
{
	return t->n_files ? bsearch(path, t->files, t->n_files, sizeof(*t->files), find_path) : NULL;
}
