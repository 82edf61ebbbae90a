/* smoke RUNS DIR: a fuzz target over the files of a directory, and RUNS changes of them, the same in every run. */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/vec.h"

enum { INPUT_MAX = 64 * 1024 };

struct corpus {
	struct arena arena;
	vec_of(struct bytes) inputs;
};

static uint64_t state = 88172645463325252;

static size_t any(size_t n)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return n ? (size_t)(state * 0x2545f4914f6cdd1d >> 33) % n : 0;
}

static void read_corpus(struct corpus *c, const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct bytes input;

		if (entry->d_name[0] != '.' && !file_read(dirfd(dir), entry->d_name, INPUT_MAX, &c->arena, &input))
			*vec_push(&c->arena, &c->inputs) = input;
	}
	if (dir)
		closedir(dir);
}

/* Puts a part of another input in place of a part of this one. */
static size_t exchange(char *text, size_t n, const struct bytes *other)
{
	size_t at = any(n + 1), cut = any(n - at + 1), from = any(other->size + 1),
	       add = any(other->size - from + 1);

	if (any(2))
		cut = cut % 8, add = add % 32;
	if (cut > n - at)
		cut = n - at;
	if (n - cut + add > INPUT_MAX)
		return n;
	memmove(text + at + add, text + at + cut, n - at - cut);
	if (add)
		memcpy(text + at, other->data + from, add);
	return n - cut + add;
}

static size_t change(char *text, size_t n, const struct corpus *c)
{
	static const char special[] = "\n\t -:{}[]&*!|>'\"%@`#,?$\\\0\xff\xc3/.0~<";

	for (size_t i = 1 + any(4); i; i--) {
		if (n && any(3))
			text[any(n)] = any(2) ? special[any(sizeof(special))] : (char)any(256);
		else
			n = exchange(text, n, &c->inputs.items[any(c->inputs.n)]);
	}
	return n;
}

int main(int argc, char **argv)
{
	struct corpus c = { 0 };
	char *text = malloc(2 * INPUT_MAX);
	long runs = argc == 3 ? atol(argv[1]) : 0;

	if (argc == 3)
		read_corpus(&c, argv[2]);
	if (!c.inputs.n || !text) {
		fprintf(stderr, "usage: smoke RUNS DIR\n");
		return 64;
	}
	vec_each (it, &c.inputs)
		LLVMFuzzerTestOneInput((const uint8_t *)it->data, it->size);
	for (long i = 0; i < runs; i++) {
		const struct bytes *input = &c.inputs.items[any(c.inputs.n)];

		memcpy(text, input->data, input->size);
		LLVMFuzzerTestOneInput((const uint8_t *)text, change(text, input->size, &c));
	}
	printf("%zu inputs, %ld changes of them\n", c.inputs.n, runs);
	free(text);
	arena_finish(&c.arena);
	return 0;
}
