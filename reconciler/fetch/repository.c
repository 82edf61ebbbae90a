#include "fetch/repository.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

/* Fifty revisions: to fetch everything again that often costs little, and keeps some hundred packs from being
 * searched. */
enum { PACKS_MAX = 50, DEPTH_MAX = 8 };

enum { WINDOW_SIZE = 32 * 1024 * 1024, MAPPED_MAX = 256 * 1024 * 1024 };

void repository_set_up(void)
{
	/* Without one libgit2 does not talk to ssh servers: it looks for .ssh/known_hosts there. */
	setenv("HOME", "/nonexistent", 1);
	git_libgit2_init();
	for (int level = GIT_CONFIG_LEVEL_PROGRAMDATA; level <= GIT_CONFIG_LEVEL_GLOBAL; level++)
		git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
	/* No hook runs here, and no setting of a repository starts a program. */
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, (size_t)WINDOW_SIZE);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t)MAPPED_MAX);
}

static DIR *open_directory(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		close_fd(&fd);
	return dir;
}

/* Links are removed, not followed. What cannot be removed is found damaged by whoever opens it. */
static void empty(int at, const char *name, int depth)
{
	scoped(close_dir) DIR *dir = depth ? open_directory(at, name) : NULL;

	for (const struct dirent *e; dir && (e = readdir(dir));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dirfd(dir), e->d_name, 0) == 0)
			continue;
		empty(dirfd(dir), e->d_name, depth - 1);
		unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
	}
}

static size_t count_packs(const char *path)
{
	scoped(close_dir) DIR *top = open_directory(AT_FDCWD, path);
	scoped(close_dir) DIR *dir = top ? open_directory(dirfd(top), "objects/pack") : NULL;
	size_t n = 0;

	for (const struct dirent *e; dir && (e = readdir(dir));)
		n += str_ends(e->d_name, ".pack");
	return n;
}

void repository_renew(const char *path, bool anew)
{
	if (anew || count_packs(path) > PACKS_MAX)
		empty(AT_FDCWD, path, DEPTH_MAX);
}

/* Of what a repository is made of; a server's mistakes may look like that, too. */
static bool may_be_damage(int kind)
{
	switch (kind) {
	case GIT_ERROR_REPOSITORY:
	case GIT_ERROR_CONFIG:
	case GIT_ERROR_ODB:
	case GIT_ERROR_ZLIB:
	case GIT_ERROR_REFERENCE:
	case GIT_ERROR_OBJECT:
	case GIT_ERROR_TREE:
	case GIT_ERROR_INDEXER:
	case GIT_ERROR_OS:
		return true;
	default:
		return false;
	}
}

_Noreturn void repository_fail(const struct request *r)
{
	const git_error *error = git_error_last();

	node_put_bool(r->arena, r->answer, "damaged", error && may_be_damage(error->klass));
	request_fail(r, "%s", error && error->message ? error->message : "libgit2 does not say why");
}
