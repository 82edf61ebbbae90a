#include "base/names.h"

#include <stdint.h>
#include <string.h>

/* FNV-1a, 64 bits. */
static uint64_t hash_of(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (const unsigned char *c = (const unsigned char *)name; *c; c++)
		hash = (hash ^ *c) * 0x100000001b3;
	return hash ^ hash >> 32;
}

/* The slot that has the name, or the free one where it belongs. */
static struct name *find(const struct names *names, const char *name)
{
	size_t slot = hash_of(name) & (names->size - 1);

	while (names->slots[slot].name && strcmp(names->slots[slot].name, name))
		slot = (slot + 1) & (names->size - 1);
	return &names->slots[slot];
}

static void grow(struct arena *a, struct names *names)
{
	struct names larger = { .n = names->n, .size = names->size ? names->size * 2 : NAMES_MIN };

	larger.slots = arena_alloc(a, larger.size * sizeof(*larger.slots));
	for (size_t i = 0; i < names->size; i++)
		if (names->slots[i].name)
			*find(&larger, names->slots[i].name) = names->slots[i];
	*names = larger;
}

void names_add(struct arena *a, struct names *names, const char *name, size_t at)
{
	if (names->n >= names->size / 2)
		grow(a, names);
	*find(names, name) = (struct name){ name, at };
	names->n++;
}

size_t names_find(const struct names *names, const char *name)
{
	const struct name *found = names->size ? find(names, name) : NULL;

	return found && found->name ? found->at : NAMES_NONE;
}
