/*
 * enmesh-fetch: what enmesh does with networks and repositories, in a process of its own that ends when it is
 * done. It is started by enmesh (source/worker.h), and of no use to people.
 *
 *   enmesh-fetch fetch REPOSITORY [ORIGIN]
 *   enmesh-fetch read REPOSITORY
 */
#include <stdio.h>
#include <string.h>

#include "fetch/fetch.h"

int main(int argc, char **argv)
{
	struct arena arena = { 0 };
	struct node answer = { .type = NODE_MAP };
	struct request r = { .arena = &arena, .answer = &answer };

	if (argc < 3 || (strcmp(argv[1], "fetch") && strcmp(argv[1], "read"))) {
		fprintf(stderr, "enmesh-fetch: enmesh starts this program; there is nothing here to do by hand\n");
		return 64;
	}
	r.repository = argv[2];
	request_read(&r);
	if (!strcmp(argv[1], "fetch"))
		fetch_run(&r);
	read_run(&r);
}
