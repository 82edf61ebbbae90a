#include "store/applied.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

#define FILE_NAME "applied.json"

enum { FILE_MAX = 64 * 1024 * 1024 };

static int by_address(const void *left, const void *right)
{
	const struct applied_item *a = left, *b = right;

	return strcmp(a->address, b->address);
}

static void sort(struct applied *applied)
{
	if (!applied->sorted && applied->items.n)
		qsort(applied->items.items, applied->items.n, sizeof(*applied->items.items), by_address);
	applied->sorted = true;
}

void applied_add(struct applied *applied, const char *address, const char *digest)
{
	struct applied_item *item = vec_push(applied->arena, &applied->items);

	item->address = arena_strdup(applied->arena, address);
	item->digest = arena_strdup(applied->arena, digest);
	applied->sorted = false;
}

void applied_load(struct applied *applied)
{
	const struct node *root;
	const char *problem;

	if (applied->loaded || !applied->text.size)
		return;
	applied->loaded = true;
	root = json_read(applied->text.data, applied->text.size, applied->arena, &problem);
	node_each (it, node_get(root, "digests"))
		if (it->key && node_text(it))
			applied_add(applied, it->key, it->string);
}

/* As json_write writes it; a name or value that it must escape is not found. */
bool applied_has(const struct applied *applied, const char *address, const char *digest)
{
	return applied->text.size &&
	       strstr(applied->text.data, arena_printf(applied->arena, "\"%s\": \"%s\"", address, digest));
}

const char *applied_digest(struct applied *applied, const char *address)
{
	const struct applied_item wanted = { address, NULL }, *found;

	applied_load(applied);
	sort(applied);
	found = applied->items.n
			? bsearch(&wanted, applied->items.items, applied->items.n, sizeof(wanted), by_address)
			: NULL;
	return found ? found->digest : NULL;
}

static int read_text(int dir, struct arena *a, struct bytes *out)
{
	int r = file_read(dir, FILE_NAME, FILE_MAX, a, out);

	if (r == -ENOENT)
		*out = (struct bytes){ "", 0 };
	return r == -ENOENT ? 0 : r;
}

int applied_read(const char *state_dir, struct applied *out)
{
	scoped(close_fd) int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	return read_text(dir, out->arena, &out->text);
}

int applied_write(const char *state_dir, struct applied *applied)
{
	const struct file_attr attr = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	struct arena *a = applied->arena;
	struct node root = { .type = NODE_MAP }, *digests;
	scoped(close_fd) int dir = -1;
	struct bytes old, text;
	int r;

	sort(applied);
	digests = node_put_map(a, &root, "digests");
	vec_each (it, &applied->items)
		node_put_text(a, digests, it->address, it->digest);
	text.data = json_write(&root, JSON_INDENTED, a);
	text.size = strlen(text.data);
	r = dir_open(state_dir, 0700, &dir);
	if (r)
		return r;
	r = read_text(dir, a, &old);
	if (!r && old.size == text.size && !memcmp(old.data, text.data, text.size))
		return 0;
	return file_write(dir, FILE_NAME, &text, &attr);
}

int applied_remove(const char *state_dir)
{
	scoped(close_fd) int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	return unlinkat(dir, FILE_NAME, 0) < 0 && errno != ENOENT ? -errno : 0;
}
