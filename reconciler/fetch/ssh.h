/* Servers that are reached by ssh: which of them is the right one, and who enmesh is there. */
#ifndef FETCH_SSH_H
#define FETCH_SSH_H

#include <git2.h>

#include "fetch/request.h"
#include "source/url.h"

struct ssh {
	const struct request *request;
	const struct url *url;
	bool offered;        /* the key; a server that asks again does not take it */
	const char *problem; /* why the server or the key was refused; libgit2's own words for it say little */
};

/* Sets the callbacks, whose payload is `ssh`. */
void ssh_use(struct ssh *ssh, git_remote_callbacks *callbacks);

#endif
