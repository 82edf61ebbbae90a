#include "fetch/sshsig.h"

#include <openssl/sha.h>
#include <string.h>

#define BEGIN "-----BEGIN SSH SIGNATURE-----"
#define END "-----END SSH SIGNATURE-----"
#define MAGIC "SSHSIG"

enum { VERSION = 1 };

bool sshsig_is(const struct bytes *text)
{
	return text->size >= strlen(BEGIN) && !memcmp(text->data, BEGIN, strlen(BEGIN));
}

static bool no(const char **problem, const char *what)
{
	*problem = what;
	return false;
}

/* The base64 between the two lines, in one piece. */
static bool unfold(const struct bytes *text, struct arena *a, struct str *out)
{
	const char *at = text->data + strlen(BEGIN), *end = memmem(text->data, text->size, END, strlen(END));

	out->arena = a;
	for (; end && at < end; at++)
		if (*at != '\n' && *at != '\r' && *at != ' ' && *at != '\t')
			str_add_n(out, at, 1);
	return end && out->n;
}

bool sshsig_read(const struct bytes *text, struct arena *a, struct sshsig *out, const char **problem)
{
	static const char damaged[] = "the SSH signature is damaged";
	struct str base64 = { 0 };
	struct bytes blob, key;
	struct wire w, key_wire, name_space, reserved, hash, signature;
	uint32_t version;

	if (text->size > SSHSIG_MAX)
		return no(problem, "the SSH signature is too long");
	if (!sshsig_is(text) || !unfold(text, a, &base64) ||
		!base64_read(base64.s, base64.n, SSHSIG_MAX, a, &blob) || blob.size < strlen(MAGIC) ||
		memcmp(blob.data, MAGIC, strlen(MAGIC)) != 0)
		return no(problem, damaged);
	w = (struct wire){ (const unsigned char *)blob.data + strlen(MAGIC), blob.size - strlen(MAGIC) };
	if (!wire_u32(&w, &version))
		return no(problem, damaged);
	if (version != VERSION)
		return no(problem, "the SSH signature is of another version than 1");
	if (!wire_string(&w, &key_wire) || !wire_string(&w, &name_space) || !wire_string(&w, &reserved) ||
		!wire_string(&w, &hash) || !wire_string(&w, &signature) || w.left)
		return no(problem, damaged);
	key = (struct bytes){ (const char *)key_wire.at, key_wire.left };
	if (!ssh_key_of(&key, a, &out->key))
		return no(problem, damaged);
	out->name_space = wire_text(name_space, a);
	out->hash = wire_text(hash, a);
	out->signature = signature;
	if (!out->name_space || !*out->name_space || !out->hash)
		return no(problem, damaged);
	return true;
}

/* What was signed instead of the message. */
static bool envelope(const struct sshsig *s, const struct bytes *message, struct str *out)
{
	unsigned char digest[SHA512_DIGEST_LENGTH];
	const unsigned char *data = (const unsigned char *)message->data;
	struct bytes name_space = { s->name_space, strlen(s->name_space) }, hash = { s->hash, strlen(s->hash) };
	size_t n = SHA512_DIGEST_LENGTH;

	if (!strcmp(s->hash, "sha512"))
		SHA512(data, message->size, digest);
	else if (!strcmp(s->hash, "sha256"))
		SHA256(data, message->size, digest), n = SHA256_DIGEST_LENGTH;
	else
		return false;
	str_add(out, MAGIC);
	wire_put_string(out, wire_of(&name_space));
	wire_put_string(out, (struct wire){ 0 });
	wire_put_string(out, wire_of(&hash));
	wire_put_string(out, (struct wire){ digest, n });
	return true;
}

bool sshsig_verify(const struct sshsig *s, const struct bytes *message, struct arena *a, const char **problem)
{
	struct str signed_ = { .arena = a };
	struct bytes bytes;

	if (!envelope(s, message, &signed_))
		return no(problem, "the SSH signature is made with another hash than sha256 and sha512");
	bytes = (struct bytes){ signed_.s, signed_.n };
	if (ssh_key_verify(&s->key, s->signature, wire_of(&bytes), a, problem))
		return true;
	if (!**problem)
		*problem = "the signature does not match: it was made for something else, or it was changed";
	return false;
}
