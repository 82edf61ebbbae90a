#include "model/management.h"

#include "model/place.h"

struct checking {
	const struct model *model;
	struct arena *arena;
	struct diags *diags;
	vec_of(const struct node *) reported; /* places: a service has one error for all of its nodes */
};

bool ports_contain(const struct ports *ports, uint16_t port)
{
	vec_each (p, &ports->list)
		if (!p->name && p->first <= port && port <= p->last)
			return true;
	return false;
}

bool management_port(const struct mesh_node *node, uint16_t port)
{
	return port == SSH_PORT || ports_contain(&node->management_ports, port);
}

static bool was_reported(const struct checking *c, const struct node *place)
{
	vec_each (it, &c->reported)
		if (*it == place)
			return true;
	return false;
}

static void check_port(struct checking *c, const struct mesh_service *s, const struct mesh_node *node,
	uint16_t port, const struct node *place)
{
	if (ports_contain(&s->capture->inbound_exclude, port) || !management_port(node, port) ||
		was_reported(c, place))
		return;
	*vec_push(c->arena, &c->reported) = place;
	diag_error(c->diags, node_pos(place),
		"port %u is a management port of node '%s' and is not captured: MeshCapture '%s' must have it in "
		"inbound.excludePorts, or say allowManagementPorts: true",
		port, node->name, s->capture->name);
}

static void check_service(struct checking *c, const struct mesh_service *s, const struct mesh_node *node)
{
	const struct mesh_capture *capture = s->capture;

	if (s->broken || !capture || capture->broken || capture->mode == CAPTURE_NONE ||
		capture->allow_management_ports)
		return;
	if (capture->inbound == INBOUND_SERVICE)
		vec_each (p, &s->ports)
			check_port(c, s, node, p->target, p->node);
	/* A range that covers one is taken for "all but that": the rules leave it out. */
	if (capture->inbound == INBOUND_LIST)
		vec_each (p, &capture->inbound_ports.list)
			if (!p->name && p->first == p->last)
				check_port(c, s, node, p->first, p->node);
}

void management_check(const struct model *m, struct arena *a, struct diags *d)
{
	struct checking c = { .model = m, .arena = a, .diags = d };

	vec_each (node, &m->nodes) {
		struct placed placed = place_of(m, node);

		for (size_t i = 0; !node->broken && i < placed.n_services; i++)
			check_service(&c, placed.services[i], node);
	}
}
