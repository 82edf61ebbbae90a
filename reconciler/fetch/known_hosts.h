/*
 * Keys of ssh servers: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". Never trusts on first use. Pure.
 */
#ifndef FETCH_KNOWN_HOSTS_H
#define FETCH_KNOWN_HOSTS_H

#include "fetch/ssh_key.h"

/*
 * Whether the file has the key for the host (port 22 is the plain name, others "[host]:port"). False: `*problem`
 * says why not, and what to write, for people.
 */
bool known_hosts_check(const struct bytes *file, const char *host, unsigned port, const struct ssh_key *key,
	struct arena *a, const char **problem);

#endif
