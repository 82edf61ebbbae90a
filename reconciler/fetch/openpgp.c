#include "fetch/openpgp.h"

#include <dlfcn.h>
#include <rnp/rnp.h>
#include <rnp/rnp_err.h>
#include <string.h>

#define BEGIN "-----BEGIN PGP SIGNATURE-----"

/*
 * What is used of librnp, which brings a large C++ library along: whoever only asks a server for news does
 * without. It is opened once, before the sandbox.
 */
#define FUNCTIONS(X)                                                                                              \
	X(buffer_destroy)                                                                                         \
	X(ffi_create)                                                                                             \
	X(ffi_destroy)                                                                                            \
	X(import_keys)                                                                                            \
	X(input_destroy)                                                                                          \
	X(input_from_memory)                                                                                      \
	X(key_get_creation)                                                                                       \
	X(key_get_primary_fprint)                                                                                 \
	X(key_get_primary_uid)                                                                                    \
	X(key_handle_destroy)                                                                                     \
	X(key_is_primary)                                                                                         \
	X(key_is_revoked)                                                                                         \
	X(key_valid_till64)                                                                                       \
	X(locate_key)                                                                                             \
	X(op_verify_destroy)                                                                                      \
	X(op_verify_detached_create)                                                                              \
	X(op_verify_execute)                                                                                      \
	X(op_verify_get_signature_at)                                                                             \
	X(op_verify_get_signature_count)                                                                          \
	X(op_verify_signature_get_handle)                                                                         \
	X(op_verify_signature_get_key)                                                                            \
	X(op_verify_signature_get_status)                                                                         \
	X(op_verify_signature_get_times)                                                                          \
	X(signature_get_key_fprint)                                                                               \
	X(signature_get_keyid)                                                                                    \
	X(signature_handle_destroy)

#define POINTER(name) __typeof__(rnp_##name) *name;
static struct {
	FUNCTIONS(POINTER)
} rnp;

static bool resolve(void *library, const char *name, void *to)
{
	void *symbol = dlsym(library, name);

	/* ISO C has no conversion from object to function pointers; POSIX says that they have one representation.
	 */
	memcpy(to, &symbol, sizeof(symbol));
	return symbol != NULL;
}

#define RESOLVE(name) ok = ok && resolve(library, "rnp_" #name, &rnp.name);

void openpgp_open(void)
{
	void *library = dlopen("librnp.so.0", RTLD_NOW | RTLD_LOCAL);
	bool ok = library != NULL;

	FUNCTIONS(RESOLVE)
	if (!ok)
		rnp.ffi_create = NULL;
}

bool openpgp_is(const struct bytes *signature)
{
	return signature->size >= strlen(BEGIN) && !memcmp(signature->data, BEGIN, strlen(BEGIN));
}

/* ---- librnp's objects ---- */

static void free_ffi(rnp_ffi_t *ffi)
{
	rnp.ffi_destroy(*ffi);
}

static void free_input(rnp_input_t *input)
{
	rnp.input_destroy(*input);
}

static void free_verify(rnp_op_verify_t *op)
{
	rnp.op_verify_destroy(*op);
}

static void free_key(rnp_key_handle_t *key)
{
	rnp.key_handle_destroy(*key);
}

static void free_handle(rnp_signature_handle_t *handle)
{
	rnp.signature_handle_destroy(*handle);
}

/* Takes over what librnp has allocated. */
static const char *keep(char *text, struct arena *a)
{
	const char *copy = text ? arena_strdup(a, text) : NULL;

	rnp.buffer_destroy(text);
	return copy;
}

static bool from_memory(const struct bytes *bytes, rnp_input_t *out)
{
	return rnp.input_from_memory(out, (const uint8_t *)bytes->data, bytes->size, false) == RNP_SUCCESS;
}

/* ---- one signature ---- */

struct check {
	rnp_ffi_t ffi;
	struct arena *arena;
	const char *who, *problem;
};

static bool refuse(struct check *c, const char *format, const char *key)
{
	c->problem = arena_printf(c->arena, "the OpenPGP key %s %s", key ? key : "of the signature", format);
	return false;
}

/* The primary key, which has the users, and whose end is its subkeys' end. */
static bool find_primary(struct check *c, rnp_key_handle_t key, rnp_key_handle_t *out)
{
	char *print = NULL;
	bool primary = false;
	const char *text;

	if (rnp.key_is_primary(key, &primary) == RNP_SUCCESS && primary)
		return false;
	if (rnp.key_get_primary_fprint(key, &print) != RNP_SUCCESS)
		return false;
	text = keep(print, c->arena);
	return rnp.locate_key(c->ffi, "fingerprint", text, out) == RNP_SUCCESS && *out;
}

/* Whether the key could sign when it did. */
static bool was_good(struct check *c, rnp_key_handle_t key, uint32_t when, const char *name)
{
	bool revoked = true;
	uint32_t created = 0;
	uint64_t until = 0;

	if (rnp.key_is_revoked(key, &revoked) != RNP_SUCCESS || revoked)
		return refuse(c, "is revoked", name);
	if (rnp.key_get_creation(key, &created) != RNP_SUCCESS || when < created)
		return refuse(c, "did not exist yet when it signed", name);
	if (rnp.key_valid_till64(key, &until) != RNP_SUCCESS || (until != UINT64_MAX && when > until))
		return refuse(c, "had expired, or is not valid", name);
	return true;
}

static const char *signer_id(rnp_op_verify_signature_t signature, struct arena *a)
{
	scoped(free_handle) rnp_signature_handle_t handle = NULL;
	char *text = NULL;

	if (rnp.op_verify_signature_get_handle(signature, &handle) != RNP_SUCCESS)
		return NULL;
	if (rnp.signature_get_key_fprint(handle, &text) != RNP_SUCCESS || !text)
		rnp.signature_get_keyid(handle, &text);
	return keep(text, a);
}

static bool check_signature(struct check *c, rnp_op_verify_signature_t signature)
{
	scoped(free_key) rnp_key_handle_t key = NULL, primary = NULL;
	rnp_result_t status = rnp.op_verify_signature_get_status(signature);
	const char *name = signer_id(signature, c->arena), *user;
	uint32_t when = 0, until = 0;
	char *text = NULL;
	bool has_primary = false;

	if (status == RNP_ERROR_KEY_NOT_FOUND)
		return refuse(c, "is not in the keyring of those who may sign", name);
	if (rnp.op_verify_signature_get_key(signature, &key) == RNP_SUCCESS && key) {
		rnp.op_verify_signature_get_times(signature, &when, &until);
		has_primary = find_primary(c, key, &primary);
		if (!was_good(c, key, when, name) || (has_primary && !was_good(c, primary, when, name)))
			return false;
	}
	if (status == RNP_ERROR_SIGNATURE_EXPIRED)
		return refuse(c, "has made a signature that has expired", name);
	if (status != RNP_SUCCESS || !key)
		return refuse(c, "did not sign this: the signature does not match, or uses what is no longer safe",
			name);
	rnp.key_get_primary_uid(has_primary ? primary : key, &text);
	user = keep(text, c->arena);
	c->who = user ? arena_printf(c->arena, "%s (%s)", user, name) : name;
	return true;
}

bool openpgp_verify(const struct bytes *keyring, const struct bytes *message, const struct bytes *signature,
	struct arena *a, const char **who, const char **problem)
{
	scoped(free_ffi) rnp_ffi_t ffi = NULL;
	scoped(free_input) rnp_input_t keys = NULL, data = NULL, detached = NULL;
	scoped(free_verify) rnp_op_verify_t op = NULL;
	struct check c = { .arena = a, .problem = "the OpenPGP signature is damaged" };
	size_t n = 0;
	bool good = false;

	*problem = "it has an OpenPGP signature, and librnp.so.0, which checks these, cannot be used";
	if (!rnp.ffi_create || rnp.ffi_create(&ffi, RNP_KEYSTORE_GPG, RNP_KEYSTORE_GPG) != RNP_SUCCESS ||
		!from_memory(keyring, &keys) || !from_memory(message, &data) || !from_memory(signature, &detached))
		return false;
	c.ffi = ffi;
	*problem = "the keyring of those who may sign holds no OpenPGP keys";
	if (rnp.import_keys(ffi, keys, RNP_LOAD_SAVE_PUBLIC_KEYS | RNP_LOAD_SAVE_PERMISSIVE, NULL) != RNP_SUCCESS)
		return false;
	*problem = c.problem;
	if (rnp.op_verify_detached_create(&op, ffi, data, detached) != RNP_SUCCESS)
		return false;
	rnp.op_verify_execute(op); /* what came of it is asked of each signature */
	if (rnp.op_verify_get_signature_count(op, &n) != RNP_SUCCESS)
		return false;
	for (size_t i = 0; i < n && !good; i++) {
		rnp_op_verify_signature_t one = NULL;

		good = rnp.op_verify_get_signature_at(op, i, &one) == RNP_SUCCESS && check_signature(&c, one);
	}
	*who = c.who;
	*problem = c.problem;
	return good;
}
