/* Which of a server's references is wanted, and what it is. Pure. */
#ifndef FETCH_REFS_H
#define FETCH_REFS_H

#include "fetch/pkt.h"

/* At most one is set. None: HEAD. */
struct wish {
	const char *branch, *tag, *semver;
};

struct choice {
	const char *name;   /* of the reference; that of the branch, if HEAD stands for one */
	const char *commit; /* hexadecimal; of what lists no peeled ids, that of an annotated tag's object */
	const char *tag;    /* object of an annotated tag; NULL: none */
};

/* The request ls-refs for it (gitprotocol-v2(5)). */
struct bytes refs_request(const struct wish *wish, struct arena *a);
/* False: `*problem` says what the server lacks, and what it has that is near. */
bool refs_choose(const struct refs *refs, const struct wish *wish, struct arena *a, struct choice *out,
	const char **problem);

#endif
