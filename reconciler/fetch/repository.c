#include "fetch/repository.h"

#include <git2.h>
#include <stdlib.h>

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

_Noreturn void repository_fail(const struct request *r)
{
	const git_error *error = git_error_last();

	request_fail(r, "%s", error && error->message ? error->message : "libgit2 does not say why");
}
