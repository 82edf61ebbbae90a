#include "config/keep.h"

#include <string.h>

static const struct source_file *keep_file(const struct source_file *f, struct arena *a)
{
	struct source_file *copy = arena_new(a, struct source_file);
	char *data = arena_alloc(a, f->content.size + 1);

	memcpy(data, f->content.data, f->content.size);
	*copy = *f;
	copy->path = arena_strdup(a, f->path);
	copy->shown = arena_strdup(a, f->shown);
	copy->content = (struct bytes){ data, f->content.size };
	return copy;
}

static struct document keep_document(const struct document *doc, const char *shown, struct arena *a)
{
	struct node *root = node_clone(doc->root, doc->root->file ? shown : NULL, a);
	struct document copy = *doc;

	node_link(root);
	copy.root = root;
	copy.spec = node_get(root, "spec");
	copy.name = arena_strdup(a, doc->name);
	copy.namespace = doc->namespace ? arena_strdup(a, doc->namespace) : NULL;
	return copy;
}

void config_keep(struct config_kept *kept)
{
	const struct config *config = kept->latest;
	struct config_kept next = { 0 };
	struct arena *a = &next.arena;

	kept->latest = NULL;
	if (!config)
		return;
	if (kept->config && !config->n_read && config->files.n == kept->config->files.n)
		return;
	next.config = arena_new(a, struct config);
	vec_each (file, &config->files) {
		struct config_file *copy = vec_push(a, &next.config->files);

		*copy = *file;
		copy->file = keep_file(file->file, a);
		for (size_t i = 0; i < file->n; i++)
			*vec_push(a, &next.config->documents) =
				keep_document(&config->documents.items[file->first + i], copy->file->shown, a);
	}
	config_kept_finish(kept);
	*kept = next;
}

void config_kept_finish(struct config_kept *kept)
{
	arena_finish(&kept->arena);
	kept->config = NULL;
}
