/*
 * What compile.c, compile_in.c and compile_out.c share. The table has a few base chains, which stay whatever else
 * changes, and for each MeshCapture in use a chain for inbound and one for outbound. What differs between services
 * is in sets and maps: which port and which user belongs to which MeshCapture, and which port of a proxy its
 * connections go to. So one more service is some more elements.
 */
#ifndef TARGETS_CAPTURE_POLICY_H
#define TARGETS_CAPTURE_POLICY_H

#include "targets/capture/build.h"

/* Keys → what is done. */
#define TUNNEL_PORTS "tunnel-ports"
#define PROXY_USERS "proxy-users"
#define PROXY_GROUPS "proxy-groups"
#define FIRST_USERS "proxy-first-users"
#define FIRST_GROUPS "proxy-first-groups"
/* The first user of a proxy, or the first group of one without users → its inbound port; all of them where
 * loopback addresses are captured. */
#define USER_INBOUND "proxy-user-inbound"
#define GROUP_INBOUND "proxy-group-inbound"
#define DNS_INBOUND                                                                                               \
	"proxy-group-dns"         /* other groups, whose DNS over TCP to this machine goes to the inbound port */
#define PORT_POLICY "port-policy" /* port → chain of its MeshCapture */
#define PORT_PROXY "port-proxy"   /* port of a service → inbound port of its proxy */
#define PORT_TPROXY "port-tproxy" /* the same, for those in mode tproxy */
#define PORT_TPROXY_PROXY "port-tproxy-proxy"
#define TPROXY_USERS "tproxy-users"
#define TPROXY_GROUPS "tproxy-groups"
#define PORT_REFUSED "port-refused" /* port → chain that refuses the family that is not captured */
#define RESOLVERS "resolvers"
#define TO_PROXY "to-proxy"
#define TO_DNS "to-dns"

/* The ways in which a connection's owner is known, in the order in which they are asked. */
enum owner_kind { OWNER_CGROUP, OWNER_USER, OWNER_GROUP, OWNER_KINDS };

enum { CGROUP_LEVELS_MAX = 32 };

struct compiling {
	struct building b;
	vec_of(const struct workload *) workloads;
	vec_of(const struct mesh_capture *) captures; /* those in use, each once … */
	struct names capture_names;                   /* … and by name */
	struct names port_chains;                     /* those to which a port leads */
	const struct workload *everyone;              /* the workload that has no owner of its own */
	const struct workload *all_ports;             /* the one to which every other port belongs */
	const struct mesh_capture *tproxy;            /* one in mode tproxy: all have its numbers */
	bool drop_invalid, refuses;
	uint32_t levels; /* bits of the cgroup levels in use */
};

/*
 * Whether DNS queries are sent to the proxy: something listens there, and there are resolvers whose queries these
 * are. If not, nothing of the rules is as with DNS capture.
 */
bool policy_captures_dns(const struct compiling *c, const struct workload *w);
/* Whether loopback addresses are among those that are captured: then nothing stays on this machine by itself. */
bool policy_captures_loopback(const struct mesh_capture *capture);

/* Whether connections of a family that is not captured are refused. */
bool policy_refuses(const struct mesh_capture *capture);
/* Whether a family is captured; with `refuse`: whether it is not. */
bool policy_has_family(const struct mesh_capture *capture, const struct family *f, bool refuse);

/* NAME of a set of one MeshCapture: "out-CAPTURE-WHAT". */
const char *policy_name(
	struct compiling *c, const char *prefix, const struct mesh_capture *capture, const char *what);

/*
 * Adds `MAP-KIND → port` for the owner of a workload: "user-proxy", "group-dns", "cgroup-2-proxy" … Nothing for a
 * workload of everyone.
 */
void policy_port(struct compiling *c, const struct workload *w, const char *what, uint16_t port);
void policy_goto(struct compiling *c, const struct workload *w, const char *what, const char *chain);
/* A vmap rule for each kind of owner that has a map called so. */
void policy_dispatch(struct compiling *c, struct chain *chain, const char *what);
/* A redirect rule for each kind of owner that has a map called so. `l4proto`: IPPROTO_TCP or IPPROTO_UDP. */
void policy_redirect(struct compiling *c, struct chain *chain, uint8_t l4proto, const char *what);

struct chain *policy_base(
	struct compiling *c, const char *name, enum chain_type type, uint32_t hook, int32_t priority);

/* Rules of all chains of inbound and outbound connections. */
void compile_inbound(struct compiling *c);
void compile_outbound(struct compiling *c);

#endif
