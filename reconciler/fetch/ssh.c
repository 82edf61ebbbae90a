#include "fetch/ssh.h"

#include <string.h>

#include "fetch/known_hosts.h"

enum { PORT = 22 };

static int refuse(struct ssh *ssh, const char *problem)
{
	ssh->problem = problem;
	git_error_set_str(GIT_ERROR_SSH, problem);
	return -1;
}

/* In OpenSSH's own format the cipher comes first: "openssh-key-v1", "none" (PROTOCOL.key), as base64. */
static bool is_locked(const char *key)
{
	return strstr(key, "ENCRYPTED") ||
	       (strstr(key, "BEGIN OPENSSH PRIVATE KEY") && !strstr(key, "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"));
}

/* A public key is said to be one where a private one is wanted, and one with a passphrase to have it. */
static const char *what_is_wrong(const char *key)
{
	if (!strncmp(key, "ssh-", 4) || !strncmp(key, "ecdsa-", 6))
		return "the file of source.sshKeyFile holds a public key; name the private one";
	if (is_locked(key))
		return "the ssh key has a passphrase, which nobody is there to type; use one without (ssh-keygen "
		       "-p)";
	return "the server does not take the ssh key, or it is damaged";
}

static int on_credentials(git_credential **out, const char *url, const char *user, unsigned allowed, void *context)
{
	struct ssh *ssh = context;
	const char *name = request_text(ssh->request, "username");
	struct bytes key = request_blob(ssh->request, "ssh-key");

	(void)url;
	name = user ? user : name ? name : "git";
	if (allowed & GIT_CREDENTIAL_USERNAME)
		return git_credential_username_new(out, name);
	if (!key.data)
		return refuse(ssh, "the server wants an ssh key, and the settings name none (source.sshKeyFile)");
	if (!(allowed & (GIT_CREDENTIAL_SSH_KEY | GIT_CREDENTIAL_SSH_MEMORY)))
		return refuse(ssh, "the server takes no ssh keys");
	if (ssh->offered)
		return refuse(ssh, what_is_wrong(key.data));
	ssh->offered = true;
	if (is_locked(key.data) || !strstr(key.data, "PRIVATE KEY"))
		return refuse(ssh, what_is_wrong(key.data));
	/* libssh2 wants a newline at the end, which the reader of secrets takes off. */
	return git_credential_ssh_key_memory_new(
		out, name, NULL, arena_printf(ssh->request->arena, "%s\n", key.data), NULL);
}

static int on_certificate(git_cert *certificate, int valid, const char *host, void *context)
{
	const git_cert_hostkey *shown = (const git_cert_hostkey *)(const void *)certificate;
	struct ssh *ssh = context;
	struct arena *a = ssh->request->arena;
	struct bytes known = request_blob(ssh->request, "known-hosts"), blob;
	const char *problem;
	struct ssh_key key;

	(void)valid;
	(void)host;
	if (certificate->cert_type != GIT_CERT_HOSTKEY_LIBSSH2 || !(shown->type & GIT_CERT_SSH_RAW))
		return refuse(ssh, "the server shows no key");
	blob = (struct bytes){ shown->hostkey, shown->hostkey_len };
	if (!ssh_key_of(&blob, a, &key))
		return refuse(ssh, "the server shows a key that is damaged");
	if (!known.data)
		known = (struct bytes){ "", 0 };
	if (!known_hosts_check(&known, ssh->url->host, ssh->url->port ? ssh->url->port : PORT, &key, a, &problem))
		return refuse(ssh, problem);
	return 0;
}

void ssh_use(struct ssh *ssh, git_remote_callbacks *callbacks)
{
	callbacks->payload = ssh;
	callbacks->credentials = on_credentials;
	callbacks->certificate_check = on_certificate;
}
