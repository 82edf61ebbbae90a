#include "model/facts.h"

#include <string.h>

const struct fact_account *facts_account(const struct facts *f, const char *name, bool group)
{
	vec_each (a, &f->accounts)
		if (a->group == group && !strcmp(a->name, name))
			return a;
	return NULL;
}
