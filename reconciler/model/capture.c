#include <string.h>
#include <sys/socket.h>

#include "model/read.h"

static bool is_word(const struct node *map, const char *name, const char *word)
{
	const char *text = node_get_text(map, name);

	return text && !strcmp(text, word);
}

static bool read_families(const struct node *spec, struct mesh_capture *out, struct diags *d)
{
	const struct node *families = node_get(spec, "families"), *other = node_get(spec, "uncapturedFamily");

	node_each (it, families)
		*(strcmp(it->string, "ipv4") ? &out->ipv6 : &out->ipv4) = true;
	out->refuse_other_family = is_word(spec, "uncapturedFamily", "refuse");
	if ((out->ipv4 && out->ipv6) || other)
		return true;
	return diag_error(d, node_pos(families),
		"%s is not captured: say with uncapturedFamily whether it is let past the sidecar (allow) or "
		"refused (refuse)",
		out->ipv4 ? "IPv6" : "IPv4");
}

static bool read_inbound(const struct node *inbound, struct arena *a, struct mesh_capture *out, struct diags *d)
{
	const struct node *ports = node_get(inbound, "ports");
	bool ok;

	out->inbound = node_is(ports, NODE_LIST)          ? INBOUND_LIST
		       : is_word(inbound, "ports", "all") ? INBOUND_ALL
							  : INBOUND_SERVICE;
	ok = read_ports(ports, a, &out->inbound_ports, d);
	ok &= read_ports(node_get(inbound, "excludePorts"), a, &out->inbound_exclude, d);
	return read_cidrs(node_get(inbound, "excludeFrom"), a, &out->inbound_exclude_from, d) && ok;
}

static bool read_outbound(const struct node *outbound, struct arena *a, struct mesh_capture *out, struct diags *d)
{
	const struct node *cidrs = node_get(outbound, "cidrs"), *groups = node_get(outbound, "ownerGroups");
	bool ok;

	out->outbound_all = node_is(cidrs, NODE_STRING);
	ok = read_cidrs(cidrs, a, &out->outbound_cidrs, d);
	ok &= read_cidrs(node_get(outbound, "excludeCidrs"), a, &out->outbound_exclude, d);
	ok &= read_ports(node_get(outbound, "ports"), a, &out->outbound_ports, d);
	out->listed_groups_only = node_get(groups, "include") != NULL;
	read_accounts(node_get(groups, "include"), a, &out->include_groups);
	read_accounts(node_get(groups, "exclude"), a, &out->exclude_groups);
	return read_ports(node_get(outbound, "excludePorts"), a, &out->outbound_exclude_ports, d) && ok;
}

static bool read_loopback(const struct node *loopback, struct arena *a, struct mesh_capture *out, struct diags *d)
{
	if (!read_cidr(loopback, a, &out->loopback, d))
		return false;
	return out->loopback.family == AF_INET ||
	       diag_error(d, node_pos(loopback), "expected an IPv4 address range, found %s", loopback->string);
}

bool read_capture(const struct document *doc, const struct model *m, struct arena *a, struct mesh_capture *out,
	struct diags *d)
{
	const struct node *spec = doc->spec, *tproxy = node_get(spec, "tproxy"), *dns = node_get(spec, "dns");
	bool ok = read_families(spec, out, d);

	(void)m;
	out->mode = is_word(spec, "mode", "none")     ? CAPTURE_NONE
		    : is_word(spec, "mode", "tproxy") ? CAPTURE_TPROXY
						      : CAPTURE_REDIRECT;
	ok &= read_inbound(node_get(spec, "inbound"), a, out, d);
	ok &= read_outbound(node_get(spec, "outbound"), a, out, d);
	out->dns = is_word(dns, "capture", "all")         ? DNS_ALL
		   : is_word(dns, "capture", "resolvers") ? DNS_RESOLVERS
							  : DNS_NONE;
	read_texts(node_get(spec, "excludeInterfaces"), a, &out->exclude_interfaces);
	read_texts(node_get(spec, "virtualInterfaces"), a, &out->virtual_interfaces);
	out->drop_invalid = node_get_bool(spec, "dropInvalid", false);
	ok &= read_loopback(node_get(spec, "loopbackCidr"), a, out, d);
	out->tproxy_mark = (uint32_t)node_get_int(tproxy, "mark", 0);
	out->tproxy_table = (uint32_t)node_get_int(tproxy, "table", 0);
	out->open_when_down = is_word(spec, "whenProxyDown", "open");
	out->allow_management_ports = node_get_bool(spec, "allowManagementPorts", false);
	return ok;
}
