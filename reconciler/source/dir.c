#include "source/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/str.h"
#include "source/ignore.h"

enum { DIR_DEPTH_MAX = 32 };

struct reading {
	const char *root; /* as messages show it, without a slash at the end */
	int fd;
	struct arena *arena;
	struct diags *diags;
	struct ignore ignore;
	vec_of(struct source_file) files;
	size_t bytes;
	bool ok;
};

static struct pos place(const char *shown)
{
	return (struct pos){ .file = shown };
}

static bool fail(struct reading *r, const char *shown, int error)
{
	r->ok = false;
	switch (error) {
	case EXDEV:
		return diag_error(
			r->diags, place(shown), "this symbolic link leads out of the source; put the file here");
	case ELOOP:
		return diag_error(r->diags, place(shown), "this symbolic link leads to itself");
	case EFBIG:
		return diag_error(
			r->diags, place(shown), "the file is larger than %d KiB", SOURCE_FILE_MAX / 1024);
	case EINVAL:
		return diag_error(r->diags, place(shown),
			"this is neither a file nor a directory; remove it or name it in .enmeshignore");
	default:
		return diag_error(r->diags, place(shown), "cannot be read: %s", strerror(error));
	}
}

static bool read_content(struct reading *r, const char *path, const char *shown, struct bytes *content)
{
	/* Non-blocking: a FIFO must not stop the pass. */
	scoped(close_fd) int fd = file_open_beneath(r->fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	int error = fd < 0 ? fd : file_read_fd(fd, SOURCE_FILE_MAX, r->arena, content);

	if (error)
		return fail(r, shown, -error);
	r->bytes += content->size;
	if (r->bytes <= SOURCE_BYTES_MAX)
		return true;
	r->ok = false;
	return diag_error(r->diags, place(r->root), "the source holds more than %d MiB of documents",
		SOURCE_BYTES_MAX / 1024 / 1024);
}

static bool is_yaml(const char *name)
{
	return str_ends(name, ".yaml") || str_ends(name, ".yml");
}

/* False: give up altogether. */
static bool add_file(struct reading *r, const char *path, bool ignored)
{
	struct source_file *f;

	if (r->files.n == SOURCE_FILES_MAX) {
		r->ok = false;
		return diag_error(
			r->diags, place(r->root), "the source holds more than %d files", SOURCE_FILES_MAX);
	}
	f = vec_push(r->arena, &r->files);
	f->path = path;
	f->shown = arena_printf(r->arena, "%s/%s", r->root, path);
	f->document = is_yaml(path) && !ignored;
	if (f->document)
		f->loaded = read_content(r, path, f->shown, &f->content);
	return r->bytes <= SOURCE_BYTES_MAX;
}

/* A link counts as what it leads to, so long as that is below the root. */
static bool type_of(struct reading *r, const char *path, const char *shown, mode_t *type)
{
	scoped(close_fd) int fd = file_open_beneath(r->fd, path, O_PATH);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(r, shown, fd < 0 ? -fd : errno);
	*type = st.st_mode & S_IFMT;
	return true;
}

static bool read_dir(struct reading *r, const char *path, bool ignored, int depth);

static bool read_entry(struct reading *r, const struct dirent *entry, const char *path, bool ignored, int depth)
{
	const char *shown = arena_printf(r->arena, "%s/%s", r->root, path);
	bool hidden = ignored || ignore_matches(&r->ignore, path, entry->d_type == DT_DIR);
	mode_t type = S_IFREG;

	if (entry->d_type == DT_DIR)
		return read_dir(r, path, hidden, depth + 1);
	if (entry->d_type == DT_REG)
		return add_file(r, path, hidden);
	/* Only what would be a document must be readable; what is hidden may be anything. */
	if (hidden)
		return true;
	if (!type_of(r, path, shown, &type))
		return true;
	if (type == S_IFREG)
		return add_file(r, path, hidden);
	if (type == S_IFDIR && entry->d_type == DT_LNK) {
		r->ok = diag_error(r->diags, place(shown),
			"a symbolic link to a directory is not followed; name it in .enmeshignore or put the "
			"files here");
		return true;
	}
	if (type == S_IFDIR)
		return read_dir(r, path, hidden, depth + 1);
	fail(r, shown, EINVAL);
	return true;
}

static void dir_release(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static bool read_dir(struct reading *r, const char *path, bool ignored, int depth)
{
	const char *shown = *path ? arena_printf(r->arena, "%s/%s", r->root, path) : r->root;
	int fd = file_open_beneath(r->fd, *path ? path : ".", O_RDONLY | O_DIRECTORY);
	scoped(dir_release) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool go_on = true;

	if (!dir) {
		fail(r, shown, fd < 0 ? -fd : errno);
		return true;
	}
	if (depth > DIR_DEPTH_MAX) {
		r->ok = false;
		return diag_error(r->diags, place(shown), "nested deeper than %d directories", DIR_DEPTH_MAX);
	}
	for (const struct dirent *entry; go_on && (entry = readdir(dir));) {
		if (entry->d_name[0] != '.')
			go_on = read_entry(r, entry,
				*path ? arena_printf(r->arena, "%s/%s", path, entry->d_name)
				      : arena_strdup(r->arena, entry->d_name),
				ignored, depth);
	}
	return go_on;
}

static int by_path(const void *left, const void *right)
{
	const struct source_file *a = left, *b = right;

	return strcmp(a->path, b->path);
}

static void read_ignore(struct reading *r)
{
	scoped(close_fd) int fd = file_open_beneath(r->fd, ".enmeshignore", O_RDONLY | O_NONBLOCK);
	const char *shown = arena_printf(r->arena, "%s/.enmeshignore", r->root);
	struct bytes text;
	int error;

	if (fd == -ENOENT)
		return;
	error = fd < 0 ? fd : file_read_fd(fd, SOURCE_FILE_MAX, r->arena, &text);
	if (error)
		fail(r, shown, -error);
	else
		ignore_parse(&text, r->arena, &r->ignore);
}

static const char *revision_of(const struct reading *r)
{
	struct digest *digest = digest_start(r->arena);

	vec_each (f, &r->files) {
		if (!f->document)
			continue;
		digest_add_text(digest, f->path);
		digest_add(digest, f->content.data, f->content.size);
	}
	return arena_printf(r->arena, "sha256:%.12s", digest_end(digest, r->arena));
}

static const char *without_slashes(const char *path, struct arena *a)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return arena_strndup(a, path, n);
}

bool source_read(const char *path, struct arena *a, struct tree *out, struct diags *d)
{
	struct reading r = { .root = without_slashes(path, a), .fd = -1, .arena = a, .diags = d, .ok = true };
	scoped(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t documents = 0;

	if (fd < 0)
		return errno == ENOTDIR
			       ? diag_failure(d, "the source %s is no directory", path)
			       : diag_failure(d, "the source %s cannot be read: %s", path, strerror(errno));
	r.fd = fd;
	read_ignore(&r);
	read_dir(&r, "", false, 0);
	if (!r.ok)
		return false;
	qsort(r.files.items, r.files.n, sizeof(*r.files.items), by_path);
	vec_each (f, &r.files)
		documents += f->document;
	if (!documents)
		return diag_failure(d,
			"the source %s holds no documents (*.yaml, *.yml); an empty source is no desired state",
			path);
	*out = (struct tree){ path, revision_of(&r), r.files.items, r.files.n };
	return true;
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

bool source_load(const struct tree *t, struct source_file *f, struct arena *a, struct diags *d)
{
	struct reading r = { .root = t->origin, .fd = -1, .arena = a, .diags = d, .ok = true };
	scoped(close_fd) int fd = -1;

	if (f->loaded)
		return true;
	fd = open(t->origin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(&r, t->origin, errno);
	r.fd = fd;
	f->loaded = read_content(&r, f->path, f->shown, &f->content);
	return f->loaded;
}
