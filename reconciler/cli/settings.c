#include "cli/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/settings_source.h"
#include "source/url.h"

#define CONFIG_FILE "/etc/enmesh/agent.yaml"

enum { CONFIG_MAX = 1024 * 1024, HOST_NAME_SIZE = 256, INTERVAL_MIN_MS = 1000, STALE_INTERVALS = 3 };

/* *spec NULL: there is no file, and none was asked for. */
static bool read_file(struct session *s, const struct node **spec)
{
	const char *path = s->args.config ? s->args.config : CONFIG_FILE;
	const struct node *root;
	struct bytes text;
	int r = file_read(AT_FDCWD, path, CONFIG_MAX, s->arena, &text);

	*spec = NULL;
	if (r == -ENOENT && !s->args.config)
		return true;
	if (r == -EINVAL)
		return diag_failure(s->diags, "the settings %s are no regular file", path);
	if (r == -EFBIG)
		return diag_failure(s->diags, "the settings %s are larger than %d KiB", path, CONFIG_MAX / 1024);
	if (r)
		return diag_failure(s->diags, "the settings %s cannot be read: %s", path, strerror(-r));
	root = config_read_agent(path, &text, s->arena, s->diags);
	*spec = node_get(root, "spec");
	return root != NULL;
}

static const char *first(const char *flag, const char *configured)
{
	return flag ? flag : configured;
}

static const char *host_name(struct session *s)
{
	char name[HOST_NAME_SIZE];

	if (gethostname(name, sizeof(name)) < 0) {
		diag_failure(
			s->diags, "this machine's host name cannot be read: %s; give --node", strerror(errno));
		return NULL;
	}
	name[sizeof(name) - 1] = 0;
	return arena_strdup(s->arena, name);
}

/* `flag` -1: it was not given. The schema has checked what is configured. */
static long long duration(long long flag, const struct node *spec, const char *field, const char *otherwise)
{
	if (flag < 0)
		str_duration(first(node_get_text(spec, field), otherwise), &flag);
	return flag;
}

static enum code usage(struct session *s, const char *message)
{
	diag_failure(s->diags, "%s", message);
	return CODE_USAGE;
}

enum code settings_read(struct session *s, struct settings *out)
{
	const struct arguments *args = &s->args;
	const struct node *spec, *api;

	*out = (struct settings){ 0 };
	if (!read_file(s, &spec))
		return CODE_ERROR;
	api = node_get(spec, "apiServer");
	out->host.state_dir = first(first(args->state_dir, node_get_text(spec, "stateDir")), "/var/lib/enmesh");
	out->host.run_dir = first(first(args->run_dir, node_get_text(spec, "runDir")), "/run/enmesh");
	out->host.cgroup = first(args->cgroup, node_get_text(spec, "cgroup"));
	out->host.token_file = first(args->token_file, node_get_text(api, "tokenFile"));
	out->host.cert_file = first(args->cert_file, node_get_text(api, "certFile"));
	out->host.key_file = first(args->key_file, node_get_text(api, "keyFile"));
	out->host.ca_file = first(args->ca_file, node_get_text(api, "caFile"));
	out->host.no_prune = !args->prune;
	out->host.prune_all = args->allow_mass_prune;
	out->host.cleanup_mesh = args->mesh_objects;
	out->timeout_ms = duration(args->timeout_ms, spec, "timeout", "60s");
	out->interval_ms = duration(args->interval_ms, spec, "interval", "1m");
	out->node = first(args->node, node_get_text(spec, "node"));
	out->node_is_host_name = !out->node;
	if (out->node_is_host_name)
		out->node = host_name(s);
	if (!out->host.cert_file != !out->host.key_file)
		return usage(s, "a client certificate needs both --api-cert-file and --api-key-file");
	if (out->interval_ms < INTERVAL_MIN_MS)
		return usage(s, "an interval of less than a second keeps a machine busy; give 1s or more");
	return out->node ? settings_find_source(s, spec, out) : CODE_ERROR;
}

enum code settings_read_source(struct session *s, struct settings *out)
{
	enum code code = settings_read(s, out);

	if (code == CODE_OK && !out->source)
		return usage(s, "no source: give a directory or an address, or name one as source.path or "
				"source.url in " CONFIG_FILE);
	return code;
}

enum code settings_read_offline(struct session *s, struct settings *out)
{
	if (!s->args.operands.list.n || !s->args.node || s->args.config || url_is(s->args.operands.list.items[0]))
		return settings_read_source(s, out);
	*out = (struct settings){ .node = s->args.node };
	return settings_find_source(s, NULL, out);
}

static const struct target *find_target(const char *name)
{
	for (const struct target *const *t = targets_all; *t; t++)
		if (!strcmp((*t)->name, name))
			return *t;
	return NULL;
}

static bool unknown_target(struct session *s, const char *name)
{
	struct str known = { .arena = s->arena };
	vec_of(const char *) names = { 0 };
	const char *nearest;

	for (const struct target *const *t = targets_all; *t; t++) {
		*vec_push(s->arena, &names) = (*t)->name;
		str_printf(&known, "%s%s", names.n > 1 ? ", " : "", (*t)->name);
	}
	nearest = str_nearest(name, names.items, names.n);
	if (nearest)
		return diag_failure(
			s->diags, "option '--target': unknown target '%s', did you mean '%s'?", name, nearest);
	return diag_failure(
		s->diags, "option '--target': unknown target '%s'; known are %s", name, str_text(&known));
}

enum code settings_targets(struct session *s, const struct target *const **out)
{
	vec_of(const struct target *) chosen = { 0 };
	bool ok = true, all = true;

	*out = targets_all;
	if (!s->args.targets.list.n)
		return CODE_OK;
	vec_each (name, &s->args.targets.list)
		if (!find_target(*name))
			ok = unknown_target(s, *name);
	for (const struct target *const *t = targets_all; *t; t++) {
		bool wanted = false;

		vec_each (name, &s->args.targets.list)
			wanted |= !strcmp((*t)->name, *name);
		all &= wanted;
		if (wanted)
			*vec_push(s->arena, &chosen) = *t;
	}
	*vec_push(s->arena, &chosen) = NULL;
	if (!all)
		*out = chosen.items;
	return ok ? CODE_OK : CODE_USAGE;
}

void settings_explain_node(struct session *s, const struct settings *settings, const struct model *m)
{
	if (m && settings->node_is_host_name && !model_find_node(m, settings->node))
		diag_warning(s->diags, (struct pos){ 0 },
			"'%s' is this machine's host name; --node names another node", settings->node);
}

void settings_use(struct settings *settings, struct pass *p)
{
	p->source = settings->source;
	p->remote = settings->remote;
	p->remote.stale_after_ms = STALE_INTERVALS * settings->interval_ms;
	p->node = settings->node;
	p->host = &settings->host;
}

bool settings_load(struct session *s, struct settings *settings, struct pass *p, bool needed)
{
	settings_use(settings, p);
	if (pass_load(p) && pass_site(p, needed))
		return true;
	settings_explain_node(s, settings, p->model);
	return false;
}

const struct target *settings_target_of_connections(void)
{
	const struct target *const *t = targets_all;

	while (!(*t)->trace)
		t++;
	return *t;
}
