/* Network namespaces. A socket stays in the namespace in which it was made. */
#ifndef BASE_NETNS_H
#define BASE_NETNS_H

#include <stdbool.h>

/* Paths of namespaces; NULL, the node's own, comes first. */
int netns_compare(const char *a, const char *b);
bool netns_same(const char *a, const char *b);

/*
 * Moves the calling thread into the namespace of that path; NULL: it stays. 0 or -errno (-ENOENT: there is no such
 * namespace; -EINVAL: the path is something else; -EPERM: CAP_SYS_ADMIN is missing). `*back` is for netns_leave.
 */
int netns_enter(const char *path, int *back);
/* Goes back, if netns_enter moved. A thread that can't go back must do nothing more: the program ends. */
void netns_leave(int *back);

#endif
