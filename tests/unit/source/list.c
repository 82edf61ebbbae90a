/* list SOURCE: the paths that .enmeshignore hides from being documents, for ignore_against_git.py. */
#include <stdio.h>

#include "source/source.h"

int main(int argc, char **argv)
{
	scoped(arena_finish) struct arena a = { 0 };
	struct diags d = { .arena = &a };
	struct tree tree;

	if (argc != 2 || !source_read(argv[1], &a, &tree, &d)) {
		vec_each (it, &d.list)
			fputs(diag_line(it, &a), stderr);
		return 1;
	}
	for (size_t i = 0; i < tree.n_files; i++)
		if (!tree.files[i].document)
			puts(tree.files[i].path);
	return 0;
}
