#include "targets/objects/settled.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/version.h"

#define FILE_NAME "objects-settled.json"

enum { FILE_MAX = 64 * 1024 * 1024, LASTS_S = 24 * 60 * 60 };

/* ---- what is known ---- */

static int by_address(const void *left, const void *right)
{
	return strcmp(((const struct settled_item *)left)->address, ((const struct settled_item *)right)->address);
}

static void sort(struct settled_items *items)
{
	if (items->list.n)
		qsort(items->list.items, items->list.n, sizeof(*items->list.items), by_address);
}

bool settled_holds(const struct settled *s, const char *address, const char *key)
{
	const struct settled_item wanted = { address, NULL }, *found = NULL;

	if (s->known.list.n)
		found = bsearch(&wanted, s->known.list.items, s->known.list.n, sizeof(wanted), by_address);
	return found && !strcmp(found->key, key);
}

void settled_add(struct settled *s, const char *address, const char *key, struct arena *a)
{
	*vec_push(a, &s->now.list) = (struct settled_item){ arena_strdup(a, address), arena_strdup(a, key) };
}

const char *settled_key(const struct state *live, const struct object *wanted, const char *object, struct arena *a)
{
	struct digest *d = digest_start(a);

	digest_add_text(d, version_text);
	vec_each (url, &live->servers.list)
		digest_add_text(d, *url);
	digest_add_text(d, object);
	digest_add(d, &wanted->force, sizeof(wanted->force));
	digest_add_node(d, wanted->body);
	return digest_end(d, a);
}

/* ---- the file ---- */

static bool lasts(struct timespec since, struct timespec now)
{
	return since.tv_sec <= now.tv_sec && now.tv_sec - since.tv_sec < LASTS_S;
}

void settled_read(const char *state_dir, struct timespec now, struct arena *a, struct settled *out)
{
	scoped(close_fd) int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct node *root;
	const char *problem;
	struct bytes text;

	*out = (struct settled){ .since = now };
	if (dir < 0 || file_read(dir, FILE_NAME, FILE_MAX, a, &text))
		return;
	root = json_read(text.data, text.size, a, &problem);
	if (!clock_read(node_get_text(root, "since"), &out->since) || !lasts(out->since, now)) {
		out->since = now;
		return;
	}
	node_each (it, node_get(root, "objects"))
		if (it->key && node_text(it))
			*vec_push(a, &out->known.list) = (struct settled_item){ it->key, it->string };
	sort(&out->known);
}

static bool same(const struct settled_items *x, const struct settled_items *y)
{
	for (size_t i = 0; x->list.n == y->list.n && i < x->list.n; i++)
		if (strcmp(x->list.items[i].address, y->list.items[i].address) != 0 ||
			strcmp(x->list.items[i].key, y->list.items[i].key) != 0)
			return false;
	return x->list.n == y->list.n;
}

static int remove_file(int dir)
{
	return unlinkat(dir, FILE_NAME, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int settled_write(const char *state_dir, struct timespec now, struct settled *s, struct arena *a)
{
	/* Not synced: without it, the next pass only asks more. */
	const struct file_attr attr = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1, .volatile_ = true };
	struct node root = { .type = NODE_MAP }, *objects;
	scoped(close_fd) int dir = -1;
	struct bytes text;

	sort(&s->now);
	if (s->now.list.n && same(&s->now, &s->known))
		return 0;
	dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!s->now.list.n)
		return remove_file(dir);
	node_put_text(a, &root, "since", clock_text(s->known.list.n ? s->since : now, a));
	objects = node_put_map(a, &root, "objects");
	vec_each (it, &s->now.list)
		node_put_text(a, objects, it->address, it->key);
	text.data = json_write(&root, JSON_INDENTED, a);
	text.size = strlen(text.data);
	return file_write(dir, FILE_NAME, &text, &attr);
}
