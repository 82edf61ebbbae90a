/*
 * The floor of an in-sync pass: a program that starts, has the libraries that the design allows, and dumps the
 * table that enmesh dumps. Nothing is decoded. Every library has one symbol used, so that the linker keeps it.
 */
#include <jansson.h>
#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <yaml.h>

static struct mnl_socket *nl;
static unsigned sequence;
static char sets[1024][128];
static unsigned n_sets;

static int on_set(const struct nlmsghdr *message, void *data)
{
	struct nftnl_set *set = nftnl_set_alloc();

	(void)data;
	if (nftnl_set_nlmsg_parse(message, set) == 0 && n_sets < 1024)
		snprintf(sets[n_sets++], sizeof(sets[0]), "%s", nftnl_set_get_str(set, NFTNL_SET_NAME));
	nftnl_set_free(set);
	return MNL_CB_OK;
}

static void dump(unsigned short type, unsigned short attribute, const char *set, mnl_cb_t on_message)
{
	alignas(struct nlmsghdr) char buffer[64 * 1024];
	struct nlmsghdr *m = nftnl_nlmsg_build_hdr(buffer, type, NFPROTO_INET, NLM_F_DUMP, ++sequence);
	int more;

	mnl_attr_put_strz(m, attribute, "enmesh");
	if (set)
		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, set);
	mnl_socket_sendto(nl, m, m->nlmsg_len);
	do {
		ssize_t n = mnl_socket_recvfrom(nl, buffer, sizeof(buffer));

		more = n < 0 ? -1
			     : mnl_cb_run(
				       buffer, (size_t)n, sequence, mnl_socket_get_portid(nl), on_message, NULL);
	} while (more > MNL_CB_STOP);
}

int main(void)
{
	volatile const void *keep[] = { (const void *)yaml_get_version_string(),
		(const void *)jansson_version_str() };

	(void)keep;
	(void)sd_booted();
	nl = mnl_socket_open(NETLINK_NETFILTER);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return 1;
	dump(NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, NULL, NULL);
	dump(NFT_MSG_GETRULE, NFTA_RULE_TABLE, NULL, NULL);
	dump(NFT_MSG_GETSET, NFTA_SET_TABLE, NULL, on_set);
	for (unsigned i = 0; i < n_sets; i++)
		dump(NFT_MSG_GETSETELEM, NFTA_SET_ELEM_LIST_TABLE, sets[i], NULL);
	mnl_socket_close(nl);
	return 0;
}
