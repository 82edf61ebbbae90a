/* Text of others (names, paths, messages of servers) made fit for a terminal. Pure. */
#ifndef REPORT_ESCAPE_H
#define REPORT_ESCAPE_H

#include "base/node.h"
#include "base/str.h"

/*
 * `s` with everything that would not show as itself escaped: control characters, line and paragraph separators and
 * changes of direction as \n, \t, \x1b or \u202e, bytes that are no UTF-8 as \xff. Gives back `s` if there is
 * nothing.
 */
const char *escape(const char *s, struct arena *a);
/* The same of a member of a map; `absent`: it has none, or one that is no text. */
const char *escape_member(const struct node *map, const char *key, const char *absent, struct arena *a);

#endif
