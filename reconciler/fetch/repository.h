/* libgit2, set up so that nothing but the repository in question counts. */
#ifndef FETCH_REPOSITORY_H
#define FETCH_REPOSITORY_H

#include "fetch/request.h"

void repository_set_up(void);
/* Answers with libgit2's last error, and ends the program. */
_Noreturn void repository_fail(const struct request *r);

#endif
