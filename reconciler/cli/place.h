/* Where files are for a service that knows a repository, not the directory in which somebody works. */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include "base/arena.h"

/*
 * The path from the root of the git work tree that the file lies in, without "." and ".." parts; as it is, if it
 * lies in none. Effect: looks for .git.
 */
const char *place_in_repository(const char *path, struct arena *a);

#endif
