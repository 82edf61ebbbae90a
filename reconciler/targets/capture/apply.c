#include <errno.h>
#include <string.h>

#include "targets/capture/nft.h"
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
				       " is owned by another process");
	return diag_failure(d, "the nftables rules were not changed: the kernel refused %s: %s%s%s", what,
		strerror(-error), separator, reason);
}

/* One batch, for the generation that was looked at; if it is a new one by then, everything is computed anew. */
static bool commit(const struct transition *t, struct arena *a, struct diags *d)
{
	const struct ruleset *live = t->live;
	struct edits edits = t->edits;
	const struct edit *failed = NULL;
	const char *reason = NULL;
	int error = -ERESTART;

	for (int i = 0; error == -ERESTART && i < ATTEMPTS_MAX; i++) {
		scoped(nft_free) struct nft *nft = NULL;

		if (i) {
			struct ruleset *fresh = arena_new(a, struct ruleset);

			error = capture_look(a, fresh);
			if (error)
				break;
			live = fresh;
			edits = (struct edits){ 0 };
			edits_make(t->want, live, a, &edits);
		}
		if (!edits.list.n)
			return true;
		error = nft_new(&nft);
		if (!error)
			error = nft_commit(nft, &edits, live->generation, a, &failed, &reason);
	}
	return !error || refused(error, failed, reason, a, d);
}

bool capture_apply(struct host *h, struct change *changes, size_t n, struct arena *a, struct diags *d)
{
	const struct transition *t = changes[0].data;
	const char *unresolved = ruleset_unresolved(t->want);
	bool ok;

	if (unresolved)
		ok = diag_failure(
			d, "the nftables rules were not changed: this machine has no account '%s'", unresolved);
	else
		ok = commit(t, a, d);
	for (size_t i = 0; i < n; i++) {
		changes[i].result = ok ? RESULT_DONE : RESULT_FAILED;
		if (h->progress)
			h->progress(h->context, &changes[i]);
	}
	return ok;
}
