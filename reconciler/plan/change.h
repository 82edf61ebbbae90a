/*
 * What a target wants to do: one change of one thing. Plain data, made by a target's diff(), ordered by plan/,
 * shown by report/, carried out by the target's apply().
 */
#ifndef PLAN_CHANGE_H
#define PLAN_CHANGE_H

#include <stdbool.h>

#include "base/node.h"
#include "base/vec.h"

struct target;

enum action { ACTION_ADD, ACTION_CHANGE, ACTION_REMOVE };

/* Why: the source is new, it changed, somebody else changed the node, or the source no longer has it. */
enum cause { CAUSE_NEW, CAUSE_CHANGED, CAUSE_DRIFT, CAUSE_ORPHAN };

/* What it does to what runs, in order of harm. */
enum cost { COST_IN_PLACE, COST_RELOAD, COST_RESTART, COST_RECREATE };

/*
 * The order on a node (DESIGN section 5): files are there before the rules, the rules before the proxies; what is
 * no longer wanted goes after the rules that needed it.
 */
enum phase {
	PHASE_FILES,
	PHASE_CAPTURE,
	PHASE_PROCESSES, /* in the order of their rank */
	PHASE_OBJECTS,
	PHASE_STOP,  /* of processes */
	PHASE_SWEEP, /* of files */
};

/* What became of it. */
enum result { RESULT_NONE, RESULT_DONE, RESULT_FAILED, RESULT_SKIPPED };

struct change {
	const struct target *target;
	const char *address; /* "capture/inet/enmesh/chain/output/rule[3]" */
	enum action action;
	enum cause cause;
	enum cost cost;
	enum phase phase;
	unsigned rank; /* within the phase */
	/*
	 * What it is and what it becomes: a string (in the thing's own language) or a map (shown as fields). NULL:
	 * it is not there. Secrets are in here as digests.
	 */
	const struct node *before, *after;
	const struct node *origin; /* the document that wants it, or NULL */
	const void *data;          /* the target's own */
	enum result result;
};

const char *action_word(enum action action); /* "add" … */
const char *cause_word(enum cause cause);    /* "new" … */
const char *cost_word(enum cost cost);       /* "in place" … */

#endif
