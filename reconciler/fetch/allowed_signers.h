/*
 * Who may sign: ssh-keygen(1), "ALLOWED SIGNERS", and a list of keys that may not any more, a public key a line.
 * Pure. Certificate authorities and the binary lists of revoked keys (KRL) are not supported: the first are passed
 * over and named, the second are an error.
 */
#ifndef FETCH_ALLOWED_SIGNERS_H
#define FETCH_ALLOWED_SIGNERS_H

#include "fetch/ssh_key.h"

/*
 * Whether the key may sign in that namespace at that time (seconds since 1970). True: `*who` is the first of its
 * principals. False: `*problem` says why not, for people.
 */
bool signers_allow(const struct bytes *allowed, const struct ssh_key *key, const char *name_space, long long when,
	struct arena *a, const char **who, const char **problem);

/* Whether the list holds the key. False in `*readable`: it is no such list. */
bool signers_revoke(const struct bytes *revoked, const struct ssh_key *key, struct arena *a, bool *readable);

#endif
