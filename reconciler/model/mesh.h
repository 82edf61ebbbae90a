/*
 * The mesh as typed, cross-checked data: what the documents of one revision say. Everything lives in the arena of
 * the pass and is not changed once model_load has returned. `node` fields are places in the documents, for
 * messages.
 */
#ifndef MODEL_MESH_H
#define MODEL_MESH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/vec.h"
#include "config/config.h"

/* A user or group as the source names it. */
struct account {
	const char *name;        /* NULL: given as a number */
	uint32_t number;         /* if name is NULL */
	const struct node *node; /* NULL: there is no such account */
};

/* An address range; bits beyond the prefix are zero. */
struct cidr {
	int family; /* AF_INET, AF_INET6 */
	unsigned char address[16];
	uint8_t prefix;
};

struct cidrs {
	vec_of(struct cidr) list;
};

/* Ports as the source gives them. */
struct port_range {
	uint16_t first, last;
	const char *name; /* of /etc/services: first and last are looked up by it; NULL: given as numbers */
	const struct node *node;
};

struct ports {
	vec_of(struct port_range) list;
};

struct accounts {
	vec_of(struct account) list;
};

struct texts {
	vec_of(const char *) list;
};

struct label {
	const char *key, *value;
};

struct labels {
	vec_of(struct label) list;
};

struct condition {
	const char *key;
	enum condition_operator { OP_IN, OP_NOT_IN, OP_EXISTS, OP_MISSING } operator;
	struct texts values;
};

struct selector {
	bool all;
	struct texts names;
	struct labels labels;
	vec_of(struct condition) conditions;
	const struct node *node; /* NULL: absent, selects nothing */
};

struct probe {
	enum probe_kind { PROBE_NONE, PROBE_HTTP, PROBE_TCP } kind;
	const char *host;
	uint16_t port;
	const char *path;
	bool https;
	int period_ms, timeout_ms;
};

/* A ${label:KEY}. */
struct label_use {
	const char *key;
	const struct node *node;
};

/* How a process runs, as a MeshSidecar or MeshComponent says it. Strings are still nodes: variables are put in by
 * site.c. */
struct process_spec {
	const struct node *command; /* NULL: somebody else runs it */
	const struct node *args, *env, *directory;
	struct account user, group;
	vec_of(struct account) groups;
	const struct node *files, *drain;
	struct probe readiness;
	int stop_ms;
	const struct node *node;
	vec_of(struct label_use) label_uses; /* what its ${label:KEY} need of every node that it runs on */
};

struct allowed_group {
	const char *group;
	struct texts kinds; /* empty: all */
};

struct mesh {
	const char *name, *trust_domain, *id, *requires;
	struct texts api_servers; /* URLs */
	const char *api_ca_source;
	struct texts discovery, ca, mixer; /* HOST:PORT, the preferred one first */
	const char *objects_namespace;
	struct selector writers;
	vec_of(struct allowed_group) allow;
	bool prune;
	const struct node *node;
};

struct mesh_node {
	const char *name;
	struct labels labels;
	struct texts addresses;
	const char *network, *locality;
	struct ports management_ports;
	struct texts adopt; /* names of meshes whose leftovers are removed */
	const struct node *node;
	bool broken;
};

struct service_port {
	const char *name, *protocol;
	uint16_t port, target;
	const struct node *node;
};

struct mesh_service {
	const char *name, *namespace, *service_account;
	struct labels labels;
	struct selector nodes;
	struct texts hosts, addresses;
	vec_of(struct service_port) ports;
	struct account user, group;         /* whom it runs as … */
	const char *cgroup;                 /* … or where; none of the three: everyone */
	const char *netns;                  /* path of its network namespace; NULL: the node's own */
	const struct mesh_sidecar *sidecar; /* NULL: none */
	const struct mesh_capture *capture; /* NULL: none */
	const struct node *node;
	bool broken;
};

struct mesh_sidecar {
	const char *name;
	uint16_t outbound, inbound, tunnel, admin, dns;
	/* Whose connections are the proxy's own, in the order of Istio's decisions; one at least. */
	struct accounts proxy_users, proxy_groups;
	struct process_spec process;
	const struct node *node;
	bool broken;
};

struct mesh_component {
	const char *name;
	struct selector nodes;
	vec_of(const struct mesh_component *) after;
	struct process_spec process;
	unsigned rank; /* greater than that of everything in `after` */
	const struct node *node;
	bool broken;
};

struct mesh_capture {
	const char *name;
	enum capture_mode { CAPTURE_NONE, CAPTURE_REDIRECT, CAPTURE_TPROXY } mode;
	bool ipv4, ipv6;
	bool refuse_other_family; /* else it is let go */
	enum inbound_ports { INBOUND_SERVICE, INBOUND_ALL, INBOUND_LIST } inbound;
	struct ports inbound_ports, inbound_exclude;
	struct cidrs inbound_exclude_from;
	bool outbound_all;
	struct cidrs outbound_cidrs, outbound_exclude;
	struct ports outbound_ports, outbound_exclude_ports;
	struct accounts include_groups, exclude_groups; /* at most one of them has any */
	bool listed_groups_only;                        /* include_groups; it may be empty, which is nobody */
	enum dns_capture { DNS_NONE, DNS_RESOLVERS, DNS_ALL } dns;
	struct texts exclude_interfaces, virtual_interfaces;
	bool drop_invalid;
	struct cidr loopback; /* IPv4 */
	uint32_t tproxy_mark, tproxy_table;
	bool open_when_down;
	bool allow_management_ports;
	const struct node *node;
	bool broken;
};

/* A document for the API server. */
struct mesh_object {
	const char *api_version, *group, *kind, *name,
		*namespace; /* namespace NULL: cluster-wide, or the default */
	const struct node *root;
};

struct model {
	const struct tree *tree; /* the source; its files are known, not all of them read */
	const struct mesh *mesh;
	vec_of(struct mesh_node) nodes;       /* each of these in the order of names */
	vec_of(struct mesh_service) services; /* by namespace, then name */
	vec_of(struct mesh_sidecar) sidecars;
	vec_of(struct mesh_component) components;
	vec_of(struct mesh_capture) captures;
	vec_of(struct mesh_object) objects; /* by group, kind, namespace (absent is default), name */
	const struct placement *placement;  /* which services and components each node has; model/place.h */
};

/*
 * Adds every mistake. NULL: there was one, here or before. The config may be one that config_read found broken:
 * what can be named takes part, so that all mistakes of a source are seen at once.
 */
const struct model *model_load(const struct config *config, struct arena *a, struct diags *d);

/* NULL: the source has none of this identity, in whatever version of the group. */
const struct mesh_object *model_find_object(
	const struct model *m, const char *group, const char *kind, const char *namespace, const char *name);

/* NULL: the source does not name it. */
const struct mesh_node *model_find_node(const struct model *m, const char *name);

#endif
