#include "cli/compare.h"
#include "cli/converge.h"

static const struct opt opts[] = {
	OPT_CODE(0, "diff-exit-code", "CODE", struct arguments, diff_exit_code,
		"how to end if there are differences (default: 2)"),
	OPT_STRING(0, "from", "REV", struct arguments, from_revision,
		"compare with this revision of the repository that SOURCE lies in, for all nodes, instead of with "
		"what "
		"is really there (merge-base, and the default with --to: where HEAD left its upstream branch)"),
	OPT_STRING(0, "to", "REV", struct arguments, to_revision,
		"with --from: what it is compared with (default: the files as they are)"),
	{ 0 },
};

static enum code run_diff(struct session *s)
{
	if (s->args.from_revision || s->args.to_revision)
		return compare(s);
	return converge(s, &(struct converging){ .dry_run = true });
}

const struct command command_diff = {
	.name = "diff",
	.operands = "[SOURCE]",
	.max_operands = 1,
	.summary = "show how the node differs from SOURCE",
	.description =
		"Compares what SOURCE, a directory or the address of a git repository, wants of the node "
		"with what is really there, and shows "
		"what apply would "
		"change. Nothing is written. What may not be read (nftables rules need root) is called "
		"unknown, the rest is "
		"shown, and the exit code is 1.\n\n"
		"Each change has a mark (+ to add, ~ to change, - to remove), its address, its reason "
		"(new, changed, drift, "
		"orphan), and what it costs if it is more than a change in place (reload, restart, "
		"recreate). What somebody "
		"else changed since the last pass comes first. The last line is for robots:\n\n"
		"  Plan: 3 to add, 1 to change, 0 to remove.\n\n"
		"With --from, SOURCE is a directory in a git work tree, and what it wants is compared with what "
		"it wanted in another revision: for each node (or --node) that is as the older revision wants it, "
		"the changes that the newer one would bring to rules, processes and objects. Nothing of this "
		"machine is looked at, names stay names, and no rights are needed: this is for pull requests. "
		"Nodes with the same changes are shown once.\n\n"
		"  enmesh diff . --from origin/main -o markdown",
	.tables = { opts_node, opts, opts_source, opts_fallback, opts_prune, opts_targets, opts_report,
		opts_machine, opts_config, opts_general },
	.codes = { { CODE_OK, "the node is in sync" },
		{ CODE_ERROR, "the source was refused, or something could not be read" },
		{ CODE_DIFFERENT, "there are differences" }, { CODE_USAGE, "wrong usage" } },
	.run = run_diff,
};
