#include "source/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "source/ignore.h"

enum { DIR_DEPTH_MAX = 32 };

#define NEITHER "this is neither a file nor a directory; remove it or name it in .enmeshignore"

struct reading {
	const char *root; /* as messages show it, without a slash at the end */
	int fd;
	struct arena *arena;
	struct diags *diags;
	struct ignore ignore;
	struct bytes ignore_text;
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
		return diag_error(r->diags, place(shown),
			"this symbolic link leads to itself, or links are not followed here");
	case EFBIG:
		return diag_error(
			r->diags, place(shown), "the file is larger than %d KiB", SOURCE_FILE_MAX / 1024);
	case EINVAL:
		return diag_error(r->diags, place(shown), NEITHER);
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
	f->document = source_is_document(path) && !ignored;
	if (f->document)
		f->loaded = read_content(r, path, f->shown, &f->content);
	return r->bytes <= SOURCE_BYTES_MAX;
}

static bool unsuitable(struct reading *r, const char *path, const char *why)
{
	r->ok = false;
	return diag_error(r->diags, place(arena_printf(r->arena, "%s/%s", r->root, path)), "%s", why);
}

/* A link counts as the file that it leads to, so long as that is below the root. False: give up altogether. */
static bool read_link(struct reading *r, const char *path)
{
	scoped(close_fd) int fd = file_open_beneath(r->fd, path, O_PATH);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return add_file(r, path, false);
	if (fd == -ENOENT)
		unsuitable(r, path, "this symbolic link leads nowhere");
	else if (fd < 0)
		fail(r, arena_printf(r->arena, "%s/%s", r->root, path), -fd);
	else if (S_ISDIR(st.st_mode))
		unsuitable(r, path,
			"a symbolic link to a directory is not followed; name it in .enmeshignore or put the "
			"files here");
	else
		unsuitable(r, path, NEITHER);
	return true;
}

static bool read_dir(struct reading *r, const char *path, bool ignored, int depth);

/* False: give up altogether. */
static bool read_entry(struct reading *r, const char *path, unsigned char type, bool ignored, int depth)
{
	ignored |= ignore_matches(&r->ignore, path, type == DT_DIR);
	if (type == DT_DIR)
		return read_dir(r, path, ignored, depth + 1);
	if (type == DT_REG)
		return add_file(r, path, ignored);
	/* What is hidden may be anything. */
	if (ignored)
		return true;
	if (type == DT_LNK)
		return read_link(r, path);
	unsuitable(r, path, NEITHER);
	return true;
}

/* Some file systems do not say the type of an entry. */
static unsigned char type_of(int dir, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN || fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return entry->d_type;
	return IFTODT(st.st_mode);
}

static bool read_dir(struct reading *r, const char *path, bool ignored, int depth)
{
	const char *shown = *path ? arena_printf(r->arena, "%s/%s", r->root, path) : r->root;
	int fd = file_open_beneath(r->fd, *path ? path : ".", O_RDONLY | O_DIRECTORY);
	scoped(close_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		fail(r, shown, fd < 0 ? -fd : errno);
		return true;
	}
	if (depth > DIR_DEPTH_MAX) {
		r->ok = false;
		return diag_error(r->diags, place(shown), "nested deeper than %d directories", DIR_DEPTH_MAX);
	}
	while (errno = 0, (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (name[0] == '.')
			continue;
		name = *path ? arena_printf(r->arena, "%s/%s", path, name) : arena_strdup(r->arena, name);
		if (!read_entry(r, name, type_of(fd, entry), ignored, depth))
			return false;
	}
	if (errno)
		fail(r, shown, errno);
	return true;
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
	else if (!ignore_parse(&text, r->arena, &r->ignore))
		r->ok = diag_error(r->diags, place(shown), "more than %d patterns", IGNORE_PATTERNS_MAX);
	else
		r->ignore_text = text;
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

	if (fd < 0)
		return errno == ENOTDIR
			       ? diag_failure(d, "the source %s is no directory", path)
			       : diag_failure(d, "the source %s cannot be read: %s", path, strerror(errno));
	r.fd = fd;
	read_ignore(&r);
	read_dir(&r, "", false, 0);
	if (!r.ok)
		return false;
	*out = (struct tree){
		.origin = path, .files = r.files.items, .n_files = r.files.n, .ignore = r.ignore_text
	};
	source_revise(out, a);
	return source_finish(out, d);
}

bool source_load(const struct tree *t, struct source_file *f, struct arena *a, struct diags *d)
{
	struct reading r = { .root = t->origin, .fd = -1, .arena = a, .diags = d, .ok = true };
	scoped(close_fd) int fd = -1;

	if (f->loaded)
		return true;
	if (t->archived)
		return fail(&r, f->shown, EFBIG);
	fd = open(t->origin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(&r, t->origin, errno);
	r.fd = fd;
	f->loaded = read_content(&r, f->path, f->shown, &f->content);
	return f->loaded;
}
