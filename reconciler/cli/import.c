#include "cli/import.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/address.h"
#include "cli/output.h"
#include "config/config.h"
#include "model/mesh.h"

enum { FILE_MAX = 1024 * 1024, OPERANDS_MAX = 10000 };

static const struct opt opts[] = {
	OPT_STRING(
		'n', "node", "NAME", struct arguments, node, "name of the node in the documents (default: node)"),
	{ 0 },
};

static bool read_file(struct session *s, const char *path, struct import_variables *out)
{
	struct bytes text;
	int r = file_read(AT_FDCWD, path, FILE_MAX, s->arena, &text);

	if (r == -EFBIG)
		return diag_failure(s->diags, "%s is larger than %d KiB", path, FILE_MAX / 1024);
	if (r == -EINVAL)
		return diag_failure(s->diags, "%s is no regular file", path);
	return r ? diag_failure(s->diags, "%s cannot be read: %s", path, strerror(-r))
		 : import_read_file(path, &text, s->arena, out, s->diags);
}

/* Files, then the environment: what istio-iptables sees if the files were read by the shell that starts it. */
static bool read_variables(struct session *s, struct import *im, size_t n_files)
{
	struct import_variables files = { 0 }, environment = { 0 };
	bool ok = true;

	for (size_t i = 1; i < n_files; i++)
		ok &= read_file(s, s->args.operands.list.items[i], &files);
	import_read_environment((const char *const *)environ, s->arena, &environment);
	ok &= import_use_variables(im, &files);
	return import_use_variables(im, &environment) && ok;
}

/*
 * What is written must be what the other commands take. A mistake is one of whoever gave the value, and shows
 * where that is.
 */
static bool check(struct import *im, const char *text)
{
	struct diags found = { .arena = im->arena };
	struct source_file file = { "istio.yaml", "istio.yaml", true, { text, strlen(text) }, true };
	struct tree tree = { "istio", "istio", &file, 1 };
	struct config config = { 0 };

	config_read(&tree, im->arena, &config, &found);
	model_load(&config, im->arena, &found);
	vec_each (it, &found.list) {
		enum import_key key = it->pos.line && it->pos.line <= im->lines.n
					      ? im->lines.items[it->pos.line - 1]
					      : IMPORT_NOTHING;

		if (it->severity != DIAG_ERROR)
			continue;
		if (im->values[key].text)
			import_error(im, key, "%s", it->message);
		else
			diag_failure(im->diags, "%s", it->message);
	}
	return !found.errors;
}

static void warn_of_notes(struct import *im)
{
	struct str names = { .arena = im->arena };

	vec_each (note, &im->notes)
		str_printf(&names, "%s%s", names.n ? ", " : "", note->name);
	if (names.n)
		diag_warning(im->diags, (struct pos){ 0 },
			"left out, for it has no meaning here (the documents say why): %s", str_text(&names));
}

static enum code run_import(struct session *s)
{
	const struct operands *operands = &s->args.operands;
	size_t n = operands->dashes ? operands->n_before : operands->list.n;
	struct import im = { .arena = s->arena, .diags = s->diags, .node = s->args.node ? s->args.node : "node" };
	const struct passwd *user;
	const char *text;
	bool ok;

	if (s->args.node)
		im.values[IMPORT_NODE] = (struct import_value){ s->args.node, "--node", "--node", { 0 } };

	if (!n || strcmp(operands->list.items[0], "istio")) {
		diag_failure(s->diags, "enmesh imports what is istio's: enmesh import istio [FILE…] [-- FLAGS]");
		return CODE_USAGE;
	}
	ok = read_variables(s, &im, n);
	if (!import_use_flags(&im, operands->list.items + n, operands->list.n - n))
		return CODE_USAGE;
	user = getpwnam(import_envoy_user(&im));
	im.envoy_user = user ? (long long)user->pw_uid : -1;
	im.address = address_find(s->arena);
	text = import_write(&im);
	if (!ok || !text || !check(&im, text))
		return CODE_ERROR;
	if (!s->args.quiet)
		warn_of_notes(&im);
	return output_text(s, text) ? CODE_OK : CODE_ERROR;
}

const struct command command_import = {
	.name = "import",
	.operands = "istio [FILE…] [-- FLAGS]",
	.min_operands = 1,
	.max_operands = OPERANDS_MAX,
	.summary = "print Istio's settings of a machine as enmesh documents",
	.description =
		"Takes what Istio's packages for virtual machines and istio-iptables take, and prints "
		"documents that capture the same connections: each FILE is a cluster.env or sidecar.env, "
		"FLAGS are those of istio-iptables, long or short. Flags win over the environment (the "
		"variables that istio-iptables reads, and those that begin with ISTIO_), the environment "
		"over files, and a later file over an earlier one.\n\n"
		"A comment says which flag or variable a line comes from. What has no meaning for enmesh is "
		"named in a comment and in a warning. The result is valid as it is:\n\n"
		"  enmesh import istio cluster.env -- -b '*' -i '*' > mesh/istio.yaml\n\n"
		"What Istio looks up on the machine (the user of the proxy, its address) is looked up on "
		"this one.",
	.tables = { opts, opts_general },
	.codes = { { CODE_OK, "printed" },
		{ CODE_ERROR, "a file or a value makes no sense; the diagnostics say where" },
		{ CODE_USAGE, "wrong usage, or a flag that istio-iptables does not have" } },
	.run = run_import,
};
