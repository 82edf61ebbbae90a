#include "targets/processes/owned.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

#define FILE_NAME "files.json"

enum { FILE_MAX = 64 * 1024 * 1024 };

/* The place of a path, or where it would be. */
static size_t place(const struct owned *owned, const char *path, bool *found)
{
	size_t low = 0, high = owned->items.n;

	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(path, owned->items.items[middle].path);

		if (!order) {
			*found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct owned_item *owned_find(const struct owned *owned, const char *path)
{
	bool found;
	size_t i = place(owned, path, &found);

	return found ? &owned->items.items[i] : NULL;
}

void owned_add(struct owned *owned, const char *path, bool directory)
{
	bool found;
	size_t i = place(owned, path, &found), after = owned->items.n - i;
	struct owned_item *items;

	if (found && owned->items.items[i].directory == directory)
		return;
	if (!found) {
		vec_push(owned->arena, &owned->items);
		items = owned->items.items;
		memmove(&items[i + 1], &items[i], after * sizeof(*items));
	}
	owned->items.items[i] = (struct owned_item){ arena_strdup(owned->arena, path), directory };
	owned->changed = true;
}

void owned_remove(struct owned *owned, const char *path)
{
	struct owned_item *items = owned->items.items;
	bool found;
	size_t i = place(owned, path, &found);

	if (!found)
		return;
	owned->items.n--;
	memmove(&items[i], &items[i + 1], (owned->items.n - i) * sizeof(*items));
	owned->changed = true;
}

static bool read_list(struct owned *out, const struct node *list, bool directory)
{
	if (!node_is(list, NODE_LIST))
		return false;
	node_each (it, list) {
		if (!node_text(it) || it->string[0] != '/')
			return false;
		owned_add(out, it->string, directory);
	}
	return true;
}

bool owned_read(const char *state_dir, struct owned *out, struct diags *d)
{
	const char *path = arena_printf(out->arena, "%s/" FILE_NAME, state_dir), *problem = "it has another form";
	struct node *root;
	struct bytes text;
	int r = file_read(AT_FDCWD, path, FILE_MAX, out->arena, &text);

	if (r == -ENOENT)
		return true;
	if (r)
		return diag_failure(
			d, "cannot read %s, the record of the files that enmesh made: %s", path, strerror(-r));
	root = json_read(text.data, text.size, out->arena, &problem);
	if (root && read_list(out, node_get(root, "files"), false) &&
		read_list(out, node_get(root, "directories"), true)) {
		out->changed = false;
		return true;
	}
	return diag_failure(d,
		"%s, the record of the files that enmesh made, is damaged: %s; put back a good copy, or remove "
		"it, and enmesh "
		"will take those files for somebody else's",
		path, problem);
}

int owned_write(const char *state_dir, struct owned *owned)
{
	const struct file_attr attr = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	struct arena *a = owned->arena;
	struct node root = { .type = NODE_MAP }, *files, *directories;
	scoped(close_fd) int dir = -1;
	struct bytes text;
	int r;

	if (!owned->changed)
		return 0;
	r = dir_open(state_dir, 0700, &dir);
	if (r)
		return r;
	if (!owned->items.n) {
		if (unlinkat(dir, FILE_NAME, 0) < 0 && errno != ENOENT)
			return -errno;
		owned->changed = false;
		return fsync(dir) < 0 ? -errno : 0;
	}
	files = node_put_list(a, &root, "files");
	vec_each (item, &owned->items)
		if (!item->directory)
			node_add_text(a, files, item->path);
	directories = node_put_list(a, &root, "directories");
	vec_each (item, &owned->items)
		if (item->directory)
			node_add_text(a, directories, item->path);
	text.data = json_write(&root, JSON_INDENTED, a);
	text.size = strlen(text.data);
	r = file_write(dir, FILE_NAME, &text, &attr);
	if (!r)
		owned->changed = false;
	return r;
}
