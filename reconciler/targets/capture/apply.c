#include <errno.h>
#include <string.h>

#include "targets/capture/hold.h"
#include "targets/capture/space.h"
#include "targets/capture/state.h"

/* How often a change that others overtake is computed anew. */
enum { ATTEMPTS_MAX = 50 };

static const char *name_edit(const struct edit *e, struct arena *a)
{
	switch (e->kind) {
	case EDIT_REMOVE_TABLE:
	case EDIT_ADD_TABLE:
		return "the table";
	case EDIT_REMOVE_RULE:
	case EDIT_ADD_RULE:
		return arena_printf(a, "the rule '%s' of the chain '%s'", e->rule->text, e->chain->name);
	case EDIT_REMOVE_ELEMENTS:
	case EDIT_ADD_ELEMENTS:
		return arena_printf(a, "elements of the set '%s'", e->set->name);
	case EDIT_REMOVE_SET:
	case EDIT_ADD_SET:
		return arena_printf(a, "the set '%s'", e->set->name);
	case EDIT_REMOVE_CHAIN:
	case EDIT_ADD_CHAIN:
		return arena_printf(a, "the chain '%s'", e->chain->name);
	case EDIT_REMOVE_STRANGER:
		return arena_printf(a, "the %s", e->stranger);
	case EDIT_REMOVE_LEFTOVER:
		return leftover_step_name(e->leftover, a);
	}
	return "";
}

static bool refused(int error, const struct edit *failed, const char *reason, struct arena *a, struct diags *d)
{
	const char *what = failed ? name_edit(failed, a) : "the transaction", *separator = reason ? ": " : "";

	if (!reason)
		reason = "";
	if (error == -ERESTART)
		return diag_failure(d,
			"the nftables rules were not changed: others changed the ruleset %d times in between",
			ATTEMPTS_MAX);
	if (error == -EPERM && !failed)
		return diag_failure(
			d, "the nftables rules were not changed: CAP_NET_ADMIN is missing; run as root");
	if (error == -EPERM)
		return diag_failure(d, "the nftables rules were not changed: the table inet " RULESET_TABLE
				       " is held by another process");
	return diag_failure(d, "the nftables rules were not changed: the kernel refused %s: %s%s%s", what,
		strerror(-error), separator, reason);
}

static bool is_held(const struct transition *t, struct arena *a, struct diags *d)
{
	return diag_failure(d,
		"the nftables rules were not changed: the table inet " RULESET_TABLE
		" is held by a running agent (%s), as `enmesh run` is one; it makes changes itself, at once on "
		"SIGHUP; stop it to make them by hand",
		hold_name(t->netns, t->live->rules.owner, a));
}

/*
 * One batch, for the generation that was looked at; if it is a new one by then, everything is computed anew. What
 * must not go in the same transaction is what a look after it still finds.
 */
static bool commit(const struct host *h, const struct transition *t, struct arena *a, struct diags *d)
{
	const struct ruleset *live = &t->live->rules;
	struct edits edits = t->edits;
	const struct edit *failed = NULL;
	const char *reason = NULL;
	int error = -ERESTART;
	bool more = false;

	for (int i = 0; (error == -ERESTART || (!error && more)) && i < ATTEMPTS_MAX; i++) {
		scoped(netlink_free) struct netlink *nft = NULL;
		struct netlink *holder = hold_socket(t->netns);
		struct edits now;

		if (i) {
			struct ruleset *fresh = arena_new(a, struct ruleset);
			struct leftovers *leftovers = arena_new(a, struct leftovers);

			error = capture_look(t->netns, a, fresh, t->adopt ? leftovers : NULL);
			if (error)
				break;
			hold_judge(h, fresh);
			live = fresh;
			edits = (struct edits){ 0 };
			edits_make(&t->want->rules, live, a, &edits);
			leftover_recognise(leftovers, a);
			leftover_edits(leftovers, t->adopt, a, &edits);
		}
		if (!edits.list.n)
			return true;
		more = edits_first(&edits, a, &now);
		error = holder ? 0 : nft_new(t->netns, &nft);
		if (!error)
			error = nft_commit(holder ? holder : nft, &now, live->generation, a, &failed, &reason);
	}
	if (!error && more)
		error = -ERESTART;
	return !error || refused(error, failed, reason, a, d);
}

static bool change_routes(const struct transition *t, bool add, struct arena *a, struct diags *d)
{
	size_t n = add ? t->add_routes.n : t->remove_routes.n;
	scoped(netlink_free) struct netlink *rtnl = NULL;
	int error = n ? route_new(t->netns, &rtnl) : 0;

	for (size_t i = 0; !error && i < n; i++) {
		const struct route *r = add ? t->add_routes.items[i] : t->remove_routes.items[i];

		error = add ? route_add(rtnl, r) : route_remove(rtnl, r);
		if (error)
			return diag_failure(d, "`%s` cannot be %s: %s", route_text(r, a),
				add ? "added" : "removed", strerror(-error));
	}
	return !error || diag_failure(d, "routing rules cannot be changed: %s", strerror(-error));
}

/* A namespace is noted before the first rule in it, and forgotten after the last. */
static bool note_spaces(struct host *h, const struct transition *t, bool before, struct arena *a, struct diags *d)
{
	bool wanted = t->want->rules.present || t->want->routes.list.n;
	struct texts known = { 0 }, now = { 0 };
	int error;

	if (!t->netns || before != wanted)
		return true;
	error = spaces_read(h->state_dir, a, &known);
	if (error == -EBADMSG) /* as was warned of */
		error = spaces_set_aside(h->state_dir);
	vec_each (path, &known.list)
		if (strcmp(*path, t->netns))
			*vec_push(a, &now.list) = *path;
	if (wanted)
		*vec_push(a, &now.list) = t->netns;
	if (!error)
		error = spaces_write(h->state_dir, &now, a);
	return !error || diag_failure(d, "which network namespaces have rules cannot be written to %s: %s",
				 h->state_dir, strerror(-error));
}

static bool carry_out(struct host *h, const struct transition *t, struct arena *a, struct diags *d)
{
	const char *missing = t->elsewhere ? NULL : ruleset_unresolved(&t->want->rules);

	if (t->elsewhere)
		return leftover_remove_elsewhere(t->elsewhere, t->adopt, h->stopped, a, d);
	if (missing)
		return diag_failure(d, "the nftables rules were not changed: this machine has no '%s'", missing);
	if (hold_foreign(t->netns, &t->live->rules))
		return is_held(t, a, d);
	return note_spaces(h, t, true, a, d) && change_routes(t, true, a, d) && commit(h, t, a, d) &&
	       change_routes(t, false, a, d) && note_spaces(h, t, false, a, d);
}

/*
 * All changes of one namespace are one transaction. Those of the node's own come first, and what others have left
 * outside nf_tables right after it: it stays where that failed, so that at no moment nobody captures a connection.
 */
bool capture_apply(struct host *h, struct change *changes, size_t n, struct arena *a, struct diags *d)
{
	bool all = true;

	for (size_t i = 0, end; i < n; i = end) {
		const struct transition *t = changes[i].data;
		bool skipped = t->elsewhere && !all, ok = !skipped && carry_out(h, t, a, d);

		for (end = i; end < n && changes[end].data == t; end++) {
			changes[end].result = ok ? RESULT_DONE : skipped ? RESULT_SKIPPED : RESULT_FAILED;
			if (h->progress)
				h->progress(h->context, &changes[end]);
		}
		all &= ok;
	}
	return all;
}
