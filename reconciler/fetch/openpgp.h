/*
 * OpenPGP signatures (RFC 4880) against a keyring of those who may sign, through librnp: in this process, since
 * nothing else may be started in it. No effects.
 */
#ifndef FETCH_OPENPGP_H
#define FETCH_OPENPGP_H

#include "base/file.h"

/* Opens the library, if it is installed; without it no signature is good. Before the sandbox, in which it cannot
 * be read. */
void openpgp_open(void);

bool openpgp_is(const struct bytes *signature);

/*
 * Whether a key of the ring has made the detached signature of the message, and might do so then. True: `*who` is
 * its first user and its fingerprint. False: `*problem` says why not, for people.
 */
bool openpgp_verify(const struct bytes *keyring, const struct bytes *message, const struct bytes *signature,
	struct arena *a, const char **who, const char **problem);

#endif
