/*
 * Leftovers: what other meshes (Istio, Kuma, Consul, Linkerd) have left in nf_tables, in the legacy tables of
 * iptables and in policy routing of the node's own network namespace, and what would capture the same traffic a
 * second time. They are found in every pass, named, and removed only if the node's `adopt` names their mesh.
 */
#ifndef TARGETS_CAPTURE_LEFTOVER_LEFTOVER_H
#define TARGETS_CAPTURE_LEFTOVER_LEFTOVER_H

#include "base/diag.h"
#include "model/mesh.h"
#include "plan/plan.h"
#include "store/applied.h"
#include "targets/capture/edit.h"

struct netlink;
struct nlmsghdr;
struct old_table;
struct old_lookup;

/* What there is on the machine. The tables are those that may have something of a mesh in them. */
struct leftovers {
	vec_of(struct old_table) tables;
	vec_of(struct old_lookup) lookups;
	const char *unseen; /* why legacy tables could not be looked at; NULL: they were, or there are none */
};

/* ---- effects, read only; 0 or -errno ---- */

/* Adds the tables of nf_tables. -EINTR: they changed meanwhile. */
int leftover_read_nft(struct netlink *nft, struct arena *a, struct leftovers *out);
/* Adds what is elsewhere, and recognises all of it. */
int leftover_read_elsewhere(struct arena *a, struct leftovers *out);

/* ---- pure ---- */

/* Finds out what belongs to whom. */
void leftover_recognise(struct leftovers *l, struct arena *a);
/* What is not adopted becomes a warning at `where`, in the MeshNode. */
void leftover_warn(
	const struct leftovers *l, const struct texts *adopt, const struct node *where, struct diags *d);
/* What is adopted becomes changes. Their `data` is the first for what is in nf_tables, else the second. */
void leftover_diff(const struct leftovers *l, const struct mesh_node *node, struct applied *last,
	struct plan *plan, const void *transaction, const void *elsewhere);
void leftover_record(const struct texts *adopt, struct applied *out);

/* Adds the steps of the removal in nf_tables to the edits of our own table. `adopt` may be NULL. */
void leftover_edits(const struct leftovers *l, const struct texts *adopt, struct arena *a, struct edits *out);
const char *leftover_step_name(const struct leftover_step *step, struct arena *a);
/* The message for the step, in the buffer. */
struct nlmsghdr *leftover_write_step(void *buffer, const struct leftover_step *step);

/* ---- effect ---- */

/* Removes what is adopted and not in nf_tables; each table in one commit. `stopped` may be NULL. */
bool leftover_remove_elsewhere(const struct leftovers *l, const struct texts *adopt, bool (*stopped)(void),
	struct arena *a, struct diags *d);

#endif
