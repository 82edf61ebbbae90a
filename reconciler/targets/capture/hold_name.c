#include "targets/capture/hold.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/netns.h"

/* Of the calling thread's namespace; 0: it is not listed. Format: net/netlink/af_netlink.c,
 * netlink_native_seq_show. */
static unsigned long long socket_inode(uint32_t port)
{
	FILE *f = fopen("/proc/thread-self/net/netlink", "re");
	unsigned long long inode = 0, found = 0;
	char line[256];
	unsigned p;
	int protocol;

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %d %u %*s %*s %*s %*s %*s %*s %llu", &protocol, &p, &inode) == 3 &&
			protocol == NETLINK_NETFILTER && p == port)
			found = inode;
	if (f)
		fclose(f);
	return found;
}

static bool has_socket(int proc, const char *pid, const char *name)
{
	char path[64], target[64];
	scoped(close_dir) DIR *dir = NULL;
	scoped(close_fd) int fd = -1;

	snprintf(path, sizeof(path), "%.20s/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return false;
	fd = -1; /* the stream's */
	for (const struct dirent *e; (e = readdir(dir));) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = 0;
		if (!strcmp(target, name))
			return true;
	}
	return false;
}

static const char *process_text(int proc, const char *pid, struct arena *a)
{
	const char *path = arena_printf(a, "%s/comm", pid);
	struct bytes name = { 0 };
	int error = file_read(proc, path, 64, a, &name);

	if (error || !name.size)
		return arena_printf(a, "process %s", pid);
	return arena_printf(a, "process %s, %.*s", pid, (int)name.size - 1, name.data);
}

const char *hold_name(const char *netns, uint32_t port, struct arena *a)
{
	const char *unknown = arena_printf(a, "netlink port %u", port), *socket;
	scoped(netns_leave) int back = -1;
	unsigned long long inode = netns_enter(netns, &back) ? 0 : socket_inode(port);
	scoped(close_dir) DIR *proc = inode ? opendir("/proc") : NULL;

	if (!proc)
		return unknown;
	socket = arena_printf(a, "socket:[%llu]", inode);
	for (const struct dirent *e; (e = readdir(proc));)
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && has_socket(dirfd(proc), e->d_name, socket))
			return process_text(dirfd(proc), e->d_name, a);
	return unknown;
}
