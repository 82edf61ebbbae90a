/* libgit2_fetch REPOSITORY URL REFSPEC: what a fetch costs that libgit2 does itself; prints milliseconds and bytes
 * received. */
#include <git2.h>
#include <stdio.h>
#include <time.h>

static int trust(git_cert *certificate, int valid, const char *host, void *payload)
{
	(void)certificate;
	(void)valid;
	(void)host;
	(void)payload;
	return 0;
}

int main(int argc, char **argv)
{
	git_fetch_options options = GIT_FETCH_OPTIONS_INIT;
	git_strarray specs = { argv + 3, 1 };
	git_repository *repository;
	struct timespec from, to;
	git_remote *remote;

	if (argc != 4)
		return 64;
	clock_gettime(CLOCK_MONOTONIC, &from);
	git_libgit2_init();
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	options.callbacks.certificate_check = trust;
	options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	if ((git_repository_open_bare(&repository, argv[1]) < 0 &&
		    git_repository_init(&repository, argv[1], 1) < 0) ||
		git_remote_create_anonymous(&remote, repository, argv[2]) < 0 ||
		git_remote_fetch(remote, &specs, &options, NULL) < 0) {
		fprintf(stderr, "%s\n", git_error_last()->message);
		return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.2f\n", (double)(to.tv_sec - from.tv_sec) * 1000 + (double)(to.tv_nsec - from.tv_nsec) / 1e6);
	return 0;
}
