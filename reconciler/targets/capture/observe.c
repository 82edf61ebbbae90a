#include <errno.h>
#include <string.h>

#include "base/netns.h"
#include "targets/capture/hold.h"
#include "targets/capture/space.h"
#include "targets/capture/state.h"

/* Others may change their rules all the time: each look that they disturb is dropped, with its socket. */
enum { LOOKS_MAX = 50 };

/* All of it is of one generation. */
static int look(struct netlink *nft, struct arena *a, struct ruleset *out, struct leftovers *leftovers)
{
	int error = nft_read(nft, a, out);
	uint32_t after = 0;

	if (error || !leftovers)
		return error;
	*leftovers = (struct leftovers){ 0 };
	error = leftover_read_nft(nft, a, leftovers);
	if (!error)
		error = nft_generation(nft, &after);
	return !error && after != out->generation ? -EINTR : error;
}

int capture_look(const char *netns, struct arena *a, struct ruleset *out, struct leftovers *leftovers)
{
	int error = -EINTR;

	for (int i = 0; error == -EINTR && i < LOOKS_MAX; i++) {
		scoped(netlink_free) struct netlink *nft = NULL;

		error = nft_new(netns, &nft);
		if (!error)
			error = look(nft, a, out, leftovers);
	}
	return error;
}

static int look_at_routes(const char *netns, bool all, struct arena *a, struct routes *out)
{
	scoped(netlink_free) struct netlink *rtnl = NULL;
	int error = route_new(netns, &rtnl);

	return error ? error : route_read(rtnl, all, a, out);
}

static const char *where(const char *netns, struct arena *a)
{
	return netns ? arena_printf(a, " of the network namespace %s", netns) : "";
}

static bool unreadable(int error, const char *what, const char *netns, struct diags *d)
{
	if (error == -EPERM || error == -EACCES)
		return diag_failure(d, "the %s%s cannot be read without CAP_NET_ADMIN; run as root", what,
			where(netns, d->arena));
	if (error == -EPROTONOSUPPORT || error == -EOPNOTSUPP)
		return diag_failure(d, "this kernel has no nf_tables: %s", strerror(-error));
	return diag_failure(d, "the %s%s cannot be read: %s", what, where(netns, d->arena), strerror(-error));
}

/* A container that is not running has no namespace: the others still converge. */
static void missing(struct space *live, const struct space *want, struct diags *d)
{
	live->unreadable = true;
	if (want)
		diag_error(d, node_pos(node_path(want->origin, "spec", "networkNamespace", NULL)),
			"there is no network namespace at %s now; its rules are written when a pass finds it",
			live->netns);
}

/* `leftovers` NULL: they are not looked for. False: it could not be read, and an error was added. */
static bool read_space(const struct host *h, struct space *live, const struct space *want,
	struct leftovers *leftovers, struct arena *a, struct diags *d)
{
	bool all = want && want->routes.list.n > 0;
	int error = hold_open(h, live->netns);

	if (!error)
		error = capture_look(live->netns, a, &live->rules, leftovers);
	if (live->netns && (error == -ENOENT || error == -EINVAL)) {
		missing(live, want, d);
		return true;
	}
	if (error)
		return unreadable(error, "nftables rules", live->netns, d);
	if (h->holds && hold_foreign(live->netns, &live->rules))
		return diag_failure(d,
			"another agent holds the table inet " RULESET_TABLE "%s (%s); stop it first",
			where(live->netns, a), hold_name(live->netns, live->rules.owner, a));
	hold_judge(h, &live->rules);
	error = look_at_routes(live->netns, all, a, &live->routes);
	return !error || unreadable(error, "routing rules", live->netns, d);
}

/* What a container does to its own namespace keeps nobody else from being repaired. */
static bool look_at_space(const struct host *h, struct space *live, const struct space *want,
	struct leftovers *leftovers, struct arena *a, struct diags *d)
{
	if (read_space(h, live, want, leftovers, a, d))
		return true;
	live->unreadable = true;
	return live->netns != NULL;
}

static bool look_at(struct host *h, struct state *live, const struct state *want, const char *netns,
	struct arena *a, struct diags *d)
{
	struct space *space = vec_push(a, &live->spaces);

	space->netns = netns;
	return look_at_space(
		h, space, state_space(want, netns), want->node && !netns ? &live->leftovers : NULL, a, d);
}

/* Those that are wanted, and those that had rules of ours. */
static bool look_at_all(
	struct host *h, const struct state *want, struct state *live, struct arena *a, struct diags *d)
{
	struct texts known = { 0 };
	int error;

	vec_each (space, &want->spaces)
		if (!look_at(h, live, want, space->netns, a, d))
			return false;
	error = spaces_read(h->state_dir, a, &known);
	/* Repair goes on; but that all is gone can't be said. */
	if (error == -EBADMSG && want->node)
		diag_warning(d, (struct pos){ 0 },
			"%s/namespaces.json, the record of the network namespaces with rules, is damaged; rules "
			"of "
			"some that the source no longer names may stay; put back a good copy, or remove it",
			h->state_dir);
	else if (error == -EBADMSG)
		return diag_failure(d,
			"%s/namespaces.json, the record of the network namespaces with rules, is damaged; put "
			"back a "
			"good copy, or remove it, and only the node's own namespace is cleaned up",
			h->state_dir);
	else if (error)
		return diag_failure(d, "which network namespaces have rules cannot be read from %s: %s",
			h->state_dir, strerror(-error));
	vec_each (path, &known.list)
		if (!state_space(want, *path) && !look_at(h, live, want, *path, a, d))
			return false;
	return true;
}

/* Leftovers that are not in nf_tables; then all of them are told apart, and those that stay are named. */
static bool look_elsewhere(const struct mesh_node *node, struct state *live, struct arena *a, struct diags *d)
{
	const struct node *spec = node_get(node->node, "spec");
	int error = leftover_read_elsewhere(a, &live->leftovers);

	if (error)
		return unreadable(error, "routing rules", NULL, d);
	leftover_warn(&live->leftovers, &node->adopt, spec ? spec : node->node, d);
	return true;
}

const struct state *capture_observe(struct host *h, const struct state *want, struct arena *a, struct diags *d)
{
	struct state *state = arena_new(a, struct state);

	if (!look_at_all(h, want, state, a, d))
		return NULL;
	hold_close_unseen();
	if (want->node && !look_elsewhere(want->node, state, a, d))
		return NULL;
	vec_each (problem, &want->problems)
		diag_error(d, node_pos(problem->node), "%s", problem->message);
	return state;
}
