#include "cli/converge.h"

static const struct opt opts[] = {
	OPT_FLAG(0, "dry-run", struct arguments, dry_run,
		"change nothing: show what would be changed, as diff does"),
	OPT_SWITCH(0, "wait", struct arguments, wait, "wait until what is wanted is ready (default: yes)"),
	OPT_DURATION(0, "timeout", "TIME", struct arguments, timeout_ms, "how long to wait (default: 60s)"),
	OPT_FLAG(0, "detailed-exitcode", struct arguments, detailed_exit_code,
		"end with 2 if something was changed"),
	OPT_CODE(0, "diff-exit-code", "CODE", struct arguments, diff_exit_code,
		"with --dry-run, how to end if there are differences (default: 2)"),
	{ 0 },
};

static enum code run_apply(struct session *s)
{
	return converge(s, &(struct converging){ .dry_run = s->args.dry_run });
}

const struct command command_apply = {
	.name = "apply",
	.operands = "[SOURCE]",
	.max_operands = 1,
	.summary = "make the node as SOURCE wants it",
	.description =
		"One converging pass: reads SOURCE, a directory or the address of a git repository, compares it "
		"with the node, changes only what differs, and waits until what should run is ready. If nothing "
		"differs, nothing is written but the status.\n\n"
		"Of a repository, what is valid and signed as the settings ask is kept as the last good revision. "
		"Where the repository cannot be had, or its newest revision is refused, the pass fails and "
		"changes "
		"nothing, or, with --last-good, works on that one and warns.\n\n"
		"A source with any error in it changes nothing. A target that cannot be read or changed is "
		"reported, and the "
		"others still converge. Only one pass at a time runs on a machine; a second one ends with 4 "
		"unless "
		"--lock-timeout lets it wait. SIGINT or SIGTERM end the pass between two changes; a second signal "
		"ends it at "
		"once, which is safe too: the next pass goes on from there.",
	.tables = { opts_node, opts, opts_source, opts_fallback, opts_lock, opts_prune, opts_targets, opts_report,
		opts_machine, opts_config, opts_general },
	.codes = { { CODE_OK, "the node is as wanted, and ready" },
		{ CODE_ERROR, "the source was refused, or a target could not be read or changed" },
		{ CODE_DIFFERENT,
			"with --dry-run: there are differences; with --detailed-exitcode: something was changed" },
		{ CODE_NOT_READY, "all was applied, but not everything became ready in time" },
		{ CODE_NOTHING_DONE, "nothing was done: another pass holds the lock" },
		{ CODE_USAGE, "wrong usage" } },
	.run = run_apply,
};
