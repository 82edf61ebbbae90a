#include "fetch/ssh_key.h"

#include <openssl/sha.h>
#include <string.h>

bool ssh_key_of(const struct bytes *blob, struct arena *a, struct ssh_key *out)
{
	struct wire w = wire_of(blob), type;
	const char *name;

	if (blob->size > SSH_KEY_MAX || !wire_string(&w, &type) || !type.left)
		return false;
	name = wire_text(type, a);
	if (!name)
		return false;
	*out = (struct ssh_key){ name, *blob };
	return true;
}

bool ssh_key_read(const char *s, struct arena *a, struct ssh_key *out, const char **rest)
{
	size_t type = strcspn(s, " \t"), space = strspn(s + type, " \t");
	const char *text = s + type + space;
	size_t n = strcspn(text, " \t");
	struct ssh_key key;
	struct bytes blob;

	if (!type || !base64_read(text, n, SSH_KEY_MAX, a, &blob) || !ssh_key_of(&blob, a, &key) ||
		strlen(key.type) != type || memcmp(key.type, s, type) != 0)
		return false;
	*out = key;
	if (rest)
		*rest = text + n + strspn(text + n, " \t");
	return true;
}

bool ssh_key_same(const struct ssh_key *x, const struct ssh_key *y)
{
	return wire_same(wire_of(&x->blob), wire_of(&y->blob));
}

const char *ssh_key_fingerprint(const struct ssh_key *key, struct arena *a)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)key->blob.data, key->blob.size, digest);
	return arena_printf(a, "SHA256:%s", base64_write(digest, sizeof(digest), a));
}

bool ssh_key_is_certificate(const struct ssh_key *key)
{
	return strstr(key->type, "-cert-v0") != NULL;
}
