/* Ports through which nodes are managed: nobody is locked out of a machine by a capture that does not say so.
 * Pure. */
#ifndef MODEL_MANAGEMENT_H
#define MODEL_MANAGEMENT_H

#include "model/mesh.h"

enum { SSH_PORT = 22 };

/* 22, or one of the node's managementPorts. */
bool management_port(const struct mesh_node *node, uint16_t port);
/* Whether the port is among them. Ports of a name that is not looked up are not. */
bool ports_contain(const struct ports *ports, uint16_t port);

/* An error for each port that a service's capture names although it is a management port of a node of the service.
 */
void management_check(const struct model *m, struct arena *a, struct diags *d);

#endif
