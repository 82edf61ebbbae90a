/* ssh_key_verify: one small function for each family of keys, all of OpenSSL's types. */
#include "fetch/ssh_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/alloc.h"

enum {
	ED25519_KEY = 32,
	ED25519_SIGNATURE = 64,
	RSA_EXPONENT_MAX = 8, /* bytes: a longer one costs time and nothing else */
};

/* What is being checked, taken apart by the functions below. */
struct check {
	const struct ssh_key *key;
	struct wire blob, signature, message; /* of blob and signature what is behind the name */
	const char *algorithm;                /* of the signature */
	struct arena *arena;
	const char *problem;
};

struct family {
	const char *type; /* of the key */
	bool (*verify)(struct check *c, const struct family *family);
	const char *curve, *group; /* of ECDSA: as SSH and as OpenSSL call it */
	const EVP_MD *(*digest)(void);
	size_t point; /* bytes of a point, uncompressed */
};

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void free_context(EVP_MD_CTX **context)
{
	EVP_MD_CTX_free(*context);
}

static void free_key_context(EVP_PKEY_CTX **context)
{
	EVP_PKEY_CTX_free(*context);
}

static void free_number(BIGNUM **number)
{
	BN_free(*number);
}

static void free_build(OSSL_PARAM_BLD **build)
{
	OSSL_PARAM_BLD_free(*build);
}

static void free_params(OSSL_PARAM **params)
{
	OSSL_PARAM_free(*params);
}

static void free_ecdsa(ECDSA_SIG **signature)
{
	ECDSA_SIG_free(*signature);
}

static bool refuse(struct check *c, const char *problem)
{
	c->problem = problem;
	return false;
}

/* `digest` NULL: the algorithm has its own. */
static bool matches(
	struct check *c, EVP_PKEY *key, const EVP_MD *digest, struct wire signature, struct wire message)
{
	scoped(free_context) EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (!context)
		mem_exhausted();
	if (EVP_DigestVerifyInit(context, NULL, digest, NULL, key) != 1)
		return refuse(c, "the cryptographic library does not take its key");
	if (EVP_DigestVerify(context, signature.at, signature.left, message.at, message.left) != 1)
		return refuse(c, "");
	return true;
}

static bool ed25519_matches(struct check *c, struct wire point, struct wire signature, struct wire message)
{
	scoped(free_key) EVP_PKEY *key = NULL;

	if (point.left != ED25519_KEY || signature.left != ED25519_SIGNATURE)
		return refuse(c, "its key or signature has the wrong length");
	key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point.at, point.left);
	return key ? matches(c, key, NULL, signature, message) : refuse(c, "its key is damaged");
}

static bool verify_ed25519(struct check *c, const struct family *family)
{
	struct wire point, signature;

	(void)family;
	if (!wire_string(&c->blob, &point) || c->blob.left || !wire_string(&c->signature, &signature) ||
		c->signature.left)
		return refuse(c, "its key or signature is damaged");
	return ed25519_matches(c, point, signature, c->message);
}

static EVP_PKEY *key_from(const char *type, OSSL_PARAM *params)
{
	scoped(free_key_context) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (!context || EVP_PKEY_fromdata_init(context) != 1 ||
		EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return NULL;
	return key;
}

/* That the point is on its curve is checked when it is read. */
static EVP_PKEY *ec_key(const struct family *family, struct wire point)
{
	OSSL_PARAM params[3];
	unsigned char copy[256];
	char group[32];

	if (point.left != family->point || point.left > sizeof(copy) ||
		point.at[0] != POINT_CONVERSION_UNCOMPRESSED)
		return NULL;
	strcpy(group, family->group);
	memcpy(copy, point.at, point.left);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy, point.left);
	params[2] = OSSL_PARAM_construct_end();
	return key_from("EC", params);
}

/* SSH's two numbers as the DER that OpenSSL wants. */
static bool ecdsa_der(struct check *c, struct wire pair, struct wire *out)
{
	scoped(free_ecdsa) ECDSA_SIG *signature = ECDSA_SIG_new();
	scoped(free_number) BIGNUM *r = NULL, *s = NULL;
	struct wire rw, sw;
	unsigned char *der, *end;
	int n;

	if (!wire_mpint(&pair, &rw) || !wire_mpint(&pair, &sw) || pair.left || rw.left > 66 || sw.left > 66)
		return refuse(c, "its signature is damaged");
	r = BN_bin2bn(rw.at, (int)rw.left, NULL);
	s = BN_bin2bn(sw.at, (int)sw.left, NULL);
	if (!signature || !r || !s || ECDSA_SIG_set0(signature, r, s) != 1)
		mem_exhausted();
	r = s = NULL;
	n = i2d_ECDSA_SIG(signature, NULL);
	if (n <= 0)
		return refuse(c, "its signature is damaged");
	der = end = arena_alloc(c->arena, (size_t)n);
	i2d_ECDSA_SIG(signature, &end);
	*out = (struct wire){ der, (size_t)n };
	return true;
}

static bool ecdsa_matches(
	struct check *c, const struct family *family, struct wire point, struct wire pair, struct wire message)
{
	scoped(free_key) EVP_PKEY *key = ec_key(family, point);
	struct wire der;

	if (!key)
		return refuse(c, "its key is damaged");
	return ecdsa_der(c, pair, &der) && matches(c, key, family->digest(), der, message);
}

static bool verify_ecdsa(struct check *c, const struct family *family)
{
	struct wire curve, point, pair;

	if (!wire_string(&c->blob, &curve) || !wire_string(&c->blob, &point) || c->blob.left ||
		!wire_is(curve, family->curve) || !wire_string(&c->signature, &pair) || c->signature.left)
		return refuse(c, "its key or signature is damaged");
	return ecdsa_matches(c, family, point, pair, c->message);
}

static EVP_PKEY *rsa_key(struct wire e, struct wire n)
{
	scoped(free_number) BIGNUM *exponent = BN_bin2bn(e.at, (int)e.left, NULL);
	scoped(free_number) BIGNUM *modulus = BN_bin2bn(n.at, (int)n.left, NULL);
	scoped(free_build) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	scoped(free_params) OSSL_PARAM *params = NULL;

	if (!exponent || !modulus || !build ||
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) != 1 ||
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) != 1)
		mem_exhausted();
	params = OSSL_PARAM_BLD_to_param(build);
	return params ? key_from("RSA", params) : NULL;
}

/* Bits of a number without leading zeros. */
static size_t bits(struct wire number)
{
	size_t n = number.left * 8;

	for (unsigned char mask = 0x80; n && !(number.at[0] & mask); mask >>= 1)
		n--;
	return n;
}

static bool verify_rsa(struct check *c, const struct family *family)
{
	bool sha512 = !strcmp(c->algorithm, "rsa-sha2-512");
	scoped(free_key) EVP_PKEY *key = NULL;
	struct wire e, n, signature;
	unsigned char *padded;

	(void)family;
	if (!sha512 && strcmp(c->algorithm, "rsa-sha2-256") != 0)
		return refuse(c, "RSA with SHA-1 proves nothing any more; sign with rsa-sha2-256 or rsa-sha2-512");
	if (!wire_mpint(&c->blob, &e) || !wire_mpint(&c->blob, &n) || c->blob.left || !e.left ||
		e.left > RSA_EXPONENT_MAX || bits(n) > SSH_RSA_BITS_MAX ||
		!wire_string(&c->signature, &signature) || c->signature.left || signature.left > n.left)
		return refuse(c, "its key or signature is damaged");
	if (bits(n) < SSH_RSA_BITS_MIN)
		return refuse(c, arena_printf(c->arena, "its RSA key has %zu bits, and %d are the least", bits(n),
					 SSH_RSA_BITS_MIN));
	key = rsa_key(e, n);
	if (!key)
		return refuse(c, "its key is damaged");
	/* Some leave out the zeros at the front. */
	padded = arena_alloc(c->arena, n.left);
	memcpy(padded + n.left - signature.left, signature.at, signature.left);
	return matches(c, key, sha512 ? EVP_sha512() : EVP_sha256(), (struct wire){ padded, n.left }, c->message);
}

/* What a security key signs: SHA-256 of the application, flags, counter, SHA-256 of the message. */
static bool sk_message(struct check *c, struct wire application, struct wire *out)
{
	unsigned char *m = arena_alloc(c->arena, 2 * SHA256_DIGEST_LENGTH + 5);

	if (c->signature.left != 5)
		return refuse(c, "its key or signature is damaged");
	SHA256(application.at, application.left, m);
	memcpy(m + SHA256_DIGEST_LENGTH, c->signature.at, 5);
	SHA256(c->message.at, c->message.left, m + SHA256_DIGEST_LENGTH + 5);
	*out = (struct wire){ m, 2 * SHA256_DIGEST_LENGTH + 5 };
	return true;
}

static bool verify_sk_ed25519(struct check *c, const struct family *family)
{
	struct wire point, application, signature, message;

	(void)family;
	if (!wire_string(&c->blob, &point) || !wire_string(&c->blob, &application) || c->blob.left ||
		!wire_string(&c->signature, &signature))
		return refuse(c, "its key or signature is damaged");
	return sk_message(c, application, &message) && ed25519_matches(c, point, signature, message);
}

static bool verify_sk_ecdsa(struct check *c, const struct family *family)
{
	struct wire curve, point, application, pair, message;

	if (!wire_string(&c->blob, &curve) || !wire_string(&c->blob, &point) ||
		!wire_string(&c->blob, &application) || c->blob.left || !wire_is(curve, family->curve) ||
		!wire_string(&c->signature, &pair))
		return refuse(c, "its key or signature is damaged");
	return sk_message(c, application, &message) && ecdsa_matches(c, family, point, pair, message);
}

static const struct family families[] = {
	{ "ssh-ed25519", verify_ed25519 },
	{ "ecdsa-sha2-nistp256", verify_ecdsa, "nistp256", "P-256", EVP_sha256, 65 },
	{ "ecdsa-sha2-nistp384", verify_ecdsa, "nistp384", "P-384", EVP_sha384, 97 },
	{ "ecdsa-sha2-nistp521", verify_ecdsa, "nistp521", "P-521", EVP_sha512, 133 },
	{ "ssh-rsa", verify_rsa },
	{ "sk-ssh-ed25519@openssh.com", verify_sk_ed25519 },
	{ "sk-ecdsa-sha2-nistp256@openssh.com", verify_sk_ecdsa, "nistp256", "P-256", EVP_sha256, 65 },
};

bool ssh_key_verify(const struct ssh_key *key, struct wire signature, struct wire message, struct arena *a,
	const char **problem)
{
	struct check c = { .key = key, .blob = wire_of(&key->blob), .message = message, .arena = a };
	const struct family *family = families;
	struct wire type, algorithm;
	bool ok;

	while (family < families + array_len(families) && strcmp(family->type, key->type) != 0)
		family++;
	*problem = "its key or signature is damaged";
	if (!wire_string(&c.blob, &type) || !wire_string(&signature, &algorithm) ||
		!(c.algorithm = wire_text(algorithm, a)))
		return false;
	if (family == families + array_len(families)) {
		*problem = ssh_key_is_certificate(key)
				   ? "it is made with an SSH certificate, and only plain keys are supported"
				   : arena_printf(a, "keys of the type %s are not supported", key->type);
		return false;
	}
	/* RSA is the one type of key with several algorithms. */
	if (family->verify != verify_rsa && strcmp(c.algorithm, key->type) != 0) {
		*problem = arena_printf(a, "its algorithm %s is not that of a key %s", c.algorithm, key->type);
		return false;
	}
	c.signature = signature;
	ok = family->verify(&c, family);
	*problem = c.problem;
	return ok;
}
