/*
 * Connections that show whether capture works: which there are (trial_plan.c, pure), how they are opened
 * (trial.c), and the neighbour from whom inbound ones come (neighbour.c).
 */
#ifndef TARGETS_CAPTURE_TRIAL_H
#define TARGETS_CAPTURE_TRIAL_H

#include "model/connection.h"

/* What became of a connection. */
enum seen {
	SEEN_NOTHING, /* no answer within the time */
	SEEN_SOCKET,  /* a socket of this machine has it */
	SEEN_ANSWER,  /* somebody else has it */
	SEEN_REFUSED, /* a reset, or a rule's message */
	SEEN_RESET,   /* somebody had it, and reset it before it was seen who */
	SEEN_TOO_FAR, /* it left the machine, and ended at the first router, as it should */
	SEEN_NO_WAY,  /* it could not even set out: there is no route, or no such source */
	SEEN_FAILED,  /* it could not be opened, or not as whom it should be */
};

struct trial {
	const struct workload *workload;
	const char *title; /* what it shows: "outbound to everywhere" */
	struct connection connection;
	const char *cgroup; /* in which its socket is made; NULL: our own */

	enum seen seen;
	int error;             /* of SEEN_NO_WAY and SEEN_FAILED */
	struct endpoint taker; /* of SEEN_SOCKET: where that socket is, */
	bool transparent;      /* and whether it is one that TPROXY gives connections to */
};

struct trials {
	vec_of(struct trial) list;
};

/*
 * Those for the services of one network namespace (NULL: the node's own), in the families in which it has an
 * address that others can reach.
 */
void trials_plan(
	const struct site *site, const char *netns, const struct network *n, struct arena *a, struct trials *out);

/* A network namespace joined to that of the calling thread by an interface, which goes with it. */
struct neighbour {
	const char *interface;             /* on this side; NULL: there is none */
	struct endpoint here[2], there[2]; /* IPv4, IPv6; no family: this machine has none */
	int netns;                         /* -1: there is none */
};

/* 0 or -errno. Leave it with neighbour_finish. */
int neighbour_init(struct neighbour *out, struct arena *a);
void neighbour_finish(struct neighbour *n);

/* Gives inbound trials the neighbour's addresses, and adds this side's to `network`. */
void trials_place(struct trials *p, const struct neighbour *n, struct arena *a, struct network *network);

/*
 * Opens all at once, in the network namespace of the calling thread, and says what became of each. Their packets
 * come no further than the first router, and no byte is sent.
 */
void trials_run(struct trials *p, const struct neighbour *n, struct arena *a);

#endif
