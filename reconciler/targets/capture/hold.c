#include "targets/capture/hold.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/netns.h"
#include "targets/capture/nft_message.h"

/* How soon a request to end is seen. */
enum { SLICE_MS = 500 };

struct held {
	char *netns; /* NULL: the node's own */
	ino_t inode; /* of the namespace: another may come to the same path */
	struct netlink *owner;
	struct netlink *monitor;
	bool seen; /* hold_open was called for it since hold_close_unseen */
};

/* For the life of the process, as the sockets are: each pass has another arena. */
static struct arena forever;
static vec_of(struct held) all;

bool hold_supported(const char *release)
{
	unsigned major, minor;

	return sscanf(release, "%u.%u", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 9));
}

static bool holds(const struct host *h)
{
	struct utsname name;

	return h->holds && uname(&name) == 0 && hold_supported(name.release);
}

static struct held *find(const char *netns)
{
	vec_each (it, &all)
		if (netns_same(netns, it->netns))
			return it;
	return NULL;
}

static int open_both(struct held *held)
{
	int group = NFNLGRP_NFTABLES, error = nft_new(held->netns, &held->owner);

	if (!error)
		error = nft_new(held->netns, &held->monitor);
	if (!error &&
		mnl_socket_setsockopt(held->monitor->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		error = -errno;
	if (error) {
		netlink_free(&held->owner);
		netlink_free(&held->monitor);
	}
	return error;
}

int hold_open(const struct host *h, const char *netns)
{
	struct held *held = find(netns);
	struct stat st;

	if (!h->holds)
		return 0;
	if (stat(netns ? netns : "/proc/self/ns/net", &st) < 0)
		return -errno;
	if (held)
		held->seen = true;
	if (held && held->owner && held->inode == st.st_ino)
		return 0;
	if (!held) {
		held = vec_push(&forever, &all);
		*held = (struct held){ .netns = netns ? arena_strdup(&forever, netns) : NULL, .seen = true };
	}
	netlink_free(&held->owner);
	netlink_free(&held->monitor);
	held->inode = st.st_ino;
	return open_both(held);
}

void hold_close_unseen(void)
{
	vec_each (held, &all) {
		if (!held->seen) {
			netlink_free(&held->owner);
			netlink_free(&held->monitor);
		}
		held->seen = false;
	}
}

struct netlink *hold_socket(const char *netns)
{
	struct held *held = find(netns);

	return held ? held->owner : NULL;
}

bool hold_foreign(const char *netns, const struct ruleset *live)
{
	const struct netlink *ours = hold_socket(netns);

	return live->flags & TABLE_OWNED && (!ours || ours->port != live->owner);
}

void hold_judge(const struct host *h, struct ruleset *live)
{
	live->keep = holds(h) ? TABLE_HELD : live->flags & TABLE_HELD;
	/* The kernel gives no owner to a table that was made without these flags. */
	live->remade = live->present && holds(h) && !(live->flags & TABLE_PERSISTS);
}

/* ---- waiting ---- */

struct hearing {
	const struct held *held;
	bool others;
};

/* Each message about a table, or something in one, has the table's name as attribute 1. */
static bool is_about_our_table(const struct nlmsghdr *message)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	struct nlattr *attribute;

	if ((message->nlmsg_type & 0xff) == NFT_MSG_NEWGEN || header->nfgen_family != NFPROTO_INET)
		return false;
	mnl_attr_for_each (attribute, message, sizeof(*header))
		if (mnl_attr_get_type(attribute) == NFTA_TABLE_NAME)
			return mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 &&
			       !strcmp(mnl_attr_get_str(attribute), RULESET_TABLE);
	return false;
}

/* Machines have others who change rules of their own all the time. The sender is the socket that wrote. */
static int on_change(const struct nlmsghdr *message, void *context)
{
	struct hearing *hearing = context;

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(struct nfgenmsg))
		hearing->others |= message->nlmsg_pid != hearing->held->owner->port && is_about_our_table(message);
	return MNL_CB_OK;
}

/* Whatever is there to be read. When messages were lost, somebody may have changed something. */
static bool others_changed(const struct held *held)
{
	alignas(struct nlmsghdr) char buffer[READ_SIZE];
	struct pollfd p = { .fd = mnl_socket_get_fd(held->monitor->socket), .events = POLLIN };
	struct hearing hearing = { .held = held };

	while (poll(&p, 1, 0) > 0) {
		ssize_t n = mnl_socket_recvfrom(held->monitor->socket, buffer, sizeof(buffer));

		if (n < 0)
			return true;
		mnl_cb_run(buffer, (size_t)n, 0, 0, on_change, &hearing);
	}
	return hearing.others;
}

bool hold_wait(long long until_ms, bool (*stopped)(void))
{
	struct arena scratch = { 0 };
	struct pollfd *polled = arena_alloc(&scratch, (all.n + 1) * sizeof(*polled));
	long long now = clock_monotonic_ms();
	bool changed = false;

	for (; !changed && now < until_ms && !stopped(); now = clock_monotonic_ms()) {
		nfds_t n = 0;

		vec_each (held, &all)
			if (held->monitor)
				polled[n++] = (struct pollfd){ .fd = mnl_socket_get_fd(held->monitor->socket),
					.events = POLLIN };
		poll(polled, n, (int)(until_ms - now < SLICE_MS ? until_ms - now : SLICE_MS));
		vec_each (held, &all)
			changed |= held->monitor && others_changed(held);
	}
	arena_finish(&scratch);
	return changed;
}
