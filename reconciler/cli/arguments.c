#include "cli/command.h"

static const char *const colors[] = { "auto", "always", "never", NULL };
static const char *const formats[] = { "text", "json", NULL };
static const char *const report_formats[] = { "text", "json", "markdown", NULL };

#define ARGS struct arguments

/* clang-format off */
const struct opt opts_general[] = {
	OPT_FLAG('v', "verbose", ARGS, verbose, "say more"),
	OPT_FLAG('q', "quiet", ARGS, quiet, "print nothing but errors"),
	OPT_CHOICE(0, "color", "WHEN", ARGS, color, colors,
		"colours: auto (on a terminal, unless NO_COLOR is set), always or never"),
	OPT_CONSTANT(0, "no-color", ARGS, color, COLOR_NEVER, "no colours"),
	OPT_FLAG('h', "help", ARGS, help, "show what the command does and its options"),
	{ 0 },
};

const struct opt opts_config[] = {
	OPT_STRING(0, "config", "FILE", ARGS, config, "settings of this machine (default: /etc/enmesh/agent.yaml, if it exists)"),
	{ 0 },
};

const struct opt opts_node[] = {
	OPT_STRING('n', "node", "NAME", ARGS, node, "name of the node in the source (default: the host name)"),
	{ 0 },
};

const struct opt opts_format[] = {
	OPT_CHOICE('o', "output", "FORMAT", ARGS, format, formats, "how to print the result: text or json"),
	OPT_STRING(0, "json-into", "FILE", ARGS, json_into, "also write the result as JSON into FILE"),
	{ 0 },
};

const struct opt opts_report[] = {
	OPT_CHOICE('o', "output", "FORMAT", ARGS, format, report_formats, "how to print the changes: text, json or markdown"),
	OPT_STRING(0, "json-into", "FILE", ARGS, json_into, "also write the changes as JSON into FILE"),
	{ 0 },
};

const struct opt opts_log[] = {
	OPT_CHOICE('o', "output", "FORMAT", ARGS, format, formats,
		"how to print the changes: text, or json (a document a line for each pass that has something to say)"),
	{ 0 },
};

const struct opt opts_run_dir[] = {
	OPT_STRING(0, "run-dir", "DIR", ARGS, run_dir, "directory of lock and status (default: /run/enmesh)"),
	{ 0 },
};

const struct opt opts_state[] = {
	OPT_STRING(0, "state-dir", "DIR", ARGS, state_dir, "directory of what is kept across boots (default: /var/lib/enmesh)"),
	{ 0 },
};

const struct opt opts_machine[] = {
	OPT_STRING(0, "state-dir", "DIR", ARGS, state_dir, "directory of what is kept across boots (default: /var/lib/enmesh)"),
	OPT_STRING(0, "run-dir", "DIR", ARGS, run_dir, "directory of lock and status (default: /run/enmesh)"),
	OPT_STRING(0, "cgroup", "DIR", ARGS, cgroup,
		"cgroup v2 directory for the groups of processes (default: enmesh in the root of the cgroup v2 mount)"),
	OPT_STRING(0, "api-token-file", "FILE", ARGS, token_file, "bearer token for the API server"),
	OPT_STRING(0, "api-cert-file", "FILE", ARGS, cert_file, "client certificate for the API server, in PEM"),
	OPT_STRING(0, "api-key-file", "FILE", ARGS, key_file, "key of the client certificate, in PEM"),
	OPT_STRING(0, "api-ca-file", "FILE", ARGS, ca_file,
		"certificates that sign the API server's, in PEM (default: those that the Mesh names, or the system's)"),
	{ 0 },
};

const struct opt opts_targets[] = {
	OPT_LIST(0, "target", "TARGET", ARGS, targets,
		"only this target, such as capture, processes or objects; may be repeated or a list with commas"),
	{ 0 },
};

const struct opt opts_prune[] = {
	OPT_SWITCH(0, "prune", ARGS, prune, "whether objects that are no longer wanted are deleted (default: yes)"),
	OPT_FLAG(0, "allow-mass-prune", ARGS, allow_mass_prune,
		"also if that is more than half of them, which is taken for an accident otherwise"),
	{ 0 },
};

const struct opt opts_lock[] = {
	OPT_DURATION(0, "lock-timeout", "TIME", ARGS, lock_timeout_ms,
		"how long to wait for another pass to end (default: 0, which is not at all)"),
	{ 0 },
};
/* Where SOURCE is the address of a git repository. */
const struct opt opts_source[] = {
	OPT_STRING(0, "ref", "REF", ARGS, git.ref,
		"of a repository: a branch, refs/tags/NAME, semver:RANGE or a commit (default: the server's HEAD)"),
	OPT_STRING(0, "path", "DIR", ARGS, git.path, "directory in the repository (default: its root)"),
	OPT_FLAG(0, "source-bundle", ARGS, git.bundle, "the address is that of a bundle, not of a repository"),
	OPT_STRING(0, "source-token-file", "FILE", ARGS, git.token_file, "bearer token for https"),
	OPT_STRING(0, "source-username", "NAME", ARGS, git.username, "user for https and ssh (default: git)"),
	OPT_STRING(0, "source-password-file", "FILE", ARGS, git.password_file, "password, or access token, of that user"),
	OPT_STRING(0, "source-cert-file", "FILE", ARGS, git.cert_file, "client certificate for https, in PEM"),
	OPT_STRING(0, "source-key-file", "FILE", ARGS, git.key_file, "key of the client certificate, in PEM"),
	OPT_STRING(0, "source-ca-file", "FILE", ARGS, git.ca_file,
		"certificates that sign the server's, in PEM (default: the system's)"),
	OPT_STRING(0, "source-proxy", "URL", ARGS, git.proxy, "HTTP proxy (default: none)"),
	OPT_STRING(0, "ssh-key-file", "FILE", ARGS, git.ssh_key_file, "private key for ssh, without a passphrase"),
	OPT_STRING(0, "known-hosts-file", "FILE", ARGS, git.known_hosts_file,
		"keys of ssh servers (default: /etc/enmesh/known_hosts)"),
	OPT_STRING(0, "allowed-signers-file", "FILE", ARGS, git.allowed_signers_file,
		"only what is signed with one of these SSH keys is used"),
	OPT_STRING(0, "revoked-file", "FILE", ARGS, git.revoked_file, "SSH keys that may not sign any more"),
	OPT_STRING(0, "keyring-file", "FILE", ARGS, git.keyring_file,
		"only what is signed with one of these OpenPGP keys is used"),
	OPT_FLAG(0, "verify-tag", ARGS, git.verify_tag, "the tag must be signed instead of the commit"),
	OPT_FLAG(0, "allow-rollback", ARGS, git.allow_rollback,
		"also use what does not descend from the last good revision"),
	OPT_DURATION(0, "source-timeout", "TIME", ARGS, git.timeout_ms,
		"how long one look at the source may take (default: 60s)"),
	OPT_STRING(0, "source-user", "NAME", ARGS, git.user,
		"user as whom enmesh-fetch talks to servers (default: enmesh-fetch)"),
	OPT_FLAG(0, "offline", ARGS, git.offline, "try no network: use the last good revision"),
	{ 0 },
};

const struct opt opts_fallback[] = {
	OPT_FLAG(0, "last-good", ARGS, git.last_good,
		"where the repository cannot be had, or is refused, use the last good revision, and warn"),
	{ 0 },
};
/* clang-format on */
