#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/address.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "config/embedded.h"
#include "report/escape.h"

enum { NODE_NAME_MAX = 253, HOST_NAME_SIZE = 256 };

static const struct opt opts[] = {
	OPT_STRING('n', "node", "NAME", struct arguments, node, "name of the first node (default: the host name)"),
	{ 0 },
};

/* Files are made in this order; @NODE@ and @ADDRESS@ are put in, in names too. */
static const struct template
{
	const char *path, *text;
}
templates[] = {
	{ "mesh.yaml", "mesh.yaml" },
	{ "nodes/@NODE@.yaml", "node.yaml" },
	{ "services/hello.yaml", "service.yaml" },
	{ ".enmeshignore", "enmeshignore" },
};

struct values {
	const char *node, *address;
};

static bool valid_node(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.");

	return n && !s[n] && n <= NODE_NAME_MAX && s[0] != '-' && s[0] != '.' && s[n - 1] != '-' &&
	       s[n - 1] != '.';
}

static bool find_node(struct session *s, const char **out)
{
	char name[HOST_NAME_SIZE] = "";

	*out = s->args.node;
	if (!*out) {
		gethostname(name, sizeof(name) - 1);
		*out = valid_node(name) ? arena_strdup(s->arena, name) : "node-1";
	}
	return valid_node(*out) ||
	       diag_failure(s->diags,
		       "option '--node': '%s' is no name of a node: lower-case letters, digits, '-' and '.'",
		       *out);
}

static const char *fill_in(const char *text, const struct values *values, struct arena *a)
{
	struct str out = { .arena = a };

	while (*text) {
		if (str_starts(text, "@NODE@")) {
			str_add(&out, values->node);
			text += strlen("@NODE@");
		} else if (str_starts(text, "@ADDRESS@")) {
			str_add(&out, values->address);
			text += strlen("@ADDRESS@");
		} else {
			str_add_n(&out, text++, 1);
		}
	}
	return str_text(&out);
}

static bool nothing_there(struct session *s, const char *dir, int fd, const struct values *values)
{
	bool ok = true;

	for (size_t i = 0; i < array_len(templates); i++) {
		const char *path = fill_in(templates[i].path, values, s->arena);
		struct stat st;

		if (fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			ok = diag_failure(s->diags, "%s/%s is there already; init overwrites nothing", dir, path);
		else if (errno != ENOENT)
			ok = diag_failure(s->diags, "%s/%s cannot be looked at: %s", dir, path, strerror(errno));
	}
	return ok;
}

static int write_new(int dir, const char *path, const char *text)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	scoped(close_fd) int parent = -1, fd = -1;
	struct arena a = { 0 };
	int r = dir_make(dir, slash ? arena_strndup(&a, path, (size_t)(slash - path)) : "", 0755, &parent);

	arena_finish(&a);
	if (r)
		return r;
	fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	for (size_t n = strlen(text); n;) {
		ssize_t written = write(fd, text, n);

		if (written < 0 && errno != EINTR)
			return -errno;
		text += written > 0 ? written : 0;
		n -= written > 0 ? (size_t)written : 0;
	}
	return 0;
}

static bool write_all(struct session *s, const char *dir, int fd, const struct values *values)
{
	struct str said = { .arena = s->arena };

	for (size_t i = 0; i < array_len(templates); i++) {
		const char *path = fill_in(templates[i].path, values, s->arena);
		int r = write_new(fd, path, fill_in(embedded_text(templates[i].text), values, s->arena));

		if (r)
			return diag_failure(s->diags, "%s/%s cannot be written: %s", dir, path, strerror(-r));
		str_printf(&said, "wrote %s/%s\n", escape(dir, s->arena), path);
	}
	str_printf(&said, "\nNext: enmesh validate %s; enmesh render %s --node %s\n", escape(dir, s->arena),
		escape(dir, s->arena), values->node);
	return s->args.quiet || output_text(s, str_text(&said));
}

static enum code run_init(struct session *s)
{
	const char *dir = s->args.operands.list.items[0];
	struct values values = { NULL, address_find(s->arena) };
	scoped(close_fd) int fd = -1;
	int r;

	if (!find_node(s, &values.node))
		return CODE_USAGE;
	r = dir_open(dir, 0755, &fd);
	if (r) {
		diag_failure(s->diags, "the directory %s cannot be made: %s", dir, strerror(-r));
		return CODE_ERROR;
	}
	return nothing_there(s, dir, fd, &values) && write_all(s, dir, fd, &values) ? CODE_OK : CODE_ERROR;
}

const struct command command_init = {
	.name = "init",
	.operands = "DIR",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "write a small, valid, commented mesh into DIR to start from",
	.description = "Makes DIR if it is missing, and overwrites nothing: if one of the files is there already, "
		       "none is written. The "
		       "mesh has one node, this machine, and one service, and can be applied as it is.",
	.tables = { opts, opts_general },
	.codes = { { CODE_OK, "written" }, { CODE_ERROR, "a file is there already, or could not be written" },
		{ CODE_USAGE, "wrong usage" } },
	.run = run_init,
};
