/* Starting processes, stopping them, and waiting until they are ready. */
#ifndef TARGETS_PROCESSES_RUN_H
#define TARGETS_PROCESSES_RUN_H

#include "targets/processes/state.h"

/* What the effects on processes need. */
struct runtime {
	struct host *host;
	const char *root_path;
	int root; /* the directory of the groups */
	struct arena *arena;
	struct diags *diags;
};

/* "component etcd"; for what the source no longer has, the name of the process. */
const char *unit_title(const struct unit *u);

/*
 * What a spec, as print_spec made it, says of how a program is started. False: its users are not numbers, which
 * they are on every machine that something can be started on.
 */
bool spec_read(const struct node *spec, struct arena *a, struct child_spec *out);

/*
 * What would keep it from starting, as far as can be told beforehand: that is said before what runs is stopped.
 * False: an error was added.
 */
bool unit_check(struct runtime *rt, const struct state *want, const struct unit *u);
/* Starts it; nothing of it may run. False: an error was added, and nothing is left behind. */
bool unit_start(struct runtime *rt, const struct unit *u);

/* A descriptor of one of the last processes that were started here, even if it has ended; -1: it is none of them.
 */
int started_pidfd(const struct process_id *id);

/* One process that is to end. */
struct ending {
	const struct unit *live;
	const struct unit *wanted; /* NULL: it is not wanted any more, and its traces go too */
	bool done;
};

/*
 * Ends them all at the same time: drains, asks the main processes to end, kills what is left when their time is
 * over. Sets `done`. False: an error was added.
 */
bool units_stop(struct runtime *rt, struct ending *endings, size_t n);
/* Ends what is in groups of a process other than the one that it should run in. */
bool unit_tidy(struct runtime *rt, const struct unit *live, const char *keep);

/* One process that is waited for. */
struct waiting {
	const struct unit *unit;
	const struct group *seen; /* in which it ran a moment ago; NULL: that is to be looked up */
	enum wait_state { WAIT_PENDING, WAIT_READY, WAIT_ENDED, WAIT_ABSENT } state;
	struct child_end end; /* of WAIT_ENDED */
	const char *problem;  /* why it is not ready, for people */
	struct group group;
	int pidfd;
	long long next_ms;
	int interval_ms;
};

/*
 * Waits until each is ready or has ended, at most until the host's deadline or until somebody asks for the end.
 * Each is looked at once, however late it is. Adds no diagnostics.
 */
void units_wait(struct runtime *rt, struct waiting *list, size_t n);
/* What has become of it, for people: "is not ready: …", "ended with exit status 1; its log ends with …". */
const char *waiting_text(struct runtime *rt, const struct waiting *w);

#endif
