#include "fetch/repository.h"

#include <errno.h>
#include <git2.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "base/str.h"

enum { WINDOW_SIZE = 32 * 1024 * 1024, MAPPED_MAX = 256 * 1024 * 1024 };

const char *repository_home(const struct request *r)
{
	return arena_printf(r->arena, "%s/home", r->repository);
}

void repository_set_up(const struct request *r)
{
	/* Without one libgit2 does not talk to ssh servers: it looks for .ssh/known_hosts there (ssh.h). */
	setenv("HOME", repository_home(r), 1);
	git_libgit2_init();
	for (int level = GIT_CONFIG_LEVEL_PROGRAMDATA; level <= GIT_CONFIG_LEVEL_GLOBAL; level++)
		git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
	/* No hook runs here, and no setting of a repository starts a program. */
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, (size_t)WINDOW_SIZE);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t)MAPPED_MAX);
}

/* libgit2 puts the system's reason at the end of its message. A new copy would not fit there either. */
static bool is_of_the_disk(const char *message)
{
	static const int reasons[] = { ENOSPC, EDQUOT, EROFS };

	for (size_t i = 0; i < array_len(reasons); i++)
		if (message && str_ends(message, strerror(reasons[i])))
			return true;
	return false;
}

/* Of what a repository is made of; a server's mistakes may look like that, too. */
static bool may_be_damage(const git_error *error)
{
	if (is_of_the_disk(error->message))
		return false;
	switch (error->klass) {
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

	node_put_bool(r->arena, r->answer, "damaged", error && may_be_damage(error));
	request_fail(r, "%s", error && error->message ? error->message : "libgit2 does not say why");
}
