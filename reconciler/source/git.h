/*
 * Git as a source: a server's repository, of which one commit is wanted, and the work tree that a directory lies
 * in. All of git is done by enmesh-fetch (worker.h); this process never opens a repository.
 */
#ifndef SOURCE_GIT_H
#define SOURCE_GIT_H

#include "source/source.h"

struct git_spec {
	const char *url; /* https://, http://, ssh:// or file:// */
	bool bundle;     /* the address is that of a bundle (fetch/bundle.h), not of a repository */
	/* Which commit; at most one. None: what the server's HEAD is. */
	const char *branch, *tag, *semver, *commit;
	const char *path; /* the root of the source in it; NULL: its own */
	/* Files; NULL: none. */
	const char *token_file, *password_file, *cert_file, *key_file, *ca_file, *ssh_key_file, *known_hosts_file;
	const char *username; /* beside password_file, and for ssh; NULL: "git" */
	const char *proxy;
	/* Who must have signed; NULL: that nobody asks for a signature. */
	const char *allowed_signers_file, *revoked_file, *keyring_file;
	bool verify_tag;  /* the tag instead of the commit */
	const char *user; /* as whom enmesh-fetch runs if this is root */
	long long timeout_ms;
	bool (*stopped)(void);
};

struct git_revision {
	const char *commit; /* hexadecimal */
	const char *ref;    /* where it was found: "refs/heads/main"; NULL: given as commit */
	const char *tag;    /* object of an annotated tag; NULL: none */
	const char *etag;   /* of a bundle; NULL: none */
	bool unchanged;     /* it is the one that the caller knew; nothing was fetched */
};

/*
 * Effect: brings the commit that the spec means into `repository` (a bare repository of enmesh's own, made if need
 * be). `known`: the commit (of a bundle, the entity tag) of the last time, or NULL; if it is still that, this is
 * one question to the server. A repository that is found damaged, or of which the caller says so (`damaged`), is
 * emptied first.
 */
bool git_fetch(const struct git_spec *spec, const char *repository, const char *known, bool damaged,
	struct arena *a, struct git_revision *out, struct diags *d);

/* What the node is told by: address, reference and path in one line. */
const char *git_name(const struct git_spec *spec, struct arena *a);
/* Whether somebody must have signed; `spec` may be NULL. */
bool git_is_verified(const struct git_spec *spec);
/*
 * Digest of what decides who may sign; NULL in `*out`: nobody has to. Effect: reads the files. False: an error was
 * added.
 */
bool git_policy(const struct git_spec *spec, struct arena *a, const char **out, struct diags *d);

struct git_files {
	struct bytes archive;     /* tar.h */
	const struct node *links; /* what it could not hold, as source_unpack has it */
	const char *verified;     /* who signed; NULL: nobody had to */
	const char *commit;       /* of a bundle: what stands for its revision */
	const char *sequence;     /* of a bundle: a number that grows from one to the next */
	bool damaged;             /* of one that failed: because the repository is, perhaps */
};

/*
 * Effect, without a network: the files of that commit, if the signature is what the spec asks for and the commit
 * descends from `ancestor` (NULL: it need not); of a bundle, if its sequence is not below that of `ancestor`.
 */
bool git_read(const struct git_spec *spec, const char *repository, const struct git_revision *revision,
	const char *ancestor, struct arena *a, struct git_files *out, struct diags *d);

#endif
