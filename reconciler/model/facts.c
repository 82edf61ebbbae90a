#include "model/facts.h"

#include <string.h>

#include "base/netns.h"

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

const struct fact_port *facts_port(const struct facts *f, const char *name)
{
	vec_each (p, &f->ports)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

const struct fact_cgroup *facts_cgroup(const struct facts *f, const char *path)
{
	vec_each (c, &f->cgroups)
		if (!strcmp(c->path, path))
			return c;
	return NULL;
}

bool facts_listens(const struct facts *f, const char *netns, uint16_t port)
{
	vec_each (l, &f->listeners)
		if (l->port == port && netns_same(l->netns, netns))
			return !l->down;
	return true;
}
