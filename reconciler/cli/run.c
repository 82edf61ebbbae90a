#include <poll.h>
#include <time.h>

#include "agent/schedule.h"
#include "base/clock.h"
#include "base/notify.h"
#include "cli/converge.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "targets/target.h"

static const struct opt opts[] = {
	OPT_DURATION(0, "interval", "TIME", struct arguments, interval_ms,
		"how long after a pass the next one begins at the latest (default: 1m)"),
	OPT_DURATION(0, "timeout", "TIME", struct arguments, timeout_ms,
		"how long a pass waits until what is wanted is ready (default: 60s)"),
	{ 0 },
};

enum {
	LOCK_MS = 30 * 1000, /* one that somebody makes by hand may come in between */
	/* Machines on which others change rules all the time are not to be looked at all the time. */
	REST_MS = 1000,
};

/* Called again and again while a pass runs and while it waits for the next one: the service manager hears that,
 * too. */
static bool is_stopped(void)
{
	static long long next_ms;
	long long every_ms = notify_watchdog_ms(), now_ms = every_ms ? clock_monotonic_ms() : 0;

	if (every_ms && now_ms >= next_ms) {
		notify("WATCHDOG=1");
		next_ms = now_ms + every_ms / 2;
	}
	return signals_stopped();
}

static bool is_wanted(void)
{
	return is_stopped() || signals_hung_up();
}

/* A fleet that comes up after a power cut does not ask its server all at once. */
static bool has_just_booted(long long interval_ms)
{
	struct timespec up;

	return clock_gettime(CLOCK_BOOTTIME, &up) == 0 && up.tv_sec * 1000LL < interval_ms;
}

/* With memory of its own, so that nothing grows; the documents are kept for the next one. */
static enum code run_pass(const struct session *s, bool good_first, struct config_kept *kept)
{
	struct arena arena = { 0 };
	struct diags diags = { .arena = &arena };
	struct session one = *s;
	enum code code;

	one.arena = &arena;
	one.diags = &diags;
	if (!one.args.lock_timeout_ms)
		one.args.lock_timeout_ms = LOCK_MS;
	code = converge(
		&one, &(struct converging){
			      .holds = true, .good_first = good_first, .stopped = is_stopped, .kept = kept });
	diag_sort(&diags);
	output_diags(&diags, &arena);
	config_keep(kept);
	arena_finish(&arena);
	return code;
}

/* Whatever comes first: a request, a change by somebody else (after a rest), or the time. */
static void wait_for_next(long long wait_ms)
{
	long long now = clock_monotonic_ms(), rested = now + REST_MS, until = now + wait_ms;
	bool changed = false;

	for (size_t i = 0; targets_all[i] && !changed && !is_wanted(); i++)
		if (targets_all[i]->watch)
			changed = targets_all[i]->watch(until, is_wanted);
	if (changed && !is_wanted() && clock_monotonic_ms() < rested)
		poll(NULL, 0, (int)(rested - clock_monotonic_ms()));
}

/* Not ready is no failure: to look again sooner makes nothing ready. */
static bool has_failed(enum code code)
{
	return code == CODE_ERROR || code == CODE_NOTHING_DONE;
}

static enum code run_run(struct session *s)
{
	struct settings settings;
	enum code code = settings_read(s, &settings);
	struct schedule schedule;
	scoped(config_kept_finish) struct config_kept kept = { 0 };
	unsigned failures = 0;
	bool good_first;

	if (code != CODE_OK)
		return code;

	schedule = schedule_of(settings.node, settings.interval_ms, s->arena);
	good_first = has_just_booted(settings.interval_ms);
	signals_catch_hangup();
	do {
		code = run_pass(s, good_first, &kept);
		if (code == CODE_USAGE)
			return code;
		notify("READY=1");
		good_first = false;
		failures = has_failed(code) ? failures + 1 : 0;
		if (!is_wanted()) {
			struct timespec now = clock_now();

			wait_for_next(
				schedule_wait(&schedule, now.tv_sec * 1000LL + now.tv_nsec / 1000000, failures));
		}
		signals_forget_hangup();
	} while (!signals_stopped());
	notify("STOPPING=1");
	return CODE_OK;
}

const struct command command_run = {
	.name = "run",
	.operands = "[SOURCE]",
	.max_operands = 1,
	.summary = "keep the node as SOURCE wants it, until it is stopped",
	.description =
		"The passes of apply, one after the other: at the start, when the interval is over, on "
		"SIGHUP, and at once, but not more often than every second, when somebody else changes "
		"enmesh's rules. Each reads SOURCE anew. What a pass finds in place it says nothing of. It "
		"waits 30 seconds for the pass of another command to end, unless --lock-timeout says "
		"otherwise.\n\n"
		"While it runs, the table inet enmesh is held by the kernel (Linux 6.9 or newer): other "
		"programs cannot change or delete it, and `nft flush ruleset` passes it over. `enmesh apply` "
		"and `cleanup` beside it are refused where they would change rules. When it ends, however it "
		"does, the rules stay, and the next one takes them over. A table that was made without it is "
		"made anew once, in one transaction.\n\n"
		"The name of the node decides at which moment of the interval it looks, so that the looks of a "
		"fleet "
		"come evenly at a server. A pass that failed is tried again after some seconds, then less and "
		"less "
		"often. Right after a boot the first pass works on the last good revision of a repository, and "
		"the "
		"next one, at the node's own moment, asks for a newer one. A service manager is told when the "
		"first "
		"pass is over (sd_notify), and, with WatchdogSec=, that it goes on.\n\n"
		"SIGINT or SIGTERM end it, between two changes.",
	.tables = { opts_node, opts, opts_source, opts_lock, opts_prune, opts_targets, opts_log, opts_machine,
		opts_config, opts_general },
	.codes = { { CODE_OK, "it was stopped by a signal" }, { CODE_ERROR, "its settings cannot be read" },
		{ CODE_USAGE, "wrong usage" } },
	.run = run_run,
};
