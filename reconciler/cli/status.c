#include "report/status.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/output.h"
#include "cli/settings.h"

static bool unreadable(struct session *s, const char *run_dir, int error)
{
	if (error == ENOENT)
		return diag_failure(
			s->diags, "no pass has run on this machine yet: there is no %s/status.json", run_dir);
	if (error == EBADMSG)
		return diag_failure(s->diags, "%s/status.json is damaged; the next apply writes it anew", run_dir);
	return diag_failure(s->diags, "%s/status.json cannot be read: %s", run_dir, strerror(error));
}

static enum code run_status(struct session *s)
{
	const struct node *status;
	struct settings settings;
	enum code code = settings_read(s, &settings);
	int r;

	if (code != CODE_OK)
		return code;
	r = status_read(settings.host.run_dir, s->arena, &status);
	if (r) {
		unreadable(s, settings.host.run_dir, -r);
		return CODE_ERROR;
	}
	if (s->args.json_into)
		output_json_into(s, s->args.json_into, status);
	if (s->args.format == FORMAT_JSON && !s->args.quiet)
		output_json(s, status);
	else if (!s->args.quiet)
		output_text(s, status_text(status, clock_now(), output_style(s, STDOUT_FILENO), s->arena));
	return status_ready(status) ? CODE_OK : CODE_ERROR;
}

const struct command command_status = {
	.name = "status",
	.summary = "show what the last pass found and did, and whether the node is ready",
	.description = "Shows the three revisions of the source (observed: seen; attempted: valid, and tried; "
		       "applied: the node is so), "
		       "the last pass, and the conditions of the node. It reads a file that apply writes, so it "
		       "needs no rights.",
	.tables = { opts_format, opts_run_dir, opts_config, opts_general },
	.codes = { { CODE_OK, "the node is ready" }, { CODE_ERROR, "it is not, or no pass has run" },
		{ CODE_USAGE, "wrong usage" } },
	.run = run_status,
};
