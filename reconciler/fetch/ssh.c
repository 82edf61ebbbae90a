#include "fetch/ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/known_hosts.h"
#include "fetch/repository.h"

enum { PORT = 22 };

static unsigned port_of(const struct ssh *ssh)
{
	return ssh->url->port ? ssh->url->port : PORT;
}

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

/* "ssh-rsa", as base64 has it where it stands in such a file. */
static bool is_rsa(const char *key)
{
	return strstr(key, "BEGIN RSA PRIVATE KEY") || strstr(key, "AAAAdzc2gtcn");
}

/* A public key is said to be one where a private one is wanted, and one with a passphrase to have it. */
static const char *what_is_wrong(const char *key)
{
	if (!strncmp(key, "ssh-", 4) || !strncmp(key, "ecdsa-", 6))
		return "the file of source.sshKeyFile holds a public key; name the private one";
	if (is_locked(key))
		return "the ssh key has a passphrase, which nobody is there to type; use one without (ssh-keygen "
		       "-p)";
	/* libssh2 1.10, which has SHA-1 only with them; servers have given it up. */
	if (is_rsa(key))
		return "the server does not take the ssh key, an RSA key, which may be signed with in a way that "
		       "servers refuse; use one of another kind (ssh-keygen -t ed25519)";
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

static void note_type(struct ssh *ssh, const char *type)
{
	if (ssh->n_tried < SSH_TYPES_MAX)
		ssh->tried[ssh->n_tried++] = type;
}

/* The first of its words counts: what is wrong with the key that a server shows of its own accord. */
static int refuse_server(struct ssh *ssh, const char *problem)
{
	const char *file = request_text(ssh->request, "knownHosts");

	if (ssh->unknown)
		return refuse(ssh, ssh->problem);
	ssh->unknown = true;
	return refuse(
		ssh, file ? arena_printf(ssh->request->arena, "%s (known hosts: %s)", problem, file) : problem);
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
	/* It is libssh2's memory. */
	blob = (struct bytes){ arena_strndup(a, shown->hostkey, shown->hostkey_len), shown->hostkey_len };
	if (!ssh_key_of(&blob, a, &key))
		return refuse(ssh, "the server shows a key that is damaged");
	if (!known.data)
		known = (struct bytes){ "", 0 };
	note_type(ssh, key.type);
	if (!known_hosts_check(&known, ssh->url->host, port_of(ssh), &key, a, &problem))
		return refuse_server(ssh, problem);
	ssh->problem = NULL;
	return 0;
}

/* ---- a key of another type ---- */

static bool was_tried(const struct ssh *ssh, const char *type)
{
	for (size_t i = 0; i < ssh->n_tried; i++)
		if (!strcmp(ssh->tried[i], type))
			return true;
	return false;
}

/* The key of the line, if the line would be enough to trust it; its words are where `*text` points. */
static bool read_known(const struct ssh *ssh, const char *line, size_t n, struct ssh_key *out, const char **text)
{
	struct arena *a = ssh->request->arena;
	const struct bytes alone = { arena_strndup(a, line, n), n };
	const char *problem;

	for (const char *word = alone.data; *word; word += strcspn(word, " \t"), word += strspn(word, " \t")) {
		if (!ssh_key_read(word, a, out, NULL))
			continue;
		*text = word;
		return known_hosts_check(&alone, ssh->url->host, port_of(ssh), out, a, &problem);
	}
	return false;
}

static const char *home_file(const struct ssh *ssh)
{
	return arena_printf(ssh->request->arena, "%s/.ssh/known_hosts", repository_home(ssh->request));
}

static bool write_home(const struct ssh *ssh, const char *text)
{
	struct arena *a = ssh->request->arena;
	const char *home = repository_home(ssh->request), *line = arena_printf(a, "%s %s\n", ssh->url->host, text),
		   *directory = arena_printf(a, "%s/.ssh", home);
	scoped(close_fd) int fd = -1;

	if ((mkdir(home, 0700) < 0 && errno != EEXIST) || (mkdir(directory, 0700) < 0 && errno != EEXIST))
		return false;
	fd = open(home_file(ssh), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);
}

bool ssh_ask_for_another(struct ssh *ssh)
{
	struct bytes known = request_blob(ssh->request, "known-hosts");

	for (const char *at = known.data, *end = at + known.size; ssh->unknown && at && at < end;) {
		size_t n = strcspn(at, "\r\n");
		const char *text;
		struct ssh_key key;

		if (read_known(ssh, at, n, &key, &text) && !was_tried(ssh, key.type) &&
			ssh->n_tried < SSH_TYPES_MAX) {
			note_type(ssh, key.type);
			ssh->offered = false;
			return write_home(ssh, text);
		}
		at += n + 1;
	}
	return false;
}

void ssh_use(struct ssh *ssh, git_remote_callbacks *callbacks)
{
	unlink(home_file(ssh));
	callbacks->payload = ssh;
	callbacks->credentials = on_credentials;
	callbacks->certificate_check = on_certificate;
}
