/* libgit2, set up so that nothing but the repository in question counts. */
#ifndef FETCH_REPOSITORY_H
#define FETCH_REPOSITORY_H

#include "fetch/request.h"

void repository_set_up(const struct request *r);
/* What libgit2 takes for the home directory; it is not there unless somebody makes it. */
const char *repository_home(const struct request *r);
/* Answers with libgit2's last error, and whether the repository may be damaged, and ends the program. */
_Noreturn void repository_fail(const struct request *r);

#endif
