/*
 * What servers send and administrators write, on its way to enmesh-fetch: the first byte says which of the readers
 * gets the rest.
 */
#include "fuzz.h"

#include <string.h>

#include "fetch/known_hosts.h"
#include "fetch/refs.h"
#include "fetch/semver.h"
#include "fetch/signature.h"
#include "fetch/sshsig.h"
#include "source/tar.h"
#include "source/url.h"

static void read_refs(const struct bytes *text, struct arena *a)
{
	const struct wish wishes[] = { { .branch = "main" }, { .tag = "v1" }, { .semver = ">=1 <2 || ^0.3" },
		{ NULL } };
	struct refs refs = { 0 };
	struct choice choice;
	struct offer offer;
	const char *problem;

	pkt_read_offer(text, a, &offer);
	promise(offer.object_format != NULL);
	if (!pkt_read_refs(text, a, &refs, &problem))
		return;
	for (size_t i = 0; i < array_len(wishes); i++)
		promise(!refs_choose(&refs, &wishes[i], a, &choice, &problem) || (choice.name && choice.commit));
}

static void read_url(const struct bytes *text, struct arena *a)
{
	struct url url;
	const char *problem = NULL;

	if (!url_read(text->data, a, &url, &problem))
		promise(problem != NULL);
	else
		promise(url.path[0] == '/' && (url.scheme == SCHEME_FILE || (url.host && url.host[0] != '-')) &&
			!strchr(text->data, ';') && !strchr(text->data, '\'') && !strchr(text->data, '$'));
}

struct checking {
	struct arena *arena;
	struct str again;
};

static bool check_file(void *context, const char *path, const struct bytes *content)
{
	struct checking *c = context;
	struct bytes header = tar_header(path, content->size, c->arena);

	promise(*path && *path != '/' && !strstr(path, "/../") && !str_starts(path, "../") &&
		strlen(content->data) <= content->size);
	promise(header.size % 512 == 0);
	return true;
}

static void read_tar(const struct bytes *text, struct arena *a)
{
	struct checking c = { .arena = a };
	const char *problem = NULL;

	promise(tar_read(text, check_file, &c, a, &problem) || problem);
}

static void read_versions(const struct bytes *text, struct arena *a)
{
	const char *range = memchr(text->data, '\n', text->size);
	struct semver version;
	bool valid;

	if (!range || !semver_read(arena_strndup(a, text->data, (size_t)(range - text->data)), a, &version))
		return;
	promise(semver_order(&version, &version) == 0);
	semver_in(&version, range + 1, a, &valid);
}

static const char key_line[] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJyb2tlbmJyb2tlbmJyb2tlbmJyb2tlbmJyb2tl";

static void read_hosts(const struct bytes *text, struct arena *a)
{
	struct ssh_key key;
	const char *problem = NULL;

	promise(ssh_key_read(key_line, a, &key, NULL));
	if (!known_hosts_check(text, "git.example.com", 22, &key, a, &problem))
		promise(problem != NULL);
}

/* Whatever signs itself, nobody here may. */
static void read_object(const struct bytes *text, bool tag, struct arena *a)
{
	const struct signature_policy policy = { .allowed_signers = { "a@b ", 4 }, .revoked = { "", 0 } };
	const char *who, *problem = NULL;

	signature_tag_target(text, a);
	promise(!signature_check_object(&policy, text, tag, a, &who, &problem) && problem);
}

static void read_signers(const struct bytes *text, struct arena *a)
{
	const char *split = memmem(text->data, text->size, "\n\n", 2), *who, *problem = NULL;
	struct signature_policy policy = { 0 };
	struct bytes signature, file = { "x", 1 };

	if (!split)
		return;
	policy.allowed_signers = policy.revoked = (struct bytes){ text->data, (size_t)(split - text->data) };
	signature = (struct bytes){ split + 2, text->size - (size_t)(split + 2 - text->data) };
	signature_check_file(&policy, &file, &signature, "git", 1700000000, a, &who, &problem);
	policy.revoked.data = NULL;
	signature_check_file(&policy, &file, &signature, "git", 1700000000, a, &who, &problem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct bytes text;

	if (!size)
		return 0;
	text = (struct bytes){ arena_dup(&a, "", 1), 0 };
	if (size > 1) {
		char *copy = arena_alloc(&a, size);

		memcpy(copy, data + 1, size - 1);
		text = (struct bytes){ copy, size - 1 };
	}
	switch (data[0]) {
	case 'r':
		read_refs(&text, &a);
		break;
	case 'u':
		read_url(&text, &a);
		break;
	case 't':
		read_tar(&text, &a);
		break;
	case 'v':
		read_versions(&text, &a);
		break;
	case 'h':
		read_hosts(&text, &a);
		break;
	case 'c':
	case 'g':
		read_object(&text, data[0] == 'g', &a);
		break;
	case 's':
		read_signers(&text, &a);
		break;
	default:
		break;
	}
	arena_finish(&a);
	return 0;
}
