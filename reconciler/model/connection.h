/*
 * A connection that somebody asks about, and what of the machine's network decides where it goes. Plain data,
 * handed in, so that what becomes of a connection is a pure function.
 */
#ifndef MODEL_CONNECTION_H
#define MODEL_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "model/site.h"

struct endpoint {
	int family; /* AF_INET, AF_INET6; 0: none */
	unsigned char address[16];
	uint16_t port; /* 0: any */
};

/* A user or group. */
struct identity {
	bool known; /* its number is; else this machine lacks the name */
	uint32_t number;
	const char *name; /* or NULL */
};

struct connection {
	uint8_t protocol;       /* IPPROTO_TCP or IPPROTO_UDP */
	bool inbound;           /* it comes from elsewhere, and has no owner */
	struct endpoint source; /* no family: as routing chooses */
	struct endpoint dest;   /* with a port */
	struct identity user;   /* whose socket it is */
	struct identity group;  /* neither number nor name: not known */
	const struct facts
		*cgroup;       /* the group of the socket and all above it, "/a" and "/a/b"; NULL: not known */
	uint32_t mark;         /* of its socket */
	const char *interface; /* by which it comes or leaves; NULL: not known, unless it stays on this machine */
};

/* A socket that waits. */
struct listener {
	uint8_t protocol;
	struct endpoint at; /* unspecified address: every one of the family; no family: every one */
	bool transparent;   /* IP_TRANSPARENT is set, as TPROXY needs it */
};

/* What the source says of a port of this machine. */
struct known_port {
	uint16_t port;
	const char *what; /* "outbound port of sidecar istio-proxy" */
};

struct network {
	vec_of(struct endpoint) addresses; /* of this machine, besides those of loopback */
	vec_of(struct known_port) ports;
	bool surveyed; /* the machine was asked who waits; else on every port somebody is taken to */
	vec_of(struct listener) listeners;
	vec_of(uint16_t) closed; /* nobody waits there, whatever else is known */
};

/* "10.0.0.7", "10.0.0.7:443", "[fd00::1]:443", with or without port. False: it is none of these. */
bool endpoint_read(const char *text, struct endpoint *out);
/* The same, back. */
const char *endpoint_text(const struct endpoint *e, struct arena *a);
bool endpoint_same_address(const struct endpoint *a, const struct endpoint *b);

/* Puts "user" and "group": each a number, or a name that this machine lacks; nothing where neither is known. */
void connection_put_owner(struct node *map, const struct connection *c, struct arena *a);

/* What the source says of the node: its addresses, the ports of its sidecars and services. */
void network_of_site(const struct site *site, struct arena *a, struct network *out);
/* Whether packets to that address stay on this machine. */
bool network_is_local(const struct network *n, const struct endpoint *e);
/* Whether somebody takes what arrives there; with `transparent`, somebody to whom TPROXY can give it. */
bool network_waits(const struct network *n, uint8_t protocol, const struct endpoint *at, bool transparent);
/* NULL: the source does not name the port. */
const char *network_port(const struct network *n, uint16_t port);

#endif
