#include "base/digest.h"

#include <sha256.h>
#include <string.h>

struct digest {
	SHA256_CTX context;
};

const char *digest_of(const void *data, size_t size, struct arena *a)
{
	return SHA256Data(data, size, arena_alloc(a, SHA256_DIGEST_STRING_LENGTH));
}

struct digest *digest_start(struct arena *a)
{
	struct digest *d = arena_new(a, struct digest);

	SHA256Init(&d->context);
	return d;
}

static void add(struct digest *d, uint64_t length, const void *data, size_t size)
{
	SHA256Update(&d->context, (const uint8_t *)&length, sizeof(length));
	SHA256Update(&d->context, data, size);
}

void digest_add(struct digest *d, const void *data, size_t size)
{
	add(d, size, data, size);
}

void digest_add_text(struct digest *d, const char *s)
{
	if (s)
		add(d, strlen(s), s, strlen(s));
	else
		add(d, UINT64_MAX, "", 0); /* a length that no text has */
}

static void add_items(struct digest *d, const struct node *n)
{
	digest_add(d, &n->n, sizeof(n->n));
	node_each (it, n)
		digest_add_node(d, it);
}

void digest_add_node(struct digest *d, const struct node *n)
{
	const uint8_t type = n->type;

	digest_add_text(d, n->key);
	digest_add(d, &type, sizeof(type));
	switch (n->type) {
	case NODE_NULL:
		break;
	case NODE_BOOL:
		digest_add(d, &n->boolean, sizeof(n->boolean));
		break;
	case NODE_INT:
		digest_add(d, &n->integer, sizeof(n->integer));
		break;
	case NODE_REAL:
		digest_add(d, &n->real, sizeof(n->real));
		break;
	case NODE_STRING:
		digest_add(d, n->string, n->n);
		break;
	case NODE_LIST:
	case NODE_MAP:
		add_items(d, n);
		break;
	}
}

const char *digest_end(struct digest *d, struct arena *a)
{
	return SHA256End(&d->context, arena_alloc(a, SHA256_DIGEST_STRING_LENGTH));
}
