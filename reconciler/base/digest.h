/* SHA-256 (FIPS 180-4, through libmd), as lower-case hexadecimal. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/node.h"

enum { DIGEST_SIZE = 64 }; /* characters, without the NUL */

const char *digest_of(const void *data, size_t size, struct arena *a);

/* For data in several parts. Each part is preceded by its length, so that ("ab", "c") and ("a", "bc") differ. */
struct digest;
struct digest *digest_start(struct arena *a);
void digest_add(struct digest *d, const void *data, size_t size);
void digest_add_text(struct digest *d, const char *s); /* NULL differs from "" */
/* A value with its name and all that is in it, in the order of writing. */
void digest_add_node(struct digest *d, const struct node *n);
const char *digest_end(struct digest *d, struct arena *a);

#endif
