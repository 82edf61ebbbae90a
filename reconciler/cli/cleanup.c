#include "cli/converge.h"

static const struct opt opts[] = {
	OPT_FLAG(0, "dry-run", struct arguments, dry_run, "remove nothing: show what would be removed"),
	OPT_FLAG(0, "mesh-objects", struct arguments, mesh_objects,
		"also remove the objects of the whole mesh, which this node wrote for all"),
	{ 0 },
};

static enum code run_cleanup(struct session *s)
{
	return converge(s, &(struct converging){ .cleanup = true, .dry_run = s->args.dry_run });
}

const struct command command_cleanup = {
	.name = "cleanup",
	.summary = "remove everything that enmesh owns on this node, and nothing else",
	.description = "Removes the rules, processes, files and objects that enmesh made for this node, then its "
		       "own state, lock and "
		       "status. It needs no source and asks no questions; --dry-run shows what would go.",
	.tables = { opts, opts_node, opts_lock, opts_targets, opts_report, opts_machine, opts_config,
		opts_general },
	.codes = { { CODE_OK, "nothing of enmesh is left" },
		{ CODE_ERROR, "something could not be read or removed" },
		{ CODE_DIFFERENT, "with --dry-run: there is something to remove" },
		{ CODE_NOTHING_DONE, "nothing was done: another pass holds the lock" },
		{ CODE_USAGE, "wrong usage" } },
	.run = run_cleanup,
};
