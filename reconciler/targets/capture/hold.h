/*
 * Holding the table: while a process that stays (`enmesh run`) has the kernel's owner flag on it, other tools are
 * refused, and `nft flush ruleset` passes it over; with the persist flag beside it the table outlives its holder,
 * open to everybody, and the next one adopts it with its rules and counters. The owner is a netlink socket, which
 * stays open for the life of the process: there is no release. Rules are read through other sockets. Kernels
 * before 6.9 have no persist flag; there nothing is held, for owner alone would take the rules down with the
 * agent. Source: linux/net/netfilter/nf_tables_api.c (nf_tables_newtable, nft_rcv_nl_event).
 */
#ifndef TARGETS_CAPTURE_HOLD_H
#define TARGETS_CAPTURE_HOLD_H

#include "targets/capture/nft.h"
#include "targets/target.h"

/* Whether a kernel release ("6.18.5+") is one that has both flags. */
bool hold_supported(const char *release);

/*
 * Before the table of a network namespace is read: opens the socket that is to hold it, and the one that hears of
 * changes there, unless they are open. Nothing for a host that does not hold. 0 or -errno.
 */
int hold_open(const struct host *h, const char *netns);
/* After all of them: namespaces that nobody looks at any more are let go, and with them what a container left. */
void hold_close_unseen(void);
/* Whatever hold_open has opened for that namespace; NULL: nothing is held. It stays this module's. */
struct netlink *hold_socket(const char *netns);

/* Sets `keep` of what was read, by what this process holds, or somebody else. */
void hold_judge(const struct host *h, struct ruleset *live);
/* Somebody else holds it: no write of this process would be let through. */
bool hold_foreign(const char *netns, const struct ruleset *live);

/* Who holds it, for people: "process 4711, enmesh"; by its port where /proc does not show it. Effect: reads /proc.
 */
const char *hold_name(const char *netns, uint32_t port, struct arena *a);

/*
 * Waits until somebody else changes our table in a namespace that hold_open was called for (true), `until_ms`
 * (CLOCK_MONOTONIC) has come, or `stopped` says so.
 */
bool hold_wait(long long until_ms, bool (*stopped)(void));

#endif
