/*
 * What enmesh-fetch takes from itself before it reads a byte of anybody's: rights, memory, time, the file system,
 * system calls. What comes from the network may take over this process; it must not get further.
 */
#ifndef FETCH_SANDBOX_H
#define FETCH_SANDBOX_H

#include <stdbool.h>

enum sandbox_kind {
	SANDBOX_FETCH, /* a network; writes below the repository, reads what name resolution and TLS need */
	SANDBOX_READ,  /* no network; reads below the repository, writes nowhere */
	SANDBOX_LOOK,  /* no network; reads anywhere (a work tree may lead to other places), writes nowhere */
};

/*
 * For good, for this process and its threads. `repository`: directory, which exists; `origin`: another that may be
 * read, or NULL. Where the kernel has no Landlock, the file system is guarded by the user alone. False: something
 * that every kernel has did not work; `*problem` says what.
 */
bool sandbox_enter(enum sandbox_kind kind, const char *repository, const char *origin, const char **problem);

#endif
