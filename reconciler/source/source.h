/*
 * A source: the files of one revision, from a directory or an archive. Reading is an effect; what comes out is
 * plain data.
 */
#ifndef SOURCE_SOURCE_H
#define SOURCE_SOURCE_H

#include "base/diag.h"
#include "base/file.h"

enum {
	SOURCE_FILE_MAX = 1024 * 1024,       /* bytes of one file */
	SOURCE_BYTES_MAX = 64 * 1024 * 1024, /* of all files that are read */
	SOURCE_FILES_MAX = 100000,
};

struct source_file {
	const char *path;     /* from the root of the source; no "." and ".." parts */
	const char *shown;    /* as messages name it: with the path of the source in front */
	bool document;        /* YAML that .enmeshignore does not hide */
	struct bytes content; /* of documents, and of what source_load was called for */
	bool loaded;
};

struct tree {
	const char *origin;        /* what the user called it */
	const char *revision;      /* of a directory, a digest of what was read: "sha256:…"; else the commit */
	struct source_file *files; /* in the order of their paths */
	size_t n_files;
	struct bytes ignore; /* .enmeshignore; data NULL: there is none */
	bool archived; /* its revision is what it was taken from, and what is not loaded is too large to be */
};

/*
 * Reads a directory: the paths of all its files, and the content of those that are documents (*.yaml, *.yml).
 * Names that begin with a dot are left out, and so is what .enmeshignore in its root matches (as documents;
 * source_load still finds it). A symbolic link to a file below the root is read; one that leads out of it, or to a
 * directory, is an error, and so is anything that is neither file nor directory. A source without any document is
 * an error.
 */
bool source_read(const char *path, struct arena *a, struct tree *out, struct diags *d);

/*
 * Pure: the files of an archive (tar.h). `origin` and `revision` are the tree's, `prefix` is what messages put
 * before paths (NULL: nothing). `links`: what the archive could not hold, [{path, kind}] with kind "link",
 * "submodule" or "large"; .enmeshignore may hide it, else the first two are errors (NULL: there is none). A source
 * without any document is an error.
 */
bool source_unpack(const struct bytes *archive, const char *origin, const char *revision, const char *prefix,
	const struct node *links, struct arena *a, struct tree *out, struct diags *d);

/*
 * Effect, without a network or root: the directory's files as they are in a revision of the git repository in
 * whose work tree it lies. `revision`: what `git rev-parse` takes; NULL: where HEAD left its upstream branch (git
 * merge-base HEAD @{upstream}).
 */
bool source_read_revision(
	const char *directory, const char *revision, struct arena *a, struct tree *out, struct diags *d);

/* For those that make trees. */
bool source_is_document(const char *path);
/* Puts the files in order; false: none of them is a document, which is an error. */
bool source_finish(struct tree *t, struct diags *d);

/* NULL: there is no such file. */
struct source_file *source_find(const struct tree *t, const char *path);

/* Reads the content of a file that is no document. The revision takes it in by source_revise. Effect. */
bool source_load(const struct tree *t, struct source_file *f, struct arena *a, struct diags *d);
/* Gives the tree the revision of the documents and of all that was loaded. Pure. */
void source_revise(struct tree *t, struct arena *a);

#endif
