/*
 * SSH signatures of files and git objects, as `ssh-keygen -Y sign` makes them. Pure.
 * Source: OpenSSH's PROTOCOL.sshsig.
 */
#ifndef FETCH_SSHSIG_H
#define FETCH_SSHSIG_H

#include "fetch/ssh_key.h"

enum { SSHSIG_MAX = 64 * 1024 }; /* bytes of the armored text */

struct sshsig {
	struct ssh_key key;
	const char *name_space; /* what it was made for: "git" */
	const char *hash;       /* "sha512" or "sha256" */
	struct wire signature;
};

/* Whether the text begins as one does. */
bool sshsig_is(const struct bytes *text);
/* False: `*problem` says what is wrong with it. */
bool sshsig_read(const struct bytes *text, struct arena *a, struct sshsig *out, const char **problem);
/* Whether it is its key's signature of the message. False: `*problem` says why. */
bool sshsig_verify(const struct sshsig *s, const struct bytes *message, struct arena *a, const char **problem);

#endif
