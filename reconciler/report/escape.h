/* Text of others (names, paths, messages of servers) made fit for a terminal. Pure. */
#ifndef REPORT_ESCAPE_H
#define REPORT_ESCAPE_H

#include "base/str.h"

/*
 * `s` with everything that would not show as itself escaped: control characters, line and paragraph separators and
 * changes of direction as \n, \t, \x1b or \u202e, bytes that are no UTF-8 as \xff. Gives back `s` if there is
 * nothing.
 */
const char *escape(const char *s, struct arena *a);

#endif
