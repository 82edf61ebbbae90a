#include "report/status.h"

#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "base/version.h"
#include "report/json.h"

struct condition_value {
	const char *type, *status, *reason, *message;
};

struct making {
	const struct pass *p;
	const struct diags *diags;
	const struct node *before;
	const char *now;
	struct arena *arena;
};

static const struct node *find_named(const struct node *list, const char *field, const char *value)
{
	node_each (it, list) {
		const char *text = node_get_text(it, field);

		if (text && !strcmp(text, value))
			return it;
	}
	return NULL;
}

static const struct node *condition_of(const struct node *status, const char *type)
{
	return find_named(node_get(status, "conditions"), "type", type);
}

static bool is_true(const struct node *condition)
{
	const char *status = node_get_text(condition, "status");

	return status && !strcmp(status, "True");
}

bool status_ready(const struct node *status)
{
	return is_true(condition_of(status, "Ready"));
}

static const char *first_error(const struct making *m)
{
	vec_each (diag, &m->diags->list)
		if (diag->severity == DIAG_ERROR)
			return diag_line(diag, m->arena);
	return NULL;
}

static const struct part *find_part(const struct pass *p, const struct target *t)
{
	vec_each (part, &p->parts)
		if (part->target == t)
			return part;
	return NULL;
}

/* ---- conditions ---- */

static void put_condition(struct making *m, struct node *list, const struct condition_value *c)
{
	const struct node *old = condition_of(m->before, c->type);
	const char *was = node_get_text(old, "status"), *since = node_get_text(old, "lastTransitionTime");
	struct node *n = node_add_map(m->arena, list);

	node_put_text(m->arena, n, "type", c->type);
	node_put_text(m->arena, n, "status", c->status);
	node_put_text(m->arena, n, "reason", c->reason);
	node_put_text(m->arena, n, "message", c->message ? c->message : "");
	node_put_text(m->arena, n, "lastTransitionTime", was && since && !strcmp(was, c->status) ? since : m->now);
	node_put_text(m->arena, n, "observedRevision", m->p->tree.revision);
}

/* What this pass says nothing of stays as it was. */
static void keep_condition(struct making *m, struct node *list, const char *type)
{
	const struct node *old = condition_of(m->before, type);

	if (old)
		*node_add(m->arena, list) = *old;
	else
		put_condition(m, list,
			&(struct condition_value){ type, "Unknown", "NoPass", "no pass has looked at it yet" });
}

static void put_source_valid(struct making *m, struct node *list)
{
	struct condition_value c = { "SourceValid", "True", "Valid", NULL };

	if (m->p->revision.refused) {
		c.status = "False";
		c.reason = m->p->upgrade_needed ? "UpgradeNeeded" : "Refused";
		c.message = m->p->revision.refused;
	} else if (!m->p->accepted) {
		c.status = "False";
		c.reason = !m->p->tree.revision   ? "Unreadable"
			   : m->p->upgrade_needed ? "UpgradeNeeded"
						  : "Refused";
		c.message = first_error(m);
	}
	put_condition(m, list, &c);
}

static void put_source_reachable(struct making *m, struct node *list)
{
	struct condition_value c = { "SourceReachable", "True", "Fetched", NULL };

	if (m->p->remote.offline) {
		c.status = "Unknown";
		c.reason = "Offline";
	} else if (m->p->revision.unreachable) {
		c.status = "False";
		c.reason = "FetchFailed";
		c.message = m->p->revision.unreachable;
	}
	put_condition(m, list, &c);
}

static void put_source_verified(struct making *m, struct node *list)
{
	const char *who = m->p->revision.verified;
	struct condition_value c = { "SourceVerified", "True", "Signed", who };

	if (!git_is_verified(m->p->remote.git))
		return;
	if (!who) {
		c.status = "False";
		c.reason = "NotVerified";
		c.message = m->p->revision.refused;
	}
	put_condition(m, list, &c);
}

/* Abnormal if true. */
static void put_stale(struct making *m, struct node *list)
{
	struct condition_value c = { "Stale", "False", "Heard", NULL };
	long long heard = m->p->revision.stored.observed_at;

	if (!m->p->revision.observed.commit &&
		(m->p->started.tv_sec - heard) * 1000 > m->p->remote.stale_after_ms) {
		c.status = "True";
		c.reason = "SourceSilent";
		c.message = heard ? arena_printf(m->arena, "the source was last heard at %s",
					    clock_text((struct timespec){ .tv_sec = heard }, m->arena))
				  : "the source was never heard";
	}
	put_condition(m, list, &c);
}

/* Of a directory there is nothing to say but whether it is valid. */
static void put_source_conditions(struct making *m, struct node *list)
{
	if (m->p->cleanup)
		return;
	put_source_valid(m, list);
	if (!m->p->remote.git)
		return;
	put_source_reachable(m, list);
	put_source_verified(m, list);
	put_stale(m, list);
}

/* Processes are wanted to work; of the others it is enough that they are there. */
static const char *condition_type(const struct target *t, struct arena *a)
{
	const char *word = strcmp(t->name, "processes") ? "Applied" : "Ready";

	return arena_printf(a, "%c%s%s", toupper((unsigned char)t->name[0]), t->name + 1, word);
}

static size_t changes_of(const struct pass *p, const struct target *t)
{
	size_t n = 0;

	vec_each (c, &p->plan.changes)
		n += c->target == t;
	return n;
}

static void put_target_condition(struct making *m, struct node *list, const struct part *part)
{
	const struct pass *p = m->p;
	struct condition_value c = { condition_type(part->target, m->arena), "True", NULL, NULL };

	c.reason = changes_of(p, part->target) ? "Converged" : "InSync";
	if (!part->planned) {
		c.status = "Unknown";
		c.reason = part->problem ? "Unreadable" : "Stopped";
	} else if (part->flawed || part->failed) {
		c.status = "False";
		c.reason = part->problem || !p->cut ? "ApplyFailed" : "Stopped";
	} else if (part->awaited && part->readiness != AWAIT_READY) {
		c.status = "False";
		c.reason = "NotReady";
	} else if (p->cleanup) {
		c.status = "False";
		c.reason = "Removed";
	} else if (part->target->await && !part->awaited) {
		c.status = "Unknown";
		c.reason = "NotAwaited";
	}
	if (strcmp(c.status, "True"))
		c.message = part->problem;
	put_condition(m, list, &c);
}

static bool is_well(const struct node *condition)
{
	return is_true(condition) != !strcmp(node_get_text(condition, "type"), "Stale");
}

/* Ready is what all the others say together; it carries the revision and since when. */
static void put_ready(struct making *m, struct node *list, const struct node *others, const struct node *source)
{
	const char *revision = node_get_text(source, "appliedRevision");
	struct condition_value c = { "Ready", "True", outcome_word(m->p->outcome), NULL };
	const struct node *bad = NULL;

	node_each (it, others)
		if (!bad && !is_well(it))
			bad = it;
	if (bad) {
		c.status = node_get_text(bad, "status");
		c.reason = node_get_text(bad, "reason");
		c.message = arena_printf(m->arena, "%s is %s: %s", node_get_text(bad, "type"), c.status,
			node_get_text(bad, "message"));
	} else if (m->p->outcome == OUTCOME_FAILED || m->p->outcome == OUTCOME_STOPPED || !revision) {
		c.status = "False";
		c.reason = "Failed";
		c.message = first_error(m);
	} else {
		c.message = arena_printf(
			m->arena, "revision %s, applied at %s", revision, node_get_text(source, "appliedAt"));
	}
	put_condition(m, list, &c);
}

static void put_conditions(struct making *m, struct node *root)
{
	struct node others = { .type = NODE_LIST }, *list = node_put_list(m->arena, root, "conditions");

	put_source_conditions(m, &others);
	for (const struct target *const *t = targets_all; *t; t++)
		if (!find_part(m->p, *t))
			keep_condition(m, &others, condition_type(*t, m->arena));
	vec_each (part, &m->p->parts)
		put_target_condition(m, &others, part);
	put_ready(m, list, &others, node_get(root, "source"));
	node_each (it, &others)
		*node_add(m->arena, list) = *it;
}

/* ---- revisions, the pass, targets ---- */

/* Whether the node now has all that the revision wants of it. */
static bool applied_all(const struct pass *p)
{
	vec_each (part, &p->parts)
		if (!part->recorded)
			return false;
	return p->accepted && !p->partial && !p->cut && !p->cleanup;
}

static void put_remote(struct making *m, struct node *n)
{
	long long heard =
		m->p->revision.observed.commit ? m->p->started.tv_sec : m->p->revision.stored.observed_at;

	if (heard)
		node_put_text(
			m->arena, n, "lastFetchOk", clock_text((struct timespec){ .tv_sec = heard }, m->arena));
	node_put_text(m->arena, n, "ref",
		m->p->revision.observed.commit ? m->p->revision.observed.ref : m->p->revision.stored.observed.ref);
	node_put_text(m->arena, n, "verifiedBy", m->p->revision.verified);
}

static void put_source(struct making *m, struct node *root)
{
	const struct node *old = node_get(m->before, "source");
	const char *revision = m->p->tree.revision, *applied = node_get_text(old, "appliedRevision");
	const char *applied_at = node_get_text(old, "appliedAt");
	const char *observed = m->p->remote.git ? m->p->revision.observed.commit : revision;
	struct node *n = node_put_map(m->arena, root, "source");

	if (applied_all(m->p)) {
		bool same = applied && applied_at && !strcmp(applied, revision) && !m->p->plan.changes.n;

		applied_at = same ? applied_at : m->now;
		applied = revision;
	}
	node_put_text(m->arena, n, "url", m->p->cleanup ? node_get_text(old, "url") : m->p->source);
	node_put_text(
		m->arena, n, "observedRevision", observed ? observed : node_get_text(old, "observedRevision"));
	node_put_text(m->arena, n, "attemptedRevision",
		revision && m->p->accepted ? revision : node_get_text(old, "attemptedRevision"));
	node_put_text(m->arena, n, "appliedRevision", applied);
	node_put_text(m->arena, n, "appliedAt", applied_at);
	if (m->p->remote.git)
		put_remote(m, n);
}

static void put_last_pass(struct making *m, struct node *root)
{
	struct node *n = node_put_map(m->arena, root, "lastPass");

	node_put_text(m->arena, n, "result", outcome_word(m->p->outcome));
	node_put_text(m->arena, n, "startedAt", m->now);
	node_put_int(m->arena, n, "durationMs", m->p->took_us / 1000);
}

static const char *target_result(const struct making *m, const struct part *part)
{
	if (!part->planned)
		return part->problem ? "blocked" : "skipped";
	if (part->flawed || part->failed)
		return "failed";
	return changes_of(m->p, part->target) ? "repaired" : "kept";
}

static void put_target(struct making *m, struct node *list, const struct part *part)
{
	struct node *n = node_add_map(m->arena, list);
	struct plan own = { .arena = m->arena };
	struct plan_counts counts;

	vec_each (c, &m->p->plan.changes)
		if (c->target == part->target)
			*vec_push(m->arena, &own.changes) = *c;
	counts = plan_count(&own);
	node_put_text(m->arena, n, "name", part->target->name);
	node_put_text(m->arena, n, "result", target_result(m, part));
	node_put_int(m->arena, n, "add", (int64_t)counts.add);
	node_put_int(m->arena, n, "change", (int64_t)counts.change);
	node_put_int(m->arena, n, "remove", (int64_t)counts.remove);
	node_put_int(m->arena, n, "drift", (int64_t)counts.drift);
}

static void put_targets(struct making *m, struct node *root)
{
	struct node *list = node_put_list(m->arena, root, "targets");

	for (const struct target *const *t = targets_all; *t; t++) {
		const struct node *old = find_named(node_get(m->before, "targets"), "name", (*t)->name);

		if (old && !find_part(m->p, *t))
			*node_add(m->arena, list) = *old;
	}
	vec_each (part, &m->p->parts)
		put_target(m, list, part);
}

/* ---- warnings ---- */

static void add_warning(struct making *m, struct node *list, const char *line)
{
	node_each (it, list)
		if (!strcmp(it->string, line))
			return;
	node_add_text(m->arena, list, line);
}

/* A pass over some of the targets says nothing of what the others warned of. */
static void put_warnings(struct making *m, struct node *root)
{
	struct node *list = node_put_list(m->arena, root, "warnings");

	vec_each (diag, &m->diags->list)
		if (diag->severity == DIAG_WARNING)
			add_warning(m, list, diag_line(diag, m->arena));
	if (m->p->partial)
		node_each (it, node_get(m->before, "warnings"))
			if (node_text(it))
				add_warning(m, list, it->string);
}

const struct node *status_after(
	const struct pass *p, const struct diags *d, const struct node *before, struct arena *a)
{
	struct making m = { p, d, before, clock_text(p->started, a), a };
	struct node *root = arena_new(a, struct node);

	root->type = NODE_MAP;
	node_put_text(a, root, "apiVersion", CONFIG_API_VERSION);
	node_put_text(a, root, "kind", "MeshNodeStatus");
	node_put_text(a, root, "node", p->node);
	node_put_text(a, root, "version", version_text);
	put_source(&m, root);
	put_last_pass(&m, root);
	json_put_summary(root, p, a);
	put_targets(&m, root);
	put_conditions(&m, root);
	put_warnings(&m, root);
	return root;
}
