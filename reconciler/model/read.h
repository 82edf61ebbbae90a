/* Reading typed fields from nodes that their schema has accepted. Pure. */
#ifndef MODEL_READ_H
#define MODEL_READ_H

#include "model/mesh.h"

struct account read_account(const struct node *n);
void read_texts(const struct node *list, struct arena *a, struct texts *out);
void read_labels(const struct node *map, struct arena *a, struct labels *out);
void read_accounts(const struct node *list, struct arena *a, struct accounts *out);
/* False: a range ends before it begins, or beyond 65535. */
bool read_ports(const struct node *list, struct arena *a, struct ports *out, struct diags *d);
/* False: a bit beyond the prefix is set; the error names the range that was probably meant. */
bool read_cidr(const struct node *n, struct arena *a, struct cidr *out, struct diags *d);
bool read_cidrs(const struct node *list, struct arena *a, struct cidrs *out, struct diags *d);
bool read_selector(const struct node *n, struct arena *a, struct selector *out, struct diags *d);

/* "10.0.0.0/8"; for an address alone without prefix. */
const char *cidr_text(const struct cidr *c, struct arena *a);
/* NULL: there is no such label. */
const char *labels_get(const struct labels *labels, const char *key);

/* One function a kind; false: an error was added. The model has the Mesh, if there is one that can be read. */
bool read_mesh(
	const struct document *doc, const struct model *m, struct arena *a, struct mesh *out, struct diags *d);
bool read_node(const struct document *doc, const struct model *m, struct arena *a, struct mesh_node *out,
	struct diags *d);
bool read_service(const struct document *doc, const struct model *m, struct arena *a, struct mesh_service *out,
	struct diags *d);
bool read_sidecar(const struct document *doc, const struct model *m, struct arena *a, struct mesh_sidecar *out,
	struct diags *d);
bool read_component(const struct document *doc, const struct model *m, struct arena *a, struct mesh_component *out,
	struct diags *d);
bool read_capture(const struct document *doc, const struct model *m, struct arena *a, struct mesh_capture *out,
	struct diags *d);

/*
 * The process of a sidecar or component. `sidecar` (NULL in a component) gives the ports that a probe may name.
 * Checks all variables, as far as they do not depend on the node.
 */
bool read_process(const struct node *spec, const struct mesh_sidecar *sidecar, const struct model *m,
	struct arena *a, struct process_spec *out, struct diags *d);
/* Whether the source has the file that a field names. */
bool read_source_path(const struct node *field, const struct model *m, struct diags *d);

/* The port of a probe or drain request. */
uint16_t read_probe_port(const struct node *port, const struct mesh_sidecar *sidecar);

#endif
