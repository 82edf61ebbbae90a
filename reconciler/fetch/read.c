#include "fetch/fetch.h"

#include <errno.h>
#include <git2.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "fetch/bundle.h"
#include "fetch/repository.h"
#include "fetch/signature.h"
#include "fetch/tidy.h"
#include "source/source.h"
#include "source/tar.h"
#include "source/worker.h"

enum {
	DEPTH_MAX = 32,
	ENTRIES_MAX = 2 * SOURCE_FILES_MAX, /* a tree may name one below it many times */
};

struct reading {
	struct request *request;
	struct arena scratch; /* for one file */
	git_repository *repository;
	git_odb *odb;
	struct node *links;
	size_t entries, documents, others; /* the last two in bytes */
};

/* ---- writing ---- */

static void write_out(struct reading *r, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t n = write(WORKER_FILE, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			request_fail(r->request, "its files cannot be handed over: %s", strerror(errno));
		at += n;
		size -= (size_t)n;
	}
}

static void write_file(struct reading *r, const char *path, git_odb_object *blob)
{
	static const char zeros[TAR_END];
	size_t size = git_odb_object_size(blob);
	struct bytes header = tar_header(path, size, &r->scratch);

	write_out(r, header.data, header.size);
	write_out(r, git_odb_object_data(blob), size);
	write_out(r, zeros, tar_padding(size));
	arena_finish(&r->scratch);
}

/* ---- what a commit holds ---- */

static void add_link(struct reading *r, const char *path, const char *kind)
{
	struct node *link = node_add_map(r->request->arena, r->links);

	node_put_text(r->request->arena, link, "path", path);
	node_put_text(r->request->arena, link, "kind", kind);
}

/* False: it is too large to be handed over. Documents of that size are an error, which the reader makes. */
static bool has_room(struct reading *r, const char *path, size_t size)
{
	size_t *sum = source_is_document(path) ? &r->documents : &r->others;

	if (size > SOURCE_FILE_MAX || *sum + size > SOURCE_BYTES_MAX)
		return false;
	*sum += size;
	return true;
}

static void read_blob(struct reading *r, const char *path, const git_oid *id)
{
	git_odb_object *blob = NULL;
	git_object_t type;
	size_t size;

	/* The size is known before anything is unpacked. */
	if (git_odb_read_header(&size, &type, r->odb, id) < 0)
		repository_fail(r->request);
	if (type != GIT_OBJECT_BLOB)
		request_fail(r->request, "%s is no file", path);
	if (!has_room(r, path, size)) {
		add_link(r, path, "large");
		return;
	}
	if (git_odb_read(&blob, r->odb, id) < 0)
		repository_fail(r->request);
	write_file(r, path, blob);
	git_odb_object_free(blob);
}

static bool is_name(const char *name)
{
	return *name && strcmp(name, ".") && strcmp(name, "..") && !strchr(name, '/');
}

static void read_tree(struct reading *r, const git_oid *id, const char *path, int depth);

static void read_entry(struct reading *r, const git_tree_entry *entry, const char *directory, int depth)
{
	const char *name = git_tree_entry_name(entry);
	const char *path = *directory ? arena_printf(r->request->arena, "%s/%s", directory, name)
				      : arena_strdup(r->request->arena, name);

	if (++r->entries > ENTRIES_MAX)
		request_fail(r->request, "it holds more than %d files", SOURCE_FILES_MAX);
	if (!is_name(name) || strlen(path) > TAR_PATH_MAX)
		request_fail(r->request, "a file of it is called '%s'", name);
	if (name[0] == '.' && (*directory || strcmp(name, ".enmeshignore")))
		return;
	switch (git_tree_entry_filemode_raw(entry) & 0170000) {
	case GIT_FILEMODE_TREE:
		read_tree(r, git_tree_entry_id(entry), path, depth + 1);
		break;
	case GIT_FILEMODE_BLOB & 0170000:
		read_blob(r, path, git_tree_entry_id(entry));
		break;
	case GIT_FILEMODE_LINK:
		add_link(r, path, "link");
		break;
	case GIT_FILEMODE_COMMIT:
		add_link(r, path, "submodule");
		break;
	default:
		request_fail(r->request, "%s is neither a file nor a directory", path);
	}
}

static void read_tree(struct reading *r, const git_oid *id, const char *path, int depth)
{
	git_tree *tree;

	if (depth > DEPTH_MAX)
		request_fail(r->request, "%s is nested deeper than %d directories", path, DEPTH_MAX);
	if (git_tree_lookup(&tree, r->repository, id) < 0)
		repository_fail(r->request);
	for (size_t i = 0; i < git_tree_entrycount(tree); i++)
		read_entry(r, git_tree_entry_byindex(tree, i), path, depth);
	git_tree_free(tree);
}

/* ---- which commit, and whether it may be used ---- */

static git_commit *find_commit(struct reading *r, const char *text)
{
	git_commit *commit = NULL;
	git_oid id;

	if (!text || git_oid_fromstr(&id, text) < 0 || git_commit_lookup(&commit, r->repository, &id) < 0)
		repository_fail(r->request);
	return commit;
}

static void read_object(struct reading *r, const git_oid *id, git_object_t type, struct bytes *out)
{
	git_odb_object *object = NULL;

	if (git_odb_read(&object, r->odb, id) < 0)
		repository_fail(r->request);
	if (git_odb_object_type(object) != type)
		request_fail(r->request, "%s is another kind of object than expected", git_oid_tostr_s(id));
	*out = (struct bytes){ git_odb_object_data(object), git_odb_object_size(object) };
}

/* What must be signed: the commit, or the tag that names it. */
static void check_signature(struct reading *r, const git_commit *commit)
{
	const char *verify = request_text(r->request, "verify"), *tag = request_text(r->request, "tag"), *who,
		   *problem, *target;
	struct signature_policy policy = { request_blob(r->request, "allowed-signers"),
		request_blob(r->request, "revoked"), request_blob(r->request, "keyring") };
	bool by_tag = verify && !strcmp(verify, "tag");
	git_oid id = *git_commit_id(commit);
	struct bytes object;

	if (!verify)
		return;
	if (by_tag && (!tag || git_oid_fromstr(&id, tag) < 0))
		request_fail(r->request,
			"the tag must be signed, and it is one without a text of its own (git tag -s)");
	read_object(r, &id, by_tag ? GIT_OBJECT_TAG : GIT_OBJECT_COMMIT, &object);
	target = by_tag ? signature_tag_target(&object, r->request->arena) : NULL;
	if (by_tag && (!target || strcmp(target, git_oid_tostr_s(git_commit_id(commit))) != 0))
		request_fail(r->request, "the tag is for another object");
	if (!signature_check_object(&policy, &object, by_tag, r->request->arena, &who, &problem))
		request_fail(r->request, "%s", problem);
	node_put_text(r->request->arena, r->request->answer, "verified", who);
}

static void check_ancestor(struct reading *r, const git_commit *commit)
{
	const char *ancestor = request_text(r->request, "ancestor");
	git_oid id;
	int descends;

	if (!ancestor || (git_oid_fromstr(&id, ancestor) == 0 && git_oid_equal(&id, git_commit_id(commit))))
		return;
	descends = git_graph_descendant_of(r->repository, git_commit_id(commit), &id);
	if (descends == 1)
		return;
	/* What is not there may have been lost here. */
	node_put_bool(r->request->arena, r->request->answer, "damaged", descends < 0);
	request_fail(r->request,
		"it does not descend from %s, which was applied before: somebody went back, or replaced history; "
		"source.allowRollback lets that happen",
		ancestor);
}

/* The tree of the directory `path` of the commit. */
static git_oid find_root(struct reading *r, const git_commit *commit, const char *path)
{
	git_tree *tree;
	git_tree_entry *entry = NULL;
	git_oid id;

	if (git_commit_tree(&tree, commit) < 0)
		repository_fail(r->request);
	id = *git_tree_id(tree);
	if (path && *path) {
		if (git_tree_entry_bypath(&entry, tree, path) < 0 || git_tree_entry_type(entry) != GIT_OBJECT_TREE)
			request_fail(r->request, "it has no directory '%s'", path);
		id = *git_tree_entry_id(entry);
		git_tree_entry_free(entry);
	}
	git_tree_free(tree);
	return id;
}

/* The name of the directory within the work tree that it lies in. */
static const char *path_in_work_tree(struct reading *r)
{
	const char *root = git_repository_workdir(r->repository);
	char *real = realpath(r->request->repository, NULL);
	const char *path = "";
	size_t n = root ? strlen(root) : 0;

	if (!root || !real)
		request_fail(r->request, "it is no work tree");
	while (n && root[n - 1] == '/')
		n--;
	if (!strncmp(real, root, n) && real[n] == '/')
		path = arena_strdup(r->request->arena, real + n + 1);
	free(real);
	return path;
}

static git_commit *find_merge_base(struct reading *r)
{
	git_reference *head = NULL, *upstream = NULL;
	git_oid base, ours;
	git_commit *commit = NULL;

	if (git_repository_head(&head, r->repository) < 0 || git_branch_upstream(&upstream, head) < 0)
		request_fail(r->request, "HEAD is no branch with an upstream branch; name the revision (--from)");
	ours = *git_reference_target(head);
	if (git_merge_base(&base, r->repository, &ours, git_reference_target(upstream)) < 0 ||
		git_commit_lookup(&commit, r->repository, &base) < 0)
		request_fail(r->request,
			"HEAD and its upstream branch have no commit in common; a shallow clone lacks it "
			"(git fetch --unshallow)");
	git_reference_free(upstream);
	git_reference_free(head);
	return commit;
}

static git_commit *find_revision(struct reading *r, const char *text)
{
	git_object *found = NULL, *commit = NULL;

	if (!text)
		return find_merge_base(r);
	if (git_revparse_single(&found, r->repository, text) < 0)
		request_fail(r->request, "the repository has no such revision; a shallow clone may lack it");
	if (git_object_peel(&commit, found, GIT_OBJECT_COMMIT) < 0)
		request_fail(r->request, "it is no commit");
	git_object_free(found);
	return (git_commit *)commit;
}

void read_run(struct request *request)
{
	static const char zeros[TAR_END];
	struct reading r = { .request = request };
	bool work_tree = node_get_bool(request->words, "workTree", false);
	const char *path = request_text(request, "path");
	struct node links = { .type = NODE_LIST };
	git_commit *commit;
	git_oid root;

	if (node_get_bool(request->words, "bundle", false))
		bundle_hand_over(request);
	r.links = &links;
	/* One that is not there is what libgit2 has a word for. */
	if (!work_tree)
		tidy_share(request->repository);
	repository_set_up(request);
	if (git_repository_open_ext(
		    &r.repository, request->repository, work_tree ? 0 : GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) < 0 ||
		git_repository_odb(&r.odb, r.repository) < 0)
		repository_fail(request);
	if (work_tree)
		path = path_in_work_tree(&r);
	commit = work_tree ? find_revision(&r, request_text(request, "revision"))
			   : find_commit(&r, request_text(request, "commit"));
	check_ancestor(&r, commit);
	check_signature(&r, commit);
	root = find_root(&r, commit, path);
	read_tree(&r, &root, "", 0);
	write_out(&r, zeros, TAR_END);
	node_put_node(request->arena, request->answer, "links", &links);
	node_put_text(request->arena, request->answer, "commit", git_oid_tostr_s(git_commit_id(commit)));
	node_put_text(request->arena, request->answer, "path", path);
	request_answer(request);
}
