/* Looking up what a pass must know of the machine. */
#ifndef PASS_FACTS_H
#define PASS_FACTS_H

#include "base/diag.h"
#include "model/facts.h"

/*
 * Fills in what names stand for: accounts, ports, cgroups, resolvers. One that does not exist is no error here.
 * False: the user database could not be asked, and an error was added. Effect: reads the user database and
 * /etc/services (NSS), /etc/resolv.conf, the cgroup tree. Strings go into the arena.
 */
bool facts_look_up(struct facts *facts, struct arena *a, struct diags *d);
/* Fills in what runs just now: the listeners. Effect: connects to them over loopback. */
void facts_look_around(struct facts *facts);

#endif
