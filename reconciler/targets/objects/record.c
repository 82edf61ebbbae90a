#include "targets/objects/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "targets/objects/inventory.h"

#define FILE_NAME "objects.json"

enum { FILE_MAX = 4 * 1024 * 1024 };

static const char *const kinds[] = { [SET_NODE] = "node", [SET_MESH] = "mesh" };

static int read_text(const char *state_dir, struct arena *a, struct bytes *out)
{
	scoped(close_fd) int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? -errno : file_read(dir, FILE_NAME, FILE_MAX, a, out);
}

static bool read_set(const struct node *n, struct arena *a, struct record *out)
{
	const char *kind = node_get_text(n, "kind");
	struct applyset set = { .namespace = node_get_text(n, "namespace"), .name = node_get_text(n, "name") };

	if (!kind || !set.namespace || !set.name)
		return false;
	set.kind = strcmp(kind, kinds[SET_MESH]) ? SET_NODE : SET_MESH;
	set.id = inventory_set_id(set.namespace, set.name, a);
	*vec_push(a, &out->sets) = set;
	return true;
}

int record_read(const char *state_dir, struct arena *a, struct record *out)
{
	struct record record = { .exists = true };
	const struct node *root;
	const char *problem, *ca;
	struct bytes text;
	int r = read_text(state_dir, a, &text);

	*out = (struct record){ 0 };
	if (r)
		return r == -ENOENT ? 0 : r;
	root = json_read(text.data, text.size, a, &problem);
	node_each (it, node_get(root, "servers"))
		if (node_text(it))
			*vec_push(a, &record.servers.list) = it->string;
	ca = node_get_text(root, "ca");
	if (ca)
		record.ca = (struct bytes){ ca, strlen(ca) };
	node_each (it, node_get(root, "sets"))
		if (!read_set(it, a, &record))
			return -EBADMSG;
	if (!record.servers.list.n)
		return -EBADMSG;
	*out = record;
	return 0;
}

static const char *write_text(const struct record *record, struct arena *a)
{
	struct node root = { .type = NODE_MAP }, *list = node_put_list(a, &root, "servers");

	vec_each (url, &record->servers.list)
		node_add_text(a, list, *url);
	if (record->ca.size)
		node_put_text(a, &root, "ca", record->ca.data);
	list = node_put_list(a, &root, "sets");
	vec_each (set, &record->sets) {
		struct node *n = node_add_map(a, list);

		node_put_text(a, n, "kind", kinds[set->kind]);
		node_put_text(a, n, "namespace", set->namespace);
		node_put_text(a, n, "name", set->name);
	}
	return json_write(&root, JSON_INDENTED, a);
}

int record_write(const char *state_dir, const struct record *record, struct arena *a)
{
	const struct file_attr attr = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	const char *text = write_text(record, a);
	const struct bytes content = { text, strlen(text) };
	scoped(close_fd) int dir = -1;
	struct bytes old;
	int r = read_text(state_dir, a, &old);

	if (!r && old.size == content.size && !memcmp(old.data, content.data, old.size))
		return 0;
	r = dir_open(state_dir, 0700, &dir);
	return r ? r : file_write(dir, FILE_NAME, &content, &attr);
}

int record_remove(const char *state_dir)
{
	scoped(close_fd) int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	return unlinkat(dir, FILE_NAME, 0) < 0 && errno != ENOENT ? -errno : 0;
}
