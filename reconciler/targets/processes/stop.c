#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "targets/processes/log.h"
#include "targets/processes/probe.h"
#include "targets/processes/run.h"

enum { POST_MS = 3000, SLICE_MS = 200 };

/* One group whose main process runs, on its way to the end. */
struct dying {
	const struct unit *unit;
	const struct unit *wanted;
	const struct group *group;
	const struct node *spec; /* what it was started with; NULL: nobody knows */
	int pidfd;
	bool asked; /* to end */
	bool over;
	long long until_ms; /* when the next step is due */
	long long stop_ms;
	pid_t drainer; /* the command that starts the draining */
};

struct dyings {
	vec_of(struct dying) list;
};

/* ---- draining ---- */

static struct pos place(const struct dying *dy)
{
	return dy->wanted ? node_pos(dy->wanted->process->node) : (struct pos){ 0 };
}

static const char *title(const struct dying *dy)
{
	return unit_title(dy->wanted ? dy->wanted : dy->unit);
}

static bool drain_post(struct runtime *rt, struct prober *prober, const struct dying *dy, const struct node *post)
{
	const char *host = node_get_text(post, "host"), *path = node_get_text(post, "path"), *problem = "";
	const struct probed where = { prober, node_get_text(dy->spec, "networkNamespace"), POST_MS };
	uint16_t port = (uint16_t)node_get_int(post, "port", 0);

	if (!host || !path || probe_post(&where, host, port, path, rt->arena, &problem))
		return true;
	diag_warning(rt->diags, place(dy), "the %s is stopped without draining: %s", title(dy), problem);
	return false;
}

/* In the group of the process, with which it will be killed if it hangs. */
static bool drain_command(struct runtime *rt, struct dying *dy, const struct node *command)
{
	struct node spec = node_without(rt->arena, dy->spec, "command");
	scoped(close_fd) int group = -1, log = -1;
	enum child_step step = CHILD_PREPARE;
	struct child_spec run;
	long long size;
	int r = -EINVAL;

	node_put_node(rt->arena, &spec, "command", command);
	if (spec_read(&spec, rt->arena, &run))
		r = log_open(rt->host->state_dir, dy->unit->name, run.uid, run.gid, rt->arena, &size, &log);
	if (!r)
		r = cgroup_open(rt->root, dy->unit->name, dy->group->name, &group);
	if (!r) {
		run.output = log;
		run.cgroup = group;
		r = child_start(&run, rt->arena, &dy->drainer, &step);
	}
	if (r) {
		diag_warning(rt->diags, place(dy), "the %s is stopped without draining: could not %s '%s': %s",
			title(dy), child_step_text(step), command->n ? command->items->string : "", strerror(-r));
		return false;
	}
	return true;
}

static void drain(struct runtime *rt, struct prober *prober, struct dying *dy)
{
	const struct node *drain = node_get(dy->spec, "drain"), *post = node_get(drain, "httpPost");
	const struct node *command = node_get(drain, "command");
	bool drains = true;

	if (post)
		drains = drain_post(rt, prober, dy, post);
	if (command)
		drains = drain_command(rt, dy, command) && drains;
	/* Where nothing was asked to drain, there is nothing to wait for. */
	dy->until_ms = clock_monotonic_ms() + (drains ? node_get_int(drain, "seconds", 0) * 1000 : 0);
}

static void collect_drainer(struct runtime *rt, struct dying *dy)
{
	struct child_end end;

	if (!dy->drainer || !child_ended(dy->drainer, &end))
		return;
	dy->drainer = 0;
	if (end.known && end.status)
		diag_warning(rt->diags, place(dy), "the drain command of the %s %s", title(dy),
			child_end_text(&end, rt->arena));
}

/* ---- the way to the end ---- */

static const struct node *spec_of(const struct group *group, const struct unit *wanted, struct arena *a)
{
	const char *problem;
	const struct node *spec =
		group->record ? json_read(group->record, strlen(group->record), a, &problem) : NULL;

	/* What runs is what was started then, with the ports of then; without a record, today's is the best guess.
	 */
	if (spec)
		return spec;
	return wanted ? wanted->spec : NULL;
}

static void add_dying(struct runtime *rt, const struct ending *e, const struct group *group, struct dyings *out)
{
	const struct node *spec = spec_of(group, e->wanted, rt->arena);
	int pidfd = group->runs ? process_open(&group->main) : -1;

	/* Killed from here on, we leave something that ends, or no longer serves. */
	cgroup_mark_ending(rt->root, e->live->name, group->name);
	if (pidfd < 0)
		return;
	*vec_push(rt->arena, &out->list) = (struct dying){
		.unit = e->live,
		.wanted = e->wanted,
		.group = group,
		.spec = spec,
		.pidfd = pidfd,
		.stop_ms = node_get_int(spec, "stopSeconds", 10) * 1000,
	};
}

static void step(struct dying *dy, long long now, bool hurry)
{
	if (dy->over)
		return;
	if (!dy->asked && (now >= dy->until_ms || hurry)) {
		dy->asked = true;
		dy->until_ms = now + dy->stop_ms;
		if (process_signal(dy->pidfd, SIGTERM))
			dy->over = true;
	}
	if (dy->asked && now >= dy->until_ms)
		dy->over = true;
}

/* Until something may have happened. A signal to us may come just before poll: hence the slices. */
static void wait_any(struct dyings *dyings, long long now, struct pollfd *polled)
{
	long long until = now + SLICE_MS;
	nfds_t n = 0;

	vec_each (dy, &dyings->list) {
		if (dy->over)
			continue;
		polled[n++] = (struct pollfd){ .fd = dy->pidfd, .events = POLLIN };
		until = dy->until_ms < until ? dy->until_ms : until;
	}
	if (!n || poll(polled, n, until > now ? (int)(until - now) : 0) <= 0)
		return;
	n = 0;
	vec_each (dy, &dyings->list)
		if (!dy->over && polled[n++].revents)
			dy->over = true;
}

static bool any_left(const struct dyings *dyings)
{
	vec_each (dy, &dyings->list)
		if (!dy->over)
			return true;
	return false;
}

static void end_main(struct runtime *rt, struct dyings *dyings)
{
	struct pollfd *polled = arena_alloc(rt->arena, (dyings->list.n + 1) * sizeof(*polled));

	while (any_left(dyings)) {
		long long now = clock_monotonic_ms();
		/* Asked to end ourselves: this change is brought to its end, but not with the time for
		 * connections. */
		bool hurry = rt->host->stopped && rt->host->stopped();

		vec_each (dy, &dyings->list) {
			collect_drainer(rt, dy);
			step(dy, now, hurry);
		}
		wait_any(dyings, now, polled);
	}
}

/* ---- what is left ---- */

static bool destroy(struct runtime *rt, const struct unit *unit, const struct unit *wanted, const char *group)
{
	int r = cgroup_destroy(rt->root, unit->name, group);

	if (!r)
		return true;
	return diag_error(rt->diags, wanted ? node_pos(wanted->process->node) : (struct pos){ 0 },
		"the %s cannot be stopped: %s", unit_title(wanted ? wanted : unit),
		r == -ETIMEDOUT ? "its processes were killed and do not end; they hang in the kernel"
				: strerror(-r));
}

static bool finish(struct runtime *rt, struct ending *e)
{
	bool ok = true;

	vec_each (g, &e->live->live) {
		ok &= destroy(rt, e->live, e->wanted, g->name);
		process_collect(&g->main);
	}
	if (!ok || e->wanted)
		return ok;
	cgroup_remove_outer(rt->root, e->live->name);
	log_remove(rt->host->state_dir, e->live->name, rt->arena);
	return true;
}

bool units_stop(struct runtime *rt, struct ending *endings, size_t n)
{
	scoped(prober_finish) struct prober prober = { 0 };
	struct dyings dyings = { 0 };
	struct child_end end;
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		vec_each (g, &endings[i].live->live)
			add_dying(rt, &endings[i], g, &dyings);
	vec_each (dy, &dyings.list)
		drain(rt, &prober, dy);
	end_main(rt, &dyings);
	for (size_t i = 0; i < n; i++) {
		endings[i].done = finish(rt, &endings[i]);
		ok &= endings[i].done;
	}
	vec_each (dy, &dyings.list) {
		close(dy->pidfd);
		if (dy->drainer)
			child_ended(dy->drainer, &end);
	}
	return ok;
}

bool unit_tidy(struct runtime *rt, const struct unit *live, const char *keep)
{
	bool ok = true;

	vec_each (g, &live->live)
		if (strcmp(g->name, keep) != 0)
			ok &= destroy(rt, live, NULL, g->name);
	return ok;
}
