/*
 * pkt-lines of git's wire protocol, and the answer to ls-refs of its version 2. Pure.
 * Source: gitprotocol-common(5), gitprotocol-v2(5).
 */
#ifndef FETCH_PKT_H
#define FETCH_PKT_H

#include "base/file.h"
#include "base/str.h"
#include "base/vec.h"

enum { PKT_REFS_MAX = 200000, PKT_ID_MAX = 64 };

/* A line with its length in front; not longer than 65516 bytes. */
void pkt_add(struct str *out, const char *line);
void pkt_add_delimiter(struct str *out);
void pkt_add_flush(struct str *out);

struct ref {
	const char *name;   /* "refs/heads/main", "HEAD"; no character that git forbids in a name */
	const char *id;     /* hexadecimal */
	const char *peeled; /* of an annotated tag, what it points to; NULL: it is none */
	const char *target; /* of HEAD, the branch that it stands for; NULL: none */
};

struct refs {
	vec_of(struct ref) list;
};

/* What a server tells of itself when it is asked for version 2. */
struct offer {
	bool version_2;
	const char *object_format; /* "sha1" */
};

/* The answer to info/refs; one of another version has what is said above as far as it is known. */
void pkt_read_offer(const struct bytes *answer, struct arena *a, struct offer *out);

/* False: it is no such answer, is cut off, says ERR, or lists more than PKT_REFS_MAX; `*problem` says which. */
bool pkt_read_refs(const struct bytes *answer, struct arena *a, struct refs *out, const char **problem);

#endif
