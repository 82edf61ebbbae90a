#include "fetch/tidy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <git2/sys/odb_backend.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/file.h"
#include "base/str.h"
#include "base/vec.h"

enum {
	DEPTH_MAX = 600,     /* of directories of references, whose names have at most 1024 bytes (libgit2) */
	PACKS_MAX = 256,     /* of any size */
	SMALL = 1024 * 1024, /* bytes of a pack */
	SMALL_MAX = 32,      /* small ones; more are made one */
	UNPACKED_MAX = 64 * 1024 * 1024, /* bytes of what they hold */
};

static DIR *open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		close_fd(&fd);
	return d;
}

/* ---- what was left ---- */

static void remove_locks(int at, const char *path, int depth)
{
	scoped(close_dir) DIR *d = open_dir(at, path);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		if (str_ends(e->d_name, ".lock"))
			unlinkat(dirfd(d), e->d_name, 0);
		else if (e->d_type == DT_DIR && e->d_name[0] != '.' && depth < DEPTH_MAX)
			remove_locks(dirfd(d), e->d_name, depth + 1);
	}
}

/* Returns how many whole packs there are. */
static size_t remove_parts(int at)
{
	scoped(close_dir) DIR *d = open_dir(at, "objects/pack");
	const struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d))) {
		if (str_ends(e->d_name, ".pack"))
			n++;
		else if (e->d_name[0] != '.' && !str_ends(e->d_name, ".idx"))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	return n;
}

static void remove_root_locks(int at)
{
	static const char *const names[] = { "HEAD.lock", "config.lock", "packed-refs.lock" };

	for (size_t i = 0; i < array_len(names); i++)
		unlinkat(at, names[i], 0);
}

/* Links are removed, not followed. */
static void remove_all(int at, const char *path, int depth)
{
	scoped(close_dir) DIR *d = open_dir(at, path);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == 0)
			continue;
		if (depth < DEPTH_MAX)
			remove_all(dirfd(d), e->d_name, depth + 1);
		unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
}

/* The descriptor stays open: it has the lock. Returns it or -errno. */
static int lock(const char *repository, int how)
{
	int at = open(repository, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (at < 0)
		return -errno;
	while (flock(at, how) < 0)
		if (errno != EINTR)
			return -errno;
	return at;
}

int tidy_share(const char *repository)
{
	int at = lock(repository, LOCK_SH);

	return at < 0 ? at : 0;
}

/* Nobody else may have had a hand in it; and what belongs to others cannot be cleared away. */
static bool is_ours(int at)
{
	struct stat st;

	if (fstat(at, &st) < 0 || st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return false;
	return fstatat(at, "objects", &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid == geteuid();
}

int tidy_begin(const char *repository, bool anew)
{
	int at = lock(repository, LOCK_EX);

	if (at < 0)
		return at;
	if (!is_ours(at))
		return -EPERM;
	remove_root_locks(at);
	remove_locks(at, "refs", 0);
	if (remove_parts(at) > PACKS_MAX || anew)
		remove_all(at, ".", 0);
	return 0;
}

/* ---- many packs ---- */

struct packs {
	struct arena *arena;
	const char *directory;
	vec_of(const char *) list; /* paths without ".idx" */
	git_odb *odb;              /* of these alone */
	git_packbuilder *builder;
	size_t bytes;
};

static void packs_finish(struct packs *p)
{
	git_packbuilder_free(p->builder);
	git_odb_free(p->odb);
}

static bool is_small(const struct packs *p, const char *path)
{
	struct stat st;

	return stat(arena_printf(p->arena, "%s.pack", path), &st) == 0 && st.st_size <= SMALL;
}

static void find_small(struct packs *p)
{
	scoped(close_dir) DIR *d = open_dir(AT_FDCWD, p->directory);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		const char *path;

		if (!str_ends(e->d_name, ".idx"))
			continue;
		path = arena_printf(
			p->arena, "%s/%.*s", p->directory, (int)(strlen(e->d_name) - strlen(".idx")), e->d_name);
		if (is_small(p, path))
			*vec_push(p->arena, &p->list) = path;
	}
}

static bool open_small(struct packs *p)
{
	if (git_odb_new(&p->odb) < 0)
		return false;
	vec_each (path, &p->list) {
		git_odb_backend *backend;

		if (git_odb_backend_one_pack(&backend, arena_printf(p->arena, "%s.idx", *path)) < 0 ||
			git_odb_add_backend(p->odb, backend, 1) < 0)
			return false;
	}
	return true;
}

static int add_object(const git_oid *id, void *context)
{
	struct packs *p = context;
	git_object_t type;
	size_t size;

	if (git_odb_read_header(&size, &type, p->odb, id) < 0)
		return -1;
	p->bytes += size;
	return p->bytes > UNPACKED_MAX ? -1 : git_packbuilder_insert(p->builder, id, NULL);
}

void tidy_packs(git_repository *repository, struct arena *a)
{
	scoped(packs_finish) struct packs p = { .arena = a,
		.directory = arena_printf(a, "%sobjects/pack", git_repository_path(repository)) };
	const char *made;

	find_small(&p);
	if (p.list.n <= SMALL_MAX || !open_small(&p) || git_packbuilder_new(&p.builder, repository) < 0 ||
		git_odb_foreach(p.odb, add_object, &p) < 0 ||
		git_packbuilder_write(p.builder, p.directory, 0444, NULL, NULL) < 0)
		return;
	made = arena_printf(a, "%s/pack-%s", p.directory, git_packbuilder_name(p.builder));
	vec_each (path, &p.list) {
		if (!strcmp(*path, made))
			continue;
		/* A pack without its index is none. */
		unlink(arena_printf(a, "%s.idx", *path));
		unlink(arena_printf(a, "%s.pack", *path));
	}
}
