#include "report/status.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "report/json.h"

#define FILE_NAME "status.json"

enum { FILE_MAX = 16 * 1024 * 1024 };

int status_read(const char *run_dir, struct arena *a, const struct node **out)
{
	scoped(close_fd) int dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *problem;
	struct bytes text;
	int r = dir < 0 ? -errno : file_read(dir, FILE_NAME, FILE_MAX, a, &text);
	const struct node *root;

	if (r)
		return r;
	root = json_read(text.data, text.size, a, &problem);
	if (!node_is(root, NODE_MAP))
		return -EBADMSG;
	*out = root;
	return 0;
}

int status_write(const char *run_dir, const struct node *status, struct arena *a)
{
	/* For everyone to read: it holds no secrets. Gone after a boot anyway, so it need not be synced. */
	const struct file_attr attr = { .mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1, .volatile_ = true };
	const char *text = arena_printf(a, "%s\n", json_write(status, JSON_INDENTED, a));
	const struct bytes content = { text, strlen(text) };
	scoped(close_fd) int dir = -1;
	int r = dir_open(run_dir, 0755, &dir);

	return r ? r : file_write(dir, FILE_NAME, &content, &attr);
}

int status_remove(const char *run_dir)
{
	scoped(close_fd) int dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	return unlinkat(dir, FILE_NAME, 0) < 0 && errno != ENOENT ? -errno : 0;
}
