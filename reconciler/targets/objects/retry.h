/* What to do after an attempt at a request: decisions only, for api.c to carry out. Pure. */
#ifndef OBJECTS_RETRY_H
#define OBJECTS_RETRY_H

#include <stdbool.h>

enum {
	RETRY_ROUNDS = 4,       /* over all servers */
	RETRY_BUDGET_MS = 5000, /* no further round after that: the rest of the pass is waiting */
	RETRY_AFTER_MAX_S = 10, /* a server that asks for more gets its answer taken as it is */
};

struct attempt {
	int error; /* -errno: no answer came */
	int status;
	int retry_after_s;
	bool whole; /* the answer's body is what its status promises */
	bool final; /* an error of the server's side that no repetition changes */
};

enum verdict {
	VERDICT_ANSWER,  /* this is the answer */
	VERDICT_NEXT,    /* try the next server */
	VERDICT_BUSY,    /* wait, then try on */
	VERDICT_GIVE_UP, /* no server would do better */
};

enum verdict retry_verdict(const struct attempt *attempt);
/* Whether trying that server again within this pass makes no sense (its certificate, our request). */
bool retry_is_lasting(int error);
/* How long to wait before a round (the first repetition is round 1). */
long long retry_wait_ms(int round, int retry_after_s);

#endif
