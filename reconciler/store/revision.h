/*
 * The revisions of a remote source: which was observed last, and the last good one with its files, from which a
 * node converges when the source cannot be had. Kept in STATE_DIR: revision.json, and good/COMMIT.tar
 * (source/tar.h).
 */
#ifndef STORE_REVISION_H
#define STORE_REVISION_H

#include "base/file.h"

/* Strings are NULL where there is nothing to say. */
struct revision {
	const char *source; /* what it was read from: address, reference and path */
	const char *commit;
	const char *ref, *tag;
	const char *etag, *sequence; /* of a bundle */
	const char *verified;        /* who signed it */
	const char *policy;          /* digest of what decided who may; NULL: nobody had to sign */
};

struct revisions {
	struct revision observed; /* commit NULL: none */
	struct revision good;     /* commit NULL: none */
	long long observed_at;    /* when the source was last heard, in seconds since 1970; 0: never */
};

/* No record, or one that is damaged, is an empty one. 0 or -errno. Effect. */
int revisions_read(const char *state_dir, struct arena *a, struct revisions *out);
/* The files of the good revision, mapped for the life of the process. 0 or -errno. */
int revisions_archive(const char *state_dir, const struct revisions *r, struct arena *a, struct bytes *out);
/* Its documents (config/frozen.h), likewise. They are a saving of work, and may be missing. */
int revisions_documents(const char *state_dir, const struct revisions *r, struct arena *a, struct bytes *out);
int revisions_write_documents(
	const char *state_dir, const struct revisions *r, const struct bytes *documents, struct arena *a);
/*
 * Writes what differs from `before`. The files come before the record that names them, so that killed at any
 * instant there is a good revision or none; those of earlier ones are removed last. `archive`: of r->good, if it
 * is another than before; else NULL. 0 or -errno.
 */
int revisions_write(const char *state_dir, const struct revisions *r, const struct revisions *before,
	const struct bytes *archive, struct arena *a);
/* The source was heard just now, and nothing is new. */
void revisions_touch(const char *state_dir);
/* 0 or -errno; 0 if there was none. Takes the repository of enmesh-fetch with it. */
int revisions_remove(const char *state_dir);

#endif
