/*
 * enmesh-fetch: what enmesh does with networks and repositories, in a process of its own that ends when it is
 * done. It is started by enmesh (source/worker.h), and of no use to people.
 *
 *   enmesh-fetch fetch REPOSITORY [ORIGIN]
 *   enmesh-fetch read REPOSITORY
 *   enmesh-fetch look WORK-TREE
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fetch/fetch.h"
#include "fetch/openpgp.h"
#include "fetch/sandbox.h"

static const struct action {
	const char *name;
	enum sandbox_kind kind;
	void (*run)(struct request *r);
} actions[] = {
	{ "fetch", SANDBOX_FETCH, fetch_run },
	{ "read", SANDBOX_READ, read_run },
	{ "look", SANDBOX_LOOK, read_run },
};

int main(int argc, char **argv)
{
	struct arena arena = { 0 };
	struct node answer = { .type = NODE_MAP };
	struct request r = { .arena = &arena, .answer = &answer };
	const char *problem;

	for (size_t i = 0; argc > 2 && i < array_len(actions); i++) {
		if (strcmp(argv[1], actions[i].name) != 0)
			continue;
		r.repository = argv[2];
		if (actions[i].kind == SANDBOX_READ)
			openpgp_open();
		if (!sandbox_enter(actions[i].kind, argv[2], argc > 3 ? argv[3] : NULL, &problem))
			request_fail(&r, "enmesh-fetch cannot shut itself in: %s: %s", problem, strerror(errno));
		request_read(&r);
		actions[i].run(&r);
	}
	fprintf(stderr, "enmesh-fetch: enmesh starts this program; there is nothing here to do by hand\n");
	return 64;
}
