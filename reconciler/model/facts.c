#include "model/facts.h"

#include <string.h>

const struct fact_account *facts_account(const struct facts *f, const char *name, bool group)
{
	vec_each (a, &f->accounts)
		if (a->group == group && !strcmp(a->name, name))
			return a;
	return NULL;
}

const struct fact_user *facts_user(const struct facts *f, uint32_t number)
{
	vec_each (u, &f->users)
		if (u->number == number)
			return u;
	return NULL;
}
