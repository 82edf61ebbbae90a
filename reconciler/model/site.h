/*
 * The part of the model that concerns one node: its services and processes, with variables put in. This is all
 * that the targets' desire() sees. Computing it costs the node's own services, not the fleet's.
 */
#ifndef MODEL_SITE_H
#define MODEL_SITE_H

#include "model/facts.h"
#include "model/mesh.h"
#include "source/source.h"

struct drain {
	bool post; /* a POST request to host, port and path */
	const char *host, *path;
	uint16_t port;
	struct texts command; /* may be empty */
	int wait_ms;
};

/* A file that a process needs. */
struct site_file {
	const char *path;
	struct bytes content;
	uint32_t mode;
	struct account user, group;
	bool restart_on_change;
	const struct node *node;
};

/* A process that enmesh runs. */
struct process {
	const char *name;   /* unique on the node: "sidecar-NAMESPACE.NAME", "component-NAME" */
	const char *title;  /* for people: "sidecar of bookinfo/reviews" */
	unsigned rank;      /* components first, each after those that it waits for; sidecars last */
	struct texts after; /* names of processes of this node that must be ready before it starts */
	struct texts argv;
	struct labels env;
	struct account user, group;
	vec_of(struct account) groups;
	const char *directory;
	const char *netns; /* path of the network namespace that it runs in; NULL: the node's own */
	vec_of(struct site_file) files;
	struct probe readiness;
	struct drain drain;
	int stop_ms;
	const struct node *node;
};

/* A service on this node, with its sidecar. */
struct workload {
	const struct mesh_service *service;
	const struct mesh_sidecar *sidecar; /* NULL: none */
	const struct mesh_capture *capture; /* NULL, or its mode is none: nothing is captured */
	const struct process *process;      /* the proxy; NULL: somebody else runs it */
};

struct site {
	const struct model *model;
	const struct mesh_node *node;
	bool writes_mesh; /* this node writes the objects of the whole mesh */
	vec_of(struct workload) workloads;
	vec_of(const struct process *) processes; /* in the order of rank and name */
	struct bytes api_ca;                      /* certificates that the Mesh names; empty: none */
	struct facts facts;
};

/* The files of the source that the site needs read (source_load) before site_make. */
bool site_sources(const struct model *m, const char *node, const struct tree *tree, struct arena *a,
	struct texts *out, struct diags *d);

/* NULL: an error was added; a node that the source does not name is one. Facts are filled in afterwards. */
struct site *site_make(
	const struct model *m, const char *node, const struct tree *tree, struct arena *a, struct diags *d);

/* Everything of the machine that the site needs to know, for the lookup. */
void site_facts(const struct site *s, struct arena *a, struct facts *out);

/*
 * What only ids can show: two workloads with one user; and, if `needed`, that every name is known on this machine.
 */
bool site_check(const struct site *s, bool needed, struct diags *d);

/* The number of an account. False: the machine lacks the name. */
bool site_number(const struct site *s, const struct account *account, bool group, uint32_t *number);

/*
 * The number of the group of what runs as `user`: `group`, or, where there is none, the user's own; for a number
 * that the machine does not know as a user, the group of that number. False: the machine lacks the name.
 */
bool site_group(const struct site *s, const struct account *user, const struct account *group, uint32_t *number);

#endif
