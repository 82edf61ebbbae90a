#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "targets/processes/log.h"
#include "targets/processes/probe.h"
#include "targets/processes/run.h"

enum {
	SLICE_MS = 200,      /* how soon a request to end is seen */
	FIRST_PAUSE_MS = 20, /* after the first attempt; doubled until it is the period */
	LEAST_MS = 1000,     /* of an attempt after the deadline */
};

/* ---- what is there ---- */

/* Not a match for a group of another digest: what is waited for is the process that is wanted. */
static bool look_up(struct runtime *rt, struct waiting *w)
{
	if (w->seen) {
		w->group = *w->seen;
		return true;
	}
	return rt->root >= 0 &&
	       !cgroup_read_one(rt->root, w->unit->name, w->unit->group_name, rt->arena, &w->group) &&
	       !w->group.ending;
}

static void find(struct runtime *rt, struct waiting *w)
{
	w->pidfd = -1;
	w->state = WAIT_ABSENT;
	if (!look_up(rt, w))
		return;
	if (w->seen && w->unit->process->readiness.kind == PROBE_NONE) {
		w->state = WAIT_READY;
		return;
	}
	if (w->group.runs)
		w->pidfd = process_open(&w->group.main);
	if (w->pidfd >= 0) {
		w->state = WAIT_PENDING;
	} else if (w->group.runs || w->group.ended) {
		w->state = WAIT_ENDED;
		process_end(&w->group.main, started_pidfd(&w->group.main), &w->end);
	}
}

static bool has_ended(struct waiting *w)
{
	struct pollfd p = { .fd = w->pidfd, .events = POLLIN };

	if (poll(&p, 1, 0) <= 0)
		return false;
	w->state = WAIT_ENDED;
	process_end(&w->group.main, w->pidfd, &w->end);
	return true;
}

/* ---- attempts ---- */

static void attempt(struct runtime *rt, struct prober *prober, struct waiting *w, long long now)
{
	const struct probe *probe = &w->unit->process->readiness;
	struct probed where = { .prober = prober, .netns = w->unit->process->netns };
	struct arena scratch = { 0 };
	long long left = rt->host->deadline_ms - now;
	const char *problem = "";

	if (left < LEAST_MS)
		left = LEAST_MS;
	where.timeout_ms = left < probe->timeout_ms ? (int)left : probe->timeout_ms;
	if (probe_try(&where, probe, &scratch, &problem)) {
		/* Whoever answered, it was not the process, if that has ended. */
		if (!has_ended(w))
			w->state = WAIT_READY;
	} else if (!w->problem || strcmp(w->problem, problem) != 0) {
		w->problem = arena_strdup(rt->arena, problem);
	}
	arena_finish(&scratch);
	w->interval_ms = w->interval_ms ? w->interval_ms * 2 : FIRST_PAUSE_MS;
	if (w->interval_ms > probe->period_ms)
		w->interval_ms = probe->period_ms;
	w->next_ms = clock_monotonic_ms() + w->interval_ms;
}

/* Until the next attempt is due, or a process ends. */
static void pause_any(struct runtime *rt, struct waiting *list, size_t n, struct pollfd *polled)
{
	long long now = clock_monotonic_ms(), until = now + SLICE_MS;
	nfds_t count = 0;

	if (rt->host->deadline_ms < until)
		until = rt->host->deadline_ms;
	for (size_t i = 0; i < n; i++) {
		if (list[i].state != WAIT_PENDING)
			continue;
		polled[count++] = (struct pollfd){ .fd = list[i].pidfd, .events = POLLIN };
		until = list[i].next_ms < until ? list[i].next_ms : until;
	}
	poll(polled, count, until > now ? (int)(until - now) : 0);
}

/* How many are still to become ready. */
static size_t look(struct runtime *rt, struct prober *prober, struct waiting *list, size_t n)
{
	size_t pending = 0;

	for (size_t i = 0; i < n; i++) {
		struct waiting *w = &list[i];
		long long now = clock_monotonic_ms();

		if (w->state == WAIT_PENDING && !has_ended(w) && now >= w->next_ms)
			attempt(rt, prober, w, now);
		pending += w->state == WAIT_PENDING;
	}
	return pending;
}

void units_wait(struct runtime *rt, struct waiting *list, size_t n)
{
	struct pollfd *polled = arena_alloc(rt->arena, (n + 1) * sizeof(*polled));
	scoped(prober_finish) struct prober prober = { 0 };

	for (size_t i = 0; i < n; i++)
		find(rt, &list[i]);
	while (look(rt, &prober, list, n)) {
		if (clock_monotonic_ms() >= rt->host->deadline_ms || (rt->host->stopped && rt->host->stopped()))
			break;
		pause_any(rt, list, n, polled);
	}
	for (size_t i = 0; i < n; i++)
		close_fd(&list[i].pidfd);
}

const char *waiting_text(struct runtime *rt, const struct waiting *w)
{
	switch (w->state) {
	case WAIT_READY:
		break;
	case WAIT_PENDING:
		return arena_printf(
			rt->arena, "is not ready: %s", w->problem ? w->problem : "it was not yet asked");
	case WAIT_ENDED:
		return arena_printf(rt->arena, "%s%s", child_end_text(&w->end, rt->arena),
			log_tail(rt->host->state_dir, w->unit->name, w->group.log_from, rt->arena));
	case WAIT_ABSENT:
		return "does not run";
	}
	return "is ready";
}

/* ---- the target's step ---- */

static bool open_runtime(struct runtime *rt)
{
	int r = 0;

	rt->root_path = rt->host->cgroup ? rt->host->cgroup : cgroup_default(rt->arena, &r);
	if (!r && rt->root_path)
		r = cgroup_open_root(rt->root_path, &rt->root);
	return !r || r == -ENOENT || r == -ENOTSUP;
}

enum await processes_await(
	struct host *h, const struct state *want, const struct state *live, struct arena *a, struct diags *d)
{
	struct waiting *list = arena_alloc(a, (want->units.n + 1) * sizeof(*list));
	struct runtime rt = { .host = h, .root = -1, .arena = a, .diags = d };
	enum await result = AWAIT_READY;
	bool all_seen = true;
	size_t n = 0;

	vec_each (u, &want->units) {
		list[n].unit = u;
		list[n].seen = live ? unit_current(state_unit(live, u->name), u) : NULL;
		all_seen &= list[n++].seen != NULL;
	}
	if (!all_seen && !open_runtime(&rt)) {
		diag_failure(d, "cannot tell which processes run: the cgroups in %s cannot be read",
			rt.root_path ? rt.root_path : "/proc/self/mountinfo");
		return AWAIT_FAILED;
	}
	units_wait(&rt, list, n);
	close_fd(&rt.root);
	for (size_t i = 0; i < n; i++) {
		const struct process *p = list[i].unit->process;
		const struct node *probe = node_get(p->node, "readiness");

		if (list[i].state == WAIT_READY)
			continue;
		diag_error(d, node_pos(list[i].state == WAIT_PENDING && probe ? probe : p->node), "the %s %s",
			p->title, waiting_text(&rt, &list[i]));
		if (list[i].state != WAIT_PENDING)
			result = AWAIT_FAILED;
		else if (result == AWAIT_READY)
			result = AWAIT_NOT_READY;
	}
	return result;
}
