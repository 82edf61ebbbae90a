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

struct facts {
	vec_of(struct fact_account) accounts;
};

/* NULL: not looked up. */
const struct fact_account *facts_account(const struct facts *f, const char *name, bool group);

#endif
