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

/* A port that the source names. */
struct fact_port {
	const char *name;
	bool found;
	uint16_t number;
};

/* A cgroup, by its path below the root of the hierarchy. It is looked up anew by every pass: one made anew is
 * another. */
struct fact_cgroup {
	const char *path;
	bool found;
	uint64_t id;
};

/* Whether a proxy answers; what nobody asked for (`render`) is taken to. */
struct fact_listener {
	const char *netns; /* NULL: the node's own */
	uint16_t port;
	bool down;
};

struct facts {
	vec_of(struct fact_account) accounts;
	vec_of(struct fact_user) users;
	vec_of(struct fact_port) ports;
	vec_of(struct fact_cgroup) cgroups;
	vec_of(struct fact_listener) listeners;
	struct fact_account fetcher; /* as whom enmesh-fetch runs, which need not exist; name NULL: nobody said */
	bool want_resolvers;
	vec_of(const char *) resolvers; /* addresses of /etc/resolv.conf */
};

/* NULL: not looked up. */
const struct fact_account *facts_account(const struct facts *f, const char *name, bool group);
const struct fact_user *facts_user(const struct facts *f, uint32_t number);
const struct fact_port *facts_port(const struct facts *f, const char *name);
const struct fact_cgroup *facts_cgroup(const struct facts *f, const char *path);
/* False: it was looked for, and nothing listens. */
bool facts_listens(const struct facts *f, const char *netns, uint16_t port);

#endif
