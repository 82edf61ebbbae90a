/* libgit2, set up so that nothing but the repository in question counts. */
#ifndef FETCH_REPOSITORY_H
#define FETCH_REPOSITORY_H

#include "fetch/request.h"

void repository_set_up(void);
/*
 * Empties enmesh-fetch's own repository if it has grown old: each fetch adds a pack, and nobody puts them
 * together. `anew`: in any case, for it is damaged. What is in the store does not depend on it.
 */
void repository_renew(const char *path, bool anew);
/* Answers with libgit2's last error, and whether the repository may be damaged, and ends the program. */
_Noreturn void repository_fail(const struct request *r);

#endif
