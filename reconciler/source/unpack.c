#include "source/ignore.h"
#include "source/source.h"
#include "source/tar.h"

#include <string.h>

struct unpacking {
	struct arena *arena;
	struct diags *diags;
	const char *origin, *prefix;
	struct ignore ignore;
	struct bytes ignore_text;
	vec_of(struct source_file) files;
	size_t bytes;
	bool full;
};

static bool is_ignored(const struct unpacking *u, const char *path)
{
	/* A directory that is ignored hides what is in it. */
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
		if (ignore_matches(&u->ignore, arena_strndup(u->arena, path, (size_t)(slash - path)), true))
			return true;
	return ignore_matches(&u->ignore, path, false);
}

static const char *shown(const struct unpacking *u, const char *path)
{
	return u->prefix && *u->prefix ? arena_printf(u->arena, "%s/%s", u->prefix, path) : path;
}

static bool too_many(struct unpacking *u)
{
	u->full = true;
	return diag_failure(u->diags, "the source %s holds more than %d files", u->origin, SOURCE_FILES_MAX);
}

static struct source_file *add_file(struct unpacking *u, const char *path)
{
	struct source_file *f = vec_push(u->arena, &u->files);

	f->path = path;
	f->shown = shown(u, path);
	return f;
}

static bool add(void *context, const char *path, const struct bytes *content)
{
	struct unpacking *u = context;
	struct source_file *f;

	/* What begins with a dot is hidden, as in a directory. */
	if (path[0] == '.' || strstr(path, "/."))
		return true;
	if (u->files.n == SOURCE_FILES_MAX)
		return too_many(u);
	f = add_file(u, path);
	f->document = source_is_document(path) && !is_ignored(u, path);
	f->content = *content;
	f->loaded = true;
	u->bytes += f->document ? content->size : 0;
	u->full = u->bytes > SOURCE_BYTES_MAX || content->size > SOURCE_FILE_MAX;
	return !u->full ||
	       diag_error(u->diags, (struct pos){ .file = f->shown },
		       "with this file the source holds more than %d MiB of documents, or it is larger than "
		       "%d KiB",
		       SOURCE_BYTES_MAX / 1024 / 1024, SOURCE_FILE_MAX / 1024);
}

static bool find_ignore(void *context, const char *path, const struct bytes *content)
{
	struct unpacking *u = context;

	if (strcmp(path, ".enmeshignore"))
		return true;
	u->ignore_text = *content;
	if (ignore_parse(content, u->arena, &u->ignore))
		return true;
	u->full = true;
	return diag_error(
		u->diags, (struct pos){ .file = shown(u, path) }, "more than %d patterns", IGNORE_PATTERNS_MAX);
}

/* What a commit has besides files. What is hidden may be anything. */
static bool add_link(struct unpacking *u, const struct node *link)
{
	const char *path = node_get_text(link, "path"), *kind = node_get_text(link, "kind");
	struct pos pos = { .file = shown(u, path ? path : "") };

	if (!path || !kind || is_ignored(u, path))
		return true;
	if (!strcmp(kind, "link"))
		return diag_error(u->diags, pos,
			"a symbolic link is not followed in a repository; put the file here, or name it in "
			".enmeshignore");
	if (!strcmp(kind, "submodule"))
		return diag_error(u->diags, pos,
			"a submodule is not fetched; put the files here, or name it in .enmeshignore");
	if (source_is_document(path))
		return diag_error(u->diags, pos, "the file is larger than %d KiB", SOURCE_FILE_MAX / 1024);
	add_file(u, path); /* whoever names it is told that it is too large */
	return true;
}

bool source_unpack(const struct bytes *archive, const char *origin, const char *revision, const char *prefix,
	const struct node *links, struct arena *a, struct tree *out, struct diags *d)
{
	struct unpacking u = { .arena = a, .diags = d, .origin = origin, .prefix = prefix };
	const char *problem = NULL;
	bool ok = true;

	if (!tar_read(archive, find_ignore, &u, a, &problem) || !tar_read(archive, add, &u, a, &problem))
		return u.full ? false : diag_failure(d, "the files of %s are damaged: %s", origin, problem);
	node_each (link, links)
		ok &= add_link(&u, link);
	*out = (struct tree){ origin, revision, u.files.items, u.files.n, .ignore = u.ignore_text,
		.archived = true };
	return ok && source_finish(out, d);
}
