#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "model/place.h"
#include "source/tar.h"
#include "source/url.h"

static const struct opt opts[] = {
	OPT_STRING('n', "node", "NAME", struct arguments, node,
		"leave out what this node does not need (default: all of it)"),
	OPT_STRING('o', "out", "FILE", struct arguments, out, "where it is written (default: MESH.bundle)"),
	OPT_STRING(0, "key", "FILE", struct arguments, signing_key,
		"SSH key that signs it, as ssh-keygen takes it: a private key, or a public one that an agent has"),
	OPT_STRING(0, "sequence", "NUMBER", struct arguments, sequence,
		"a number that grows from one bundle to the next (default: seconds since 1970)"),
	{ 0 },
};

struct bundling {
	struct session *session;
	struct pass *pass;
	const char *node; /* NULL: all */
	struct str content;
};

/* ---- what goes in ---- */

static bool is_placed(const struct bundling *b, const struct document *doc)
{
	const struct model *m = b->pass->model;
	const struct mesh_node *node = model_find_node(m, b->node);
	struct placed placed = place_of(m, node);

	for (size_t i = 0; i < placed.n_services; i++) {
		const struct mesh_service *s = placed.services[i];

		if (s->node == doc->root || (s->sidecar && s->sidecar->node == doc->root) ||
			(s->capture && s->capture->node == doc->root))
			return true;
	}
	return false;
}

/* Whether the node's part of the mesh can do without the document, and the others without noticing. */
static bool is_needless(const struct bundling *b, const struct document *doc)
{
	const struct mesh *mesh = b->pass->model->mesh;
	const struct mesh_node *node = model_find_node(b->pass->model, b->node);
	bool writes = !mesh->writers.node || selector_matches(&mesh->writers, node);

	switch (doc->kind) {
	case KIND_SERVICE:
	case KIND_SIDECAR:
	case KIND_CAPTURE:
		return !writes && !is_placed(b, doc);
	case KIND_OBJECT:
		return !writes;
	case KIND_MESH:
	case KIND_NODE:
	case KIND_COMPONENT:
	case KIND_AGENT_CONFIG:
		break;
	}
	return false;
}

/* Files are taken whole: messages keep their places. */
static bool is_needed(const struct bundling *b, const struct source_file *f)
{
	const struct config *config = b->pass->config;

	if (!b->node || !f->document)
		return f->loaded;
	vec_each (file, &config->files) {
		if (file->file != f)
			continue;
		for (size_t i = 0; i < file->n; i++)
			if (!is_needless(b, &config->documents.items[file->first + i]))
				return true;
		return false;
	}
	return false;
}

static void add_file(struct bundling *b, const char *path, const char *data, size_t size)
{
	static const char zeros[TAR_END];
	struct bytes header = tar_header(path, size, b->session->arena);

	str_add_n(&b->content, header.data, header.size);
	str_add_n(&b->content, data, size);
	str_add_n(&b->content, zeros, tar_padding(size));
}

static const char *label(const struct bundling *b, int64_t sequence)
{
	struct arena *a = b->session->arena;
	struct node root = { .type = NODE_MAP };

	node_put_text(a, &root, "kind", "Bundle");
	node_put_text(a, &root, "mesh", b->pass->model->mesh->name);
	node_put_text(a, &root, "revision", b->pass->tree.revision);
	node_put_int(a, &root, "sequence", sequence);
	node_put_text(a, &root, "node", b->node);
	return arena_printf(a, "%s\n", json_write(&root, JSON_INDENTED, a));
}

static void add_files(struct bundling *b, int64_t sequence)
{
	static const char zeros[TAR_END];
	const struct tree *tree = &b->pass->tree;
	const char *text = label(b, sequence);

	add_file(b, ".enmesh-bundle.json", text, strlen(text));
	if (tree->ignore.data)
		add_file(b, ".enmeshignore", tree->ignore.data, tree->ignore.size);
	for (size_t i = 0; i < tree->n_files; i++)
		if (tree->files[i].loaded && is_needed(b, &tree->files[i]))
			add_file(b, tree->files[i].path, tree->files[i].content.data, tree->files[i].content.size);
	str_add_n(&b->content, zeros, TAR_END);
}

/* Every file that some node's part names is read by this. */
static bool read_sources(struct bundling *b)
{
	struct pass *p = b->pass;
	bool ok = true;

	vec_each (node, &p->model->nodes) {
		struct arena scratch = { 0 };

		if (!b->node || !strcmp(b->node, node->name))
			ok &= pass_make_site(p, node->name, &scratch) != NULL;
		arena_finish(&scratch);
	}
	return ok;
}

/* What was cut must still be a source on its own. */
static bool is_whole(struct bundling *b)
{
	struct session *s = b->session;
	struct bytes content = { b->content.s, b->content.n };
	struct pass p = { .arena = s->arena, .diags = s->diags };
	struct config config = { 0 };

	return !b->node ||
	       (source_unpack(&content, b->pass->source, b->pass->tree.revision, NULL, NULL, s->arena, &p.tree,
			s->diags) &&
		       config_read(&p.tree, s->arena, &config, s->diags) &&
		       model_load(&config, s->arena, s->diags)) ||
	       diag_failure(s->diags, "what the node %s needs is no source on its own; make a bundle of the whole",
		       b->node);
}

/* ---- signing ---- */

static bool run_ssh_keygen(struct session *s, const char *key, const char *file)
{
	char *argv[] = { (char[]){ "ssh-keygen" }, (char[]){ "-q" }, (char[]){ "-Y" }, (char[]){ "sign" },
		(char[]){ "-n" }, (char[]){ "enmesh-bundle" }, (char[]){ "-f" }, arena_strdup(s->arena, key),
		arena_strdup(s->arena, file), NULL };
	int status, error;
	pid_t pid;

	error = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (error)
		return diag_failure(s->diags, "ssh-keygen, which signs, cannot be run: %s", strerror(error));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return (WIFEXITED(status) && !WEXITSTATUS(status)) ||
	       diag_failure(s->diags, "ssh-keygen did not sign with the key %s", key);
}

static int write_in(int dir, const char *name, const struct bytes *content)
{
	const struct file_attr attr = { .mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1 };

	return file_write(dir, name, content, &attr);
}

/* `signature` is NULL on failure. */
static void sign(struct session *s, const struct bytes *content, const char *key, struct bytes *signature)
{
	char directory[] = "/tmp/enmesh-bundle-XXXXXX";
	scoped(close_fd) int dir = mkdtemp(directory) ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int error = dir < 0 ? -errno : write_in(dir, "bundle.tar", content);

	if (error)
		diag_failure(s->diags, "the bundle cannot be written into %s: %s", directory, strerror(-error));
	else if (run_ssh_keygen(s, key, arena_printf(s->arena, "%s/bundle.tar", directory))) {
		error = file_read(dir, "bundle.tar.sig", 64 * 1024, s->arena, signature);
		if (error)
			diag_failure(s->diags, "the signature cannot be read: %s", strerror(-error));
	}
	unlinkat(dir, "bundle.tar", 0);
	unlinkat(dir, "bundle.tar.sig", 0);
	rmdir(directory);
}

/* ---- the command ---- */

static bool write_bundle(
	struct session *s, const char *path, const struct bytes *content, const struct bytes *signature)
{
	struct bundling outer = { .session = s, .content = { .arena = s->arena } };
	static const char zeros[TAR_END];
	const char *slash = strrchr(path, '/');
	const char *directory = slash ? arena_strndup(s->arena, path, (size_t)(slash - path) + 1) : ".";
	scoped(close_fd) int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct bytes file;
	int error;

	add_file(&outer, "bundle.tar", content->data, content->size);
	add_file(&outer, "bundle.tar.sig", signature->data, signature->size);
	str_add_n(&outer.content, zeros, TAR_END);
	file = (struct bytes){ outer.content.s, outer.content.n };
	error = dir < 0 ? -errno : write_in(dir, slash ? slash + 1 : path, &file);
	return !error || diag_failure(s->diags, "%s cannot be written: %s", path, strerror(-error));
}

static bool read_sequence(struct session *s, int64_t *out)
{
	const char *text = s->args.sequence;
	char *end;

	*out = time(NULL);
	if (!text)
		return true;
	*out = strtoll(text, &end, 10);
	return (*text && !*end && *out >= 0 && strlen(text) < 18) ||
	       diag_failure(s->diags, "option '--sequence': '%s' is no number from 0 on", text);
}

static enum code make(struct session *s, struct bundling *b, int64_t sequence)
{
	struct bytes content, signature = { 0 };
	const char *out = s->args.out;

	if (!pass_load(b->pass) ||
		(b->node && !model_find_node(b->pass->model, b->node) &&
			!diag_failure(s->diags, "the source has no MeshNode '%s'", b->node)) ||
		!read_sources(b))
		return CODE_ERROR;
	add_files(b, sequence);
	if (!is_whole(b))
		return CODE_ERROR;
	content = (struct bytes){ b->content.s, b->content.n };
	sign(s, &content, s->args.signing_key, &signature);
	if (!out)
		out = arena_printf(s->arena, "%s.bundle", b->pass->model->mesh->name);
	if (!signature.data || !write_bundle(s, out, &content, &signature))
		return CODE_ERROR;
	if (!s->args.quiet)
		output_text(s, arena_printf(s->arena, "Written: %s, revision %s, sequence %" PRId64 "\n", out,
				       b->pass->tree.revision, sequence));
	return CODE_OK;
}

static enum code run_bundle(struct session *s)
{
	struct pass p = { .arena = s->arena, .diags = s->diags };
	struct bundling b = { .session = s, .pass = &p, .node = s->args.node, .content = { .arena = s->arena } };
	struct settings settings;
	int64_t sequence;
	enum code code;

	if (!s->args.signing_key) {
		diag_failure(s->diags, "a bundle is signed: name the SSH key with --key");
		return CODE_USAGE;
	}
	if (!read_sequence(s, &sequence))
		return CODE_USAGE;
	code = settings_read_offline(s, &settings);
	if (code != CODE_OK)
		return code;
	settings_use(&settings, &p);
	return make(s, &b, sequence);
}

const struct command command_bundle = {
	.name = "bundle",
	.operands = "SOURCE",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "write a source into one signed file, for a web server",
	.description =
		"Checks SOURCE, a directory or the address of a git repository, and writes one revision of it, "
		"signed with an "
		"SSH key, into one file. Nodes take it from any web server (source.bundle in the settings, or "
		"--source-bundle), which they ask with its entity tag whether there is a newer one, and use it if "
		"the signature is by somebody who may, and its sequence is not below that of the one before.\n\n"
		"With --node, files with nothing in them that the node needs are left out: services, their "
		"sidecars "
		"and captures, and objects that other nodes write.\n\n"
		"  enmesh bundle mesh --key ~/.ssh/deploy --out /srv/www/mesh.bundle",
	.tables = { opts, opts_source, opts_state, opts_config, opts_general },
	.codes = { { CODE_OK, "written" },
		{ CODE_ERROR, "the source is not valid, or it could not be signed or written" },
		{ CODE_USAGE, "wrong usage" } },
	.run = run_bundle,
};
