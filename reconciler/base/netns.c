#include "base/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"

int netns_compare(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

bool netns_same(const char *a, const char *b)
{
	return !netns_compare(a, b);
}

int netns_enter(const char *path, int *back)
{
	scoped(close_fd) int here = -1, there = -1;

	if (!path)
		return 0;
	here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	there = here < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (there < 0 || setns(there, CLONE_NEWNET) < 0)
		return -errno;
	*back = take_fd(here);
	return 0;
}

void netns_leave(int *back)
{
	if (*back >= 0 && setns(*back, CLONE_NEWNET) < 0)
		abort();
	close_fd(back);
}
