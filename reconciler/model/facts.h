/*
 * What must be looked up on the machine: handed in as data, so that everything behind is a pure function. The
 * lookup itself is pass/facts.c's. Names that the machine lacks stay names.
 */
#ifndef MODEL_FACTS_H
#define MODEL_FACTS_H

#include "base/vec.h"
#include "model/mesh.h"

struct fact_account {
	const char *name;
	bool group;
	bool found;
	uint32_t number;
	uint32_t primary_group; /* of a user */
};

/* A user that the source gives as a number, and without a group. */
struct fact_user {
	uint32_t number;
	bool found;
	uint32_t primary_group;
};

struct facts {
	vec_of(struct fact_account) accounts;
	vec_of(struct fact_user) users;
};

/* NULL: not looked up. */
const struct fact_account *facts_account(const struct facts *f, const char *name, bool group);
const struct fact_user *facts_user(const struct facts *f, uint32_t number);

#endif
