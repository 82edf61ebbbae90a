/*
 * SSH public keys: as text ("ssh-ed25519 AAAA…", one line of a .pub file), as a blob, and what a key has signed
 * (RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709, OpenSSH's PROTOCOL.u2f). Pure; libcrypto does the
 * arithmetic.
 */
#ifndef FETCH_SSH_KEY_H
#define FETCH_SSH_KEY_H

#include "fetch/ssh_wire.h"

enum {
	SSH_KEY_MAX = 8192, /* bytes of a key's or a signature's blob: an RSA key of 16384 bits has 2070 */
	SSH_RSA_BITS_MIN = 2048,
	SSH_RSA_BITS_MAX = 16384,
};

struct ssh_key {
	const char *type; /* "ssh-ed25519", as it is in the blob */
	struct bytes blob;
};

/* A blob that begins with the name of a type; no more of it is looked at. */
bool ssh_key_of(const struct bytes *blob, struct arena *a, struct ssh_key *out);
/*
 * Type and base64 at the front of `s`; what follows behind white space is a comment, or `*rest` (may be NULL).
 * False: it is no key, or its blob is of another type.
 */
bool ssh_key_read(const char *s, struct arena *a, struct ssh_key *out, const char **rest);
bool ssh_key_same(const struct ssh_key *x, const struct ssh_key *y);
/* "SHA256:…", as ssh-keygen -l shows it. */
const char *ssh_key_fingerprint(const struct ssh_key *key, struct arena *a);
/* A certificate: the key itself is inside of it. */
bool ssh_key_is_certificate(const struct ssh_key *key);

/*
 * Whether `key` has signed `message`; `signature` is the blob that begins with the name of its algorithm. Keys:
 * ssh-ed25519, ecdsa-sha2-nistp256, -nistp384 and -nistp521, ssh-rsa of SSH_RSA_BITS_MIN bits or more with
 * rsa-sha2-256 or rsa-sha2-512 (never SHA-1), and the two kinds of security keys, sk-ssh-ed25519@openssh.com and
 * sk-ecdsa-sha2-nistp256@openssh.com. As with ssh-keygen, a security key's touch is not demanded. False:
 * `*problem` says why; "" means that the signature does not match.
 */
bool ssh_key_verify(const struct ssh_key *key, struct wire signature, struct wire message, struct arena *a,
	const char **problem);

#endif
