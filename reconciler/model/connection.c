#include "model/connection.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* ---- addresses ---- */

static bool read_port(const char *text, uint16_t *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || n < 1 || n > UINT16_MAX)
		return false;
	*out = (uint16_t)n;
	return true;
}

bool endpoint_read(const char *text, struct endpoint *out)
{
	struct endpoint e = { .family = AF_INET };
	const char *end = text + strlen(text), *port = NULL;
	char address[INET6_ADDRSTRLEN];

	if (text[0] == '[') {
		text++;
		e.family = AF_INET6;
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		port = end[1] ? end + 2 : NULL;
	} else if (strchr(text, ':') != strrchr(text, ':')) {
		e.family = AF_INET6;
	} else if (strchr(text, ':')) {
		end = strchr(text, ':');
		port = end + 1;
	}
	if (end - text >= (ptrdiff_t)sizeof(address))
		return false;
	memcpy(address, text, (size_t)(end - text));
	address[end - text] = 0;
	if (inet_pton(e.family, address, e.address) != 1 || (port && !read_port(port, &e.port)))
		return false;
	*out = e;
	return true;
}

const char *endpoint_text(const struct endpoint *e, struct arena *a)
{
	char address[INET6_ADDRSTRLEN];

	if (!e->family)
		return "";
	inet_ntop(e->family, e->address, address, sizeof(address));
	if (!e->port)
		return arena_strdup(a, address);
	return arena_printf(a, e->family == AF_INET6 ? "[%s]:%u" : "%s:%u", address, e->port);
}

bool endpoint_same_address(const struct endpoint *a, const struct endpoint *b)
{
	return a->family == b->family && !memcmp(a->address, b->address, a->family == AF_INET ? 4 : 16);
}

static void put_identity(struct node *map, const char *key, const struct identity *id, struct arena *a)
{
	if (id->known)
		node_put_int(a, map, key, id->number);
	else
		node_put_text(a, map, key, id->name);
}

void connection_put_owner(struct node *map, const struct connection *c, struct arena *a)
{
	put_identity(map, "user", &c->user, a);
	put_identity(map, "group", &c->group, a);
}

/* ---- the machine ---- */

static void add_port(struct network *n, struct arena *a, uint16_t port, const char *what)
{
	if (!port || network_port(n, port))
		return;
	*vec_push(a, &n->ports) = (struct known_port){ port, what };
}

static void add_sidecar(struct network *n, struct arena *a, const struct mesh_sidecar *s)
{
	const struct {
		uint16_t port;
		const char *name;
	} ports[] = { { s->outbound, "outbound" }, { s->inbound, "inbound" }, { s->tunnel, "tunnel" },
		{ s->dns, "DNS" }, { s->admin, "admin" } };

	for (size_t i = 0; i < array_len(ports); i++)
		add_port(n, a, ports[i].port, arena_printf(a, "%s port of sidecar %s", ports[i].name, s->name));
}

void network_of_site(const struct site *site, struct arena *a, struct network *out)
{
	vec_each (text, &site->node->addresses.list) {
		struct endpoint e;

		if (endpoint_read(*text, &e))
			*vec_push(a, &out->addresses) = e;
	}
	vec_each (w, &site->workloads)
		if (w->sidecar)
			add_sidecar(out, a, w->sidecar);
	vec_each (w, &site->workloads)
		vec_each (port, &w->service->ports)
			add_port(out, a, port->target,
				arena_printf(a, "port %s of service %s/%s", port->name, w->service->namespace,
					w->service->name));
}

static bool is_loopback(const struct endpoint *e)
{
	static const unsigned char loopback6[16] = { [15] = 1 };

	return e->family == AF_INET ? e->address[0] == 127 : !memcmp(e->address, loopback6, 16);
}

bool network_is_local(const struct network *n, const struct endpoint *e)
{
	vec_each (address, &n->addresses)
		if (endpoint_same_address(address, e))
			return true;
	return is_loopback(e);
}

static bool takes(const struct listener *l, uint8_t protocol, const struct endpoint *at)
{
	static const unsigned char any[16];

	if (l->protocol != protocol || l->at.port != at->port)
		return false;
	return !l->at.family || endpoint_same_address(&l->at, at) ||
	       (l->at.family == at->family && !memcmp(l->at.address, any, sizeof(any)));
}

bool network_waits(const struct network *n, uint8_t protocol, const struct endpoint *at, bool transparent)
{
	vec_each (port, &n->closed)
		if (*port == at->port)
			return false;
	vec_each (l, &n->listeners)
		if (takes(l, protocol, at) && l->transparent >= transparent)
			return true;
	return !n->surveyed;
}

const char *network_port(const struct network *n, uint16_t port)
{
	vec_each (known, &n->ports)
		if (known->port == port)
			return known->what;
	return NULL;
}
