/*
 * Keeping enmesh's own repository in order, which nobody else does: libgit2 has no `git gc`, and what a process
 * leaves that is killed in the middle stays.
 */
#ifndef FETCH_TIDY_H
#define FETCH_TIDY_H

#include <git2.h>
#include <stdbool.h>

#include "base/arena.h"

/*
 * Waits until no other process fetches into `repository`, and keeps others out while this process lives. Then
 * removes what earlier ones left half done: locks and parts of packs. `anew`: everything, for it is damaged; so it
 * is where packs have become very many. What is in the store does not depend on it. Returns 0 or -errno (-EPERM:
 * others own some of it, or may write there); what cannot be removed is no error.
 */
int tidy_begin(const char *repository, bool anew);

/* For who only reads: keeps those out who change it. Returns 0 or -errno. */
int tidy_share(const char *repository);

/* Each fetch adds a pack. Many small ones are made one; if that does not work all stays as it is. */
void tidy_packs(git_repository *repository, struct arena *a);

#endif
