#include "store/revision.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"

#define FILE_NAME "revision.json"
#define GOOD "good"

enum { FILE_MAX = 64 * 1024, REMOVE_DEPTH_MAX = 8 };

/* ---- the record ---- */

static void read_revision(const struct node *n, struct revision *out)
{
	*out = (struct revision){
		.source = node_get_text(n, "source"),
		.commit = node_get_text(n, "commit"),
		.ref = node_get_text(n, "ref"),
		.tag = node_get_text(n, "tag"),
		.etag = node_get_text(n, "etag"),
		.sequence = node_get_text(n, "sequence"),
		.verified = node_get_text(n, "verifiedBy"),
		.policy = node_get_text(n, "policy"),
	};
	if (!out->source)
		*out = (struct revision){ 0 };
}

int revisions_read(const char *state_dir, struct arena *a, struct revisions *out)
{
	scoped(close_fd) int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *problem;
	struct bytes text;
	int error = dir < 0 ? -errno : file_read(dir, FILE_NAME, FILE_MAX, a, &text);
	const struct node *root;
	struct stat st;

	*out = (struct revisions){ 0 };
	if (error)
		return error == -ENOENT ? 0 : error;
	root = json_read(text.data, text.size, a, &problem);
	read_revision(node_get(root, "observed"), &out->observed);
	read_revision(node_get(root, "good"), &out->good);
	if (out->observed.commit && fstatat(dir, FILE_NAME, &st, 0) == 0)
		out->observed_at = st.st_mtime;
	return 0;
}

static void put_revision(struct node *root, const char *name, const struct revision *r, struct arena *a)
{
	struct node *n;

	if (!r->commit)
		return;
	n = node_put_map(a, root, name);
	node_put_text(a, n, "source", r->source);
	node_put_text(a, n, "commit", r->commit);
	node_put_text(a, n, "ref", r->ref);
	node_put_text(a, n, "tag", r->tag);
	node_put_text(a, n, "etag", r->etag);
	node_put_text(a, n, "sequence", r->sequence);
	node_put_text(a, n, "verifiedBy", r->verified);
	node_put_text(a, n, "policy", r->policy);
}

static const char *record_text(const struct revisions *r, struct arena *a)
{
	struct node root = { .type = NODE_MAP };

	put_revision(&root, "observed", &r->observed, a);
	put_revision(&root, "good", &r->good, a);
	return arena_printf(a, "%s\n", json_write(&root, JSON_INDENTED, a));
}

/* Its time is what is told by when the source was heard: so that is known after a boot, too. */
void revisions_touch(const char *state_dir)
{
	scoped(close_fd) int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir >= 0)
		utimensat(dir, FILE_NAME, NULL, AT_SYMLINK_NOFOLLOW);
}

/* ---- the files ---- */

static const char *archive_name(const struct revisions *r, struct arena *a)
{
	return arena_printf(a, "%s.tar", r->good.commit);
}

static int map_file(const char *state_dir, const char *name, struct arena *a, struct bytes *out)
{
	const char *path = arena_printf(a, "%s/" GOOD "/%s", state_dir, name);
	scoped(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	void *data;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!st.st_size)
		return -EBADMSG;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	*out = (struct bytes){ data, (size_t)st.st_size };
	return 0;
}

int revisions_archive(const char *state_dir, const struct revisions *r, struct arena *a, struct bytes *out)
{
	return map_file(state_dir, archive_name(r, a), a, out);
}

static const char *documents_name(const struct revisions *r, struct arena *a)
{
	return arena_printf(a, "%s.documents", r->good.commit);
}

int revisions_documents(const char *state_dir, const struct revisions *r, struct arena *a, struct bytes *out)
{
	return map_file(state_dir, documents_name(r, a), a, out);
}

static const struct file_attr private = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1 };

static int write_archive(int dir, const struct revisions *r, const struct bytes *archive, struct arena *a)
{
	scoped(close_fd) int good = -1;
	int error = dir_make(dir, GOOD, 0700, &good);

	return error ? error : file_write(good, archive_name(r, a), archive, &private);
}

int revisions_write_documents(
	const char *state_dir, const struct revisions *r, const struct bytes *documents, struct arena *a)
{
	scoped(close_fd) int good =
		open(arena_printf(a, "%s/" GOOD, state_dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return good < 0 ? -errno : file_write(good, documents_name(r, a), documents, &private);
}

/* What is left over does no harm, and the next revision tries again. */
static void remove_others(int dir, const char *keep)
{
	int fd = openat(dir, GOOD, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	scoped(close_dir) DIR *good = fd < 0 ? NULL : fdopendir(fd);

	if (!good)
		close_fd(&fd);
	for (const struct dirent *e; good && (e = readdir(good));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, keep))
			unlinkat(dirfd(good), e->d_name, 0);
}

int revisions_write(const char *state_dir, const struct revisions *r, const struct revisions *before,
	const struct bytes *archive, struct arena *a)
{
	const char *text = record_text(r, a);
	const struct bytes content = { text, strlen(text) };
	scoped(close_fd) int dir = -1;
	int error;

	if (!archive && !strcmp(text, record_text(before, a)))
		return 0;
	error = dir_open(state_dir, 0700, &dir);
	if (!error && archive)
		error = write_archive(dir, r, archive, a);
	if (!error)
		error = file_write(dir, FILE_NAME, &content, &private);
	if (!error && archive)
		remove_others(dir, archive_name(r, a));
	return error;
}

/* ---- the end ---- */

/* Links are not followed. */
static int remove_tree(int dir, const char *name, int depth)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), error = 0;
	scoped(close_dir) DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (!stream) {
		close_fd(&fd);
		return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
	}
	for (const struct dirent *e; !error && (e = readdir(stream));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			error = depth ? remove_tree(fd, e->d_name, depth - 1) : -ELOOP;
	return error ? error : unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int revisions_remove(const char *state_dir)
{
	static const char *const names[] = { FILE_NAME, GOOD, "source.git" };
	scoped(close_fd) int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = 0;

	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	for (size_t i = 0; i < array_len(names) && !error; i++)
		error = remove_tree(dir, names[i], REMOVE_DEPTH_MAX);
	return error;
}
