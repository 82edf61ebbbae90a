#include <stdarg.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/import.h"
#include "report/escape.h"

enum { DEFAULT_USER = 1337 };

struct writing {
	struct import *im;
	struct str out;
	bool ok;
};

/* One line; its end says who gave the value, if anybody did. */
static void printf_like(3, 4) put(struct writing *w, enum import_key key, const char *format, ...)
{
	struct arena *a = w->im->arena;
	const char *from = w->im->values[key].from;
	va_list args;

	va_start(args, format);
	str_add(&w->out, arena_vprintf(a, format, args));
	va_end(args);
	if (key != IMPORT_NOTHING && from)
		str_printf(&w->out, " # %s", escape(from, a));
	str_add(&w->out, "\n");
	*vec_push(a, &w->im->lines) = key;
}

static void put_text(struct writing *w, enum import_key key, const char *before)
{
	if (import_given(w->im, key))
		put(w, key, "%s%s", before, import_scalar(w->im->values[key].text, w->im->arena));
}

static void begin(struct writing *w, const char *kind)
{
	if (strcmp(kind, "Mesh"))
		put(w, IMPORT_NOTHING, "---");
	put(w, IMPORT_NOTHING, "apiVersion: enmesh.io/v1alpha1");
	put(w, IMPORT_NOTHING, "kind: %s", kind);
}

/* ---- what Istio makes of some of them ---- */

static bool is_text(const struct import *im, enum import_key key, const char *text)
{
	return im->values[key].text && !strcmp(im->values[key].text, text);
}

static bool is_tproxy(const struct import *im)
{
	return is_text(im, IMPORT_MODE, "TPROXY");
}

/* Who says that IPv6 is captured, too; IMPORT_NOTHING: nobody. Istio's nftables rules are for both families. */
static enum import_key ipv6_by(const struct import *im)
{
	const char *address = im->values[IMPORT_ADDRESS].text;

	if (import_switch(im, IMPORT_DUAL_STACK))
		return IMPORT_DUAL_STACK;
	if (import_switch(im, IMPORT_NFTABLES))
		return IMPORT_NFTABLES;
	return address && strchr(address, ':') ? IMPORT_ADDRESS : IMPORT_NOTHING;
}

static bool all_groups(const struct import *im)
{
	return !im->values[IMPORT_OWNERS].text || is_text(im, IMPORT_OWNERS, "*");
}

static void note_if(struct import *im, bool without, enum import_key key, const char *reason)
{
	if (without && import_given(im, key))
		*vec_push(im->arena, &im->notes) = (struct import_note){ im->values[key].from, reason };
}

static void note_what_has_no_effect(struct import *im)
{
	bool dns = import_switch(im, IMPORT_DNS), redirect = !is_tproxy(im);

	note_if(im, !is_text(im, IMPORT_IN_PORTS, "*"), IMPORT_IN_EXCLUDE,
		"Istio excludes ports only where all inbound ones are captured");
	note_if(im, !dns && import_switch(im, IMPORT_DNS_ALL), IMPORT_DNS_ALL,
		"without DNS capture, it has no effect");
	note_if(im, !all_groups(im), IMPORT_OWNERS_EXCLUDE,
		"Istio excludes groups only where those of all others are captured");
	note_if(im, redirect, IMPORT_MARK, "it counts in mode TPROXY only");
	note_if(im, redirect, IMPORT_TABLE, "it counts in mode TPROXY only");
	note_if(im, is_text(im, IMPORT_MODE, "NONE"), IMPORT_MODE,
		"istio-iptables redirects in this mode, too; 'mode: none' below would capture nothing");
}

/* ---- documents ---- */

static void write_header(struct writing *w)
{
	put(w, IMPORT_NOTHING,
		"# Istio's settings of a machine, as documents of enmesh; written by 'enmesh import istio'.");
	put(w, IMPORT_NOTHING,
		"# The end of a line names the flag or variable that it comes from; the other lines are what");
	put(w, IMPORT_NOTHING, "# Istio does if nothing is said.");
	if (w->im->notes.n) {
		put(w, IMPORT_NOTHING, "#");
		put(w, IMPORT_NOTHING, "# Left out, for it has no meaning here:");
	}
	vec_each (note, &w->im->notes)
		put(w, IMPORT_NOTHING, "#   %s: %s", escape(note->name, w->im->arena), note->reason);
}

static void write_discovery(struct writing *w)
{
	struct import *im = w->im;
	const char *namespace = import_given(im, IMPORT_SYSTEM_NAMESPACE)
					? im->values[IMPORT_SYSTEM_NAMESPACE].text
					: "istio-system";
	long long port = 15012;
	enum import_key key = import_given(im, IMPORT_PILOT)        ? IMPORT_PILOT
			      : import_given(im, IMPORT_PILOT_PORT) ? IMPORT_PILOT_PORT
								    : IMPORT_SYSTEM_NAMESPACE;
	const char *address = im->values[IMPORT_PILOT].text;

	w->ok &= import_number(im, IMPORT_PILOT_PORT, 1, 65535, &port);
	if (!import_given(im, key))
		return;
	if (key != IMPORT_PILOT)
		address = arena_printf(im->arena, "istiod.%s.svc:%lld", namespace, port);
	put(w, key, "    discovery: {addresses: [%s]}", import_scalar(address, im->arena));
}

static void write_mesh(struct writing *w)
{
	struct import *im = w->im;
	bool plane = import_given(im, IMPORT_CA) || import_given(im, IMPORT_PILOT) ||
		     import_given(im, IMPORT_PILOT_PORT) || import_given(im, IMPORT_SYSTEM_NAMESPACE);
	bool any = plane || import_given(im, IMPORT_TRUST_DOMAIN) || import_given(im, IMPORT_MESH_ID);

	begin(w, "Mesh");
	put(w, IMPORT_NOTHING, "metadata: {name: istio}");
	put(w, IMPORT_NOTHING, any ? "spec:" : "spec: {}");
	put_text(w, IMPORT_TRUST_DOMAIN, "  trustDomain: ");
	put_text(w, IMPORT_MESH_ID, "  meshId: ");
	if (!plane)
		return;
	put(w, IMPORT_NOTHING, "  controlPlane:");
	write_discovery(w);
	if (import_given(im, IMPORT_CA))
		put(w, IMPORT_CA, "    ca: {addresses: [%s]}",
			import_scalar(im->values[IMPORT_CA].text, im->arena));
}

static void write_node(struct writing *w)
{
	struct import *im = w->im;
	const char *address = import_given(im, IMPORT_ADDRESS) ? im->values[IMPORT_ADDRESS].text : im->address;

	begin(w, "MeshNode");
	put(w, IMPORT_NODE, "metadata: {name: %s}", import_scalar(im->node, im->arena));
	put(w, IMPORT_NOTHING, "spec:");
	if (!import_given(im, IMPORT_ADDRESS))
		put(w, IMPORT_NOTHING,
			"  # An address of the machine that wrote this; the one under which others reach the node "
			"belongs here.");
	put(w, IMPORT_ADDRESS, "  addresses: [%s]", import_scalar(address, im->arena));
	put_text(w, IMPORT_NETWORK, "  network: ");
}

static void write_labels(struct writing *w)
{
	struct import *im = w->im;
	const char *text = im->values[IMPORT_LABELS].text, *problem;
	const struct node *labels;

	if (!import_given(im, IMPORT_LABELS))
		return;
	labels = json_read(text, strlen(text), im->arena, &problem);
	if (!labels)
		w->ok = import_error(im, IMPORT_LABELS, "expected JSON: %s", problem);
	else if (!node_is(labels, NODE_MAP))
		w->ok = import_error(im, IMPORT_LABELS, "expected a map of labels, found %s", node_kind(labels));
	else if (labels->n)
		put(w, IMPORT_LABELS, "  labels: %s", import_json(labels, im->arena));
}

/* ISTIO_SERVICE is a name, or NAME.NAMESPACE. */
static void write_service(struct writing *w)
{
	struct import *im = w->im;
	const char *service = import_given(im, IMPORT_SERVICE) ? im->values[IMPORT_SERVICE].text : "rawvm";
	size_t n = strcspn(service, ".");
	enum import_key key = IMPORT_NAMESPACE;
	const char *namespace = im->values[key].text;

	if (!import_given(im, key) && service[n]) {
		key = IMPORT_SERVICE;
		namespace = arena_strndup(im->arena, service + n + 1, strcspn(service + n + 1, "."));
	}
	begin(w, "MeshService");
	put(w, IMPORT_NOTHING, "metadata:");
	put(w, IMPORT_SERVICE, "  name: %s", import_scalar(arena_strndup(im->arena, service, n), im->arena));
	put(w, key, "  namespace: %s", import_scalar(namespace && *namespace ? namespace : "default", im->arena));
	write_labels(w);
	put(w, IMPORT_NOTHING, "spec:");
	put(w, IMPORT_NODE, "  nodes: {names: [%s]}", import_scalar(im->node, im->arena));
	put_text(w, IMPORT_ACCOUNT, "  serviceAccount: ");
	put(w, IMPORT_NOTHING,
		"  # Without runAs, the connections of all users but the proxy's are captured, as Istio does.");
	if (import_given(im, IMPORT_NETNS))
		put(w, IMPORT_NETNS, "  networkNamespace: {path: %s}",
			import_scalar(im->values[IMPORT_NETNS].text, im->arena));
	put(w, IMPORT_NOTHING, "  sidecar: istio-proxy");
	put(w, IMPORT_NOTHING, "  capture: istio");
}

static void write_port(struct writing *w, enum import_key key, const char *name, long long port)
{
	w->ok &= import_number(w->im, key, 1, 65535, &port);
	put(w, key, "    %s: %lld", name, port);
}

static void write_ids(struct writing *w)
{
	struct import *im = w->im;
	struct import_list users = { 0 }, groups;
	enum import_key key = IMPORT_USERS;

	if (import_given(im, IMPORT_USERS)) {
		if (!import_ids(im, IMPORT_USERS, &users))
			w->ok = false;
		else if (!users.n)
			w->ok = import_error(im, IMPORT_USERS, "expected one user at least");
	} else {
		key = IMPORT_ENVOY_USER;
		put(w, IMPORT_NOTHING,
			im->envoy_user < 0 ? "  # This machine has no user '%s': Istio's default."
					   : "  # What '%s' is on this machine.",
			escape(import_envoy_user(im), im->arena));
		users.text = arena_printf(
			im->arena, "[%lld]", im->envoy_user < 0 ? (long long)DEFAULT_USER : im->envoy_user);
	}
	put(w, key, "  proxyUsers: %s", users.text);
	groups = users;
	if (import_given(im, IMPORT_GROUPS))
		w->ok &= import_ids(im, key = IMPORT_GROUPS, &groups);
	put(w, key, "  proxyGroups: %s", groups.text);
}

static void write_sidecar(struct writing *w)
{
	begin(w, "MeshSidecar");
	put(w, IMPORT_NOTHING, "metadata: {name: istio-proxy}");
	put(w, IMPORT_NOTHING, "spec:");
	put(w, IMPORT_NOTHING, "  profile: none # Istio's own agent runs the proxy");
	put(w, IMPORT_NOTHING, "  ports:");
	write_port(w, IMPORT_OUTBOUND_PORT, "outbound", 15001);
	write_port(w, IMPORT_INBOUND_PORT, "inbound", 15006);
	write_port(w, IMPORT_TUNNEL_PORT, "tunnel", 15008);
	write_ids(w);
}

/* ---- capture ---- */

static void write_mode(struct writing *w)
{
	struct import *im = w->im;
	const char *mode = import_given(im, IMPORT_MODE) ? im->values[IMPORT_MODE].text : "REDIRECT";

	if (import_switch(im, IMPORT_CUSTOM))
		put(w, IMPORT_CUSTOM, "  mode: none");
	else if (import_switch(im, IMPORT_CLEANUP))
		put(w, IMPORT_CLEANUP, "  mode: none");
	else if (is_tproxy(im))
		put(w, IMPORT_MODE, "  mode: tproxy");
	else if (!strcmp(mode, "REDIRECT") || !strcmp(mode, "NONE"))
		put(w, IMPORT_MODE, "  mode: redirect");
	else
		w->ok = import_error(im, IMPORT_MODE, "expected REDIRECT or TPROXY, found '%s'", mode);
}

static void write_families(struct writing *w)
{
	enum import_key key = ipv6_by(w->im);

	if (key != IMPORT_NOTHING) {
		put(w, key, "  families: [ipv4, ipv6]");
		return;
	}
	put(w, IMPORT_NOTHING,
		"  # Istio has rules for IPv6 only with --dual-stack, or where the machine's first address is of "
		"IPv6;");
	put(w, IMPORT_NOTHING,
		"  # otherwise IPv6 passes the proxy by. [ipv4, ipv6] captures both, 'refuse' leaves no way "
		"around.");
	put(w, IMPORT_NOTHING, "  families: [ipv4]");
	put(w, IMPORT_NOTHING, "  uncapturedFamily: allow");
}

/* A line of `name: [items]`, if there are any. */
static void write_list(struct writing *w, enum import_key key, const char *name, const struct import_list *list)
{
	if (list->n)
		put(w, key, "%s: %s", name, list->text);
}

static void write_inbound(struct writing *w)
{
	struct import *im = w->im;
	bool all = is_text(im, IMPORT_IN_PORTS, "*"), reachable = all;
	struct import_list ports, exclude = { 0 };

	put(w, IMPORT_NOTHING, "  inbound:");
	if (all) {
		put(w, IMPORT_IN_PORTS, "    ports: all");
		w->ok &= import_ports(im, IMPORT_IN_EXCLUDE, &exclude);
		write_list(w, IMPORT_IN_EXCLUDE, "    excludePorts", &exclude);
		reachable = !exclude.holds_22;
	} else {
		w->ok &= import_ports(im, IMPORT_IN_PORTS, &ports);
		put(w, IMPORT_IN_PORTS, "    ports: %s", ports.text);
		reachable = ports.may_hold_22;
	}
	if (!reachable)
		return;
	put(w, IMPORT_NOTHING,
		"  # SSH is captured, too: that is what Istio does with these ports. enmesh wants to hear that it "
		"is meant.");
	put(w, IMPORT_NOTHING, "  allowManagementPorts: true");
}

static void write_owners(struct writing *w)
{
	struct import *im = w->im;
	struct import_list groups;
	bool all = all_groups(im);
	enum import_key key = all ? IMPORT_OWNERS_EXCLUDE : IMPORT_OWNERS;

	w->ok &= import_ids(im, key, &groups);
	if (groups.n || !all)
		put(w, key, "    ownerGroups: {%s: %s}", all ? "exclude" : "include", groups.text);
}

static void write_outbound(struct writing *w)
{
	struct import *im = w->im;
	struct import_list cidrs, list;

	put(w, IMPORT_NOTHING, "  outbound:");
	if (is_text(im, IMPORT_OUT_CIDRS, "*")) {
		put(w, IMPORT_OUT_CIDRS, "    cidrs: all");
	} else {
		w->ok &= import_cidrs(im, IMPORT_OUT_CIDRS, &cidrs);
		put(w, IMPORT_OUT_CIDRS, "    cidrs: %s", cidrs.text);
	}
	w->ok &= import_cidrs(im, IMPORT_OUT_EXCLUDE_CIDRS, &list);
	write_list(w, IMPORT_OUT_EXCLUDE_CIDRS, "    excludeCidrs", &list);
	w->ok &= import_ports(im, IMPORT_OUT_PORTS, &list);
	write_list(w, IMPORT_OUT_PORTS, "    ports", &list);
	w->ok &= import_ports(im, IMPORT_OUT_EXCLUDE, &list);
	write_list(w, IMPORT_OUT_EXCLUDE, "    excludePorts", &list);
	write_owners(w);
}

static void write_dns(struct writing *w)
{
	if (!import_switch(w->im, IMPORT_DNS))
		return;
	if (import_switch(w->im, IMPORT_DNS_ALL))
		put(w, IMPORT_DNS_ALL, "  dns: {capture: all}");
	else
		put(w, IMPORT_DNS, "  dns: {capture: resolvers}");
}

static void write_tproxy(struct writing *w)
{
	long long mark = 1337, table = 133;

	w->ok &= import_number(w->im, IMPORT_MARK, 1, 4294967294, &mark);
	w->ok &= import_number(w->im, IMPORT_TABLE, 1, 4294967295, &table);
	if (!is_tproxy(w->im))
		return;
	put(w, IMPORT_NOTHING, "  tproxy:");
	put(w, IMPORT_MARK, "    mark: %lld", mark);
	put(w, IMPORT_TABLE, "    table: %lld", table);
}

static void write_capture(struct writing *w)
{
	struct import *im = w->im;
	struct import_list list;
	const char *loopback = NULL;

	begin(w, "MeshCapture");
	put(w, IMPORT_NOTHING, "metadata: {name: istio}");
	put(w, IMPORT_NOTHING, "spec:");
	write_mode(w);
	write_families(w);
	write_inbound(w);
	write_outbound(w);
	w->ok &= import_interfaces(im, IMPORT_INTERFACES, &list);
	write_list(w, IMPORT_INTERFACES, "  excludeInterfaces", &list);
	w->ok &= import_interfaces(im, IMPORT_VIRTUAL, &list);
	write_list(w, IMPORT_VIRTUAL, "  virtualInterfaces", &list);
	write_dns(w);
	if (import_switch(im, IMPORT_DROP_INVALID))
		put(w, IMPORT_DROP_INVALID, "  dropInvalid: true");
	w->ok &= import_loopback(im, &loopback);
	if (loopback)
		put(w, IMPORT_LOOPBACK, "  loopbackCidr: %s", loopback);
	write_tproxy(w);
}

const char *import_write(struct import *im)
{
	struct writing w = { .im = im, .out = { .arena = im->arena }, .ok = true };

	w.ok = import_check_switches(im);
	note_what_has_no_effect(im);
	write_header(&w);
	write_mesh(&w);
	write_node(&w);
	write_service(&w);
	write_sidecar(&w);
	write_capture(&w);
	return w.ok ? str_text(&w.out) : NULL;
}

const char *import_envoy_user(const struct import *im)
{
	return import_given(im, IMPORT_ENVOY_USER) ? im->values[IMPORT_ENVOY_USER].text : "istio-proxy";
}
