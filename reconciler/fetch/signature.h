/* Who has signed a commit, a tag or a file, and whether that one may. Pure, but for what librnp does. */
#ifndef FETCH_SIGNATURE_H
#define FETCH_SIGNATURE_H

#include "base/file.h"

#define NAMESPACE_GIT "git"
#define NAMESPACE_BUNDLE "enmesh-bundle"

/* data NULL: there is none. */
struct signature_policy {
	struct bytes allowed_signers, revoked; /* SSH */
	struct bytes keyring;                  /* OpenPGP */
};

/*
 * `object`: of a git commit or annotated tag, as it is stored (without git's header of type and size). True:
 * `*who` has signed it and may. False: `*problem` says why not, for people.
 */
bool signature_check_object(const struct signature_policy *policy, const struct bytes *object, bool tag,
	struct arena *a, const char **who, const char **problem);

/* A file with a detached SSH signature. `when`: at which time the key must be valid, in seconds since 1970. */
bool signature_check_file(const struct signature_policy *policy, const struct bytes *file,
	const struct bytes *signature, const char *name_space, long long when, struct arena *a, const char **who,
	const char **problem);

/* The commit or other object that a tag names, hexadecimal; NULL: it is no tag. */
const char *signature_tag_target(const struct bytes *tag, struct arena *a);

#endif
