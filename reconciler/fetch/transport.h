/*
 * The repositories of servers, as libgit2 reaches them. http:// and https:// go through http.h; libgit2's own
 * would have neither time limits nor client certificates.
 */
#ifndef FETCH_TRANSPORT_H
#define FETCH_TRANSPORT_H

#include <git2.h>

#include "fetch/http.h"

/* From here on libgit2 uses `h` for http:// and https://. `directory`: where answers wait as files without a name.
 */
void transport_use(struct http *h, const char *directory);

#endif
