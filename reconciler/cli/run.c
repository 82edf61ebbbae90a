#include <poll.h>

#include "base/clock.h"
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

/* With memory of its own, so that nothing grows. */
static enum code run_pass(const struct session *s)
{
	struct arena arena = { 0 };
	struct diags diags = { .arena = &arena };
	struct session one = *s;
	enum code code;

	one.arena = &arena;
	one.diags = &diags;
	if (!one.args.lock_timeout_ms)
		one.args.lock_timeout_ms = LOCK_MS;
	code = converge(&one, &(struct converging){ .holds = true });
	diag_sort(&diags);
	output_diags(&diags, &arena);
	arena_finish(&arena);
	return code;
}

static bool is_wanted(void)
{
	return signals_stopped() || signals_hung_up();
}

/* Whatever comes first: a request, a change by somebody else (after a rest), or the time. */
static void wait_for_next(long long interval_ms)
{
	long long now = clock_monotonic_ms(), rested = now + REST_MS, until = now + interval_ms;
	bool changed = false;

	for (size_t i = 0; targets_all[i] && !changed && !is_wanted(); i++)
		if (targets_all[i]->watch)
			changed = targets_all[i]->watch(until, is_wanted);
	if (changed && !is_wanted() && clock_monotonic_ms() < rested)
		poll(NULL, 0, (int)(rested - clock_monotonic_ms()));
}

static enum code run_run(struct session *s)
{
	struct settings settings;
	enum code code = settings_read(s, &settings);

	if (code != CODE_OK)
		return code;

	signals_catch_hangup();
	do {
		code = run_pass(s);
		if (code == CODE_USAGE)
			return code;
		if (!is_wanted())
			wait_for_next(settings.interval_ms);
		signals_forget_hangup();
	} while (!signals_stopped());
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
		"SIGINT or SIGTERM end it, between two changes.",
	.tables = { opts_node, opts, opts_source, opts_lock, opts_prune, opts_targets, opts_log, opts_machine,
		opts_config, opts_general },
	.codes = { { CODE_OK, "it was stopped by a signal" }, { CODE_ERROR, "its settings cannot be read" },
		{ CODE_USAGE, "wrong usage" } },
	.run = run_run,
};
