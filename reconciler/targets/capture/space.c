#include "targets/capture/space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

#define FILE_NAME "namespaces.json"

enum { FILE_MAX = 4 * 1024 * 1024 };

static int read_text(const char *state_dir, struct arena *a, struct bytes *out)
{
	scoped(close_fd) int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : file_read(dir, FILE_NAME, FILE_MAX, a, out);

	if (r == -ENOENT || r == -ENOTDIR)
		*out = (struct bytes){ "", 0 };
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

int spaces_read(const char *state_dir, struct arena *a, struct texts *out)
{
	const struct node *root;
	const char *problem;
	struct bytes text;
	int r = read_text(state_dir, a, &text);

	if (r)
		return r;
	root = text.size ? json_read(text.data, text.size, a, &problem) : NULL;
	if (text.size && !node_is(node_get(root, "namespaces"), NODE_LIST))
		return -EBADMSG;
	node_each (it, node_get(root, "namespaces"))
		if (node_text(it))
			*vec_push(a, &out->list) = it->string;
	return 0;
}

int spaces_write(const char *state_dir, const struct texts *paths, struct arena *a)
{
	const struct file_attr attr = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	struct node root = { .type = NODE_MAP }, *list = node_put_list(a, &root, "namespaces");
	scoped(close_fd) int dir = -1;
	struct bytes old, text;
	int r = read_text(state_dir, a, &old);

	if (r || (!paths->list.n && !old.size))
		return r;
	vec_each (path, &paths->list)
		node_add_text(a, list, *path);
	text.data = json_write(&root, JSON_INDENTED, a);
	text.size = strlen(text.data);
	if (old.size == text.size && !memcmp(old.data, text.data, text.size))
		return 0;
	r = dir_open(state_dir, 0700, &dir);
	if (r)
		return r;
	if (paths->list.n)
		return file_write(dir, FILE_NAME, &text, &attr);
	return unlinkat(dir, FILE_NAME, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int spaces_set_aside(const char *state_dir)
{
	scoped(close_fd) int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 || renameat(dir, FILE_NAME, dir, FILE_NAME ".damaged") < 0 ? -errno : 0;
}
