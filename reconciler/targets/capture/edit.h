/* The steps from one ruleset to another, in an order that the kernel takes within one transaction. Pure data. */
#ifndef TARGETS_CAPTURE_EDIT_H
#define TARGETS_CAPTURE_EDIT_H

#include "targets/capture/ruleset.h"

/* In the order in which they are carried out: what is referred to is there before, and goes after, what refers to
 * it. */
enum edit_kind {
	EDIT_REMOVE_TABLE,
	EDIT_ADD_TABLE, /* or sets its flags */
	EDIT_REMOVE_RULE,
	EDIT_REMOVE_ELEMENTS,
	EDIT_REMOVE_SET,
	EDIT_REMOVE_CHAIN,
	EDIT_REMOVE_STRANGER, /* a flowtable or object in our table */
	EDIT_ADD_CHAIN,       /* or sets its policy */
	EDIT_ADD_SET,
	EDIT_ADD_ELEMENTS,
	EDIT_ADD_RULE,
	EDIT_REMOVE_LEFTOVER, /* of another mesh, in another table; leftover.h */
};

struct leftover_step;

struct edit {
	enum edit_kind kind;
	const struct chain *chain; /* live when removed, else desired */
	const struct rule *rule;
	const struct set *set;
	const char *stranger;
	uint32_t flags; /* of the table */
	vec_of(const struct element *) elements;
	bool whole;      /* of elements: all that a set has which is added, too */
	uint64_t before; /* of an added rule: handle of the live rule that it is put in front of; 0: at the end */
	size_t index;    /* of a rule in its chain */
	const struct leftover_step *leftover;
};

struct edits {
	vec_of(struct edit) list;
};

/* The fewest edits that turn `live` into `want`: rules are matched by text and position, sets element by element.
 */
void edits_make(const struct ruleset *want, const struct ruleset *live, struct arena *a, struct edits *out);

/*
 * Those to carry out first; true: others stay for a transaction of their own. A packet keeps the rules that it met
 * first, but the kernel looks its elements up as they are at that instant: where rules change, it could miss an
 * element that the old rules need and the new ones don't, and go past both. So what is only removed from sets, and
 * the chains and sets that go, go afterwards.
 */
bool edits_first(const struct edits *all, struct arena *a, struct edits *first);

#endif
