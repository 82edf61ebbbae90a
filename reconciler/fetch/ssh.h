/* Servers that are reached by ssh: which of them is the right one, and who enmesh is there. */
#ifndef FETCH_SSH_H
#define FETCH_SSH_H

#include <git2.h>

#include "fetch/request.h"
#include "source/url.h"

enum { SSH_TYPES_MAX = 8 };

struct ssh {
	const struct request *request;
	const struct url *url;
	bool offered;        /* the key; a server that asks again does not take it */
	const char *problem; /* why the server or the key was refused; libgit2's own words for it say little */
	bool unknown;        /* it is the server's key */
	const char *tried[SSH_TYPES_MAX]; /* types of keys that the server was asked for, or showed */
	size_t n_tried;
};

/* Sets the callbacks, whose payload is `ssh`. */
void ssh_use(struct ssh *ssh, git_remote_callbacks *callbacks);

/*
 * After a server was refused for its key: whether to connect again. A server shows one key of those that it has,
 * and libgit2 asks for one of a type that $HOME/.ssh/known_hosts has, so that a type which the known hosts have is
 * written there, another one at each call. That file decides nothing else.
 */
bool ssh_ask_for_another(struct ssh *ssh);

#endif
