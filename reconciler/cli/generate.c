/* Prints a manual page or a completion; runs while the program is built. */
#include "cli/generate.h"

#include <stdio.h>
#include <string.h>

static const char *make(const char *what, const char *name, struct arena *a)
{
	if (!strcmp(what, "man") && !strcmp(name, "enmesh.yaml"))
		return manual_kinds(a);
	if (!strcmp(what, "man"))
		return manual_page(name, a);
	return !strcmp(what, "completion") ? completion(name, a) : NULL;
}

int main(int argc, char **argv)
{
	struct arena a = { 0 };
	const char *text = argc == 3 ? make(argv[1], argv[2], &a) : NULL;
	int failed = !text;

	if (!text)
		fprintf(stderr, "usage: generate man PAGE | completion bash|zsh|fish\n");
	else
		failed = fputs(text, stdout) < 0 || fflush(stdout) != 0;
	arena_finish(&a);
	return failed;
}
