/*
 * SSH's binary format (RFC 4251, section 5) and the base64 around it: reading, never past the end, and writing.
 * Pure.
 */
#ifndef FETCH_SSH_WIRE_H
#define FETCH_SSH_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/str.h"

/* What is still to be read: part of somebody else's memory, without a NUL behind it. */
struct wire {
	const unsigned char *at;
	size_t left;
};

struct wire wire_of(const struct bytes *bytes);
/* Each takes one value off the front. False: it is not all there, and nothing was taken. */
bool wire_byte(struct wire *w, uint8_t *out);
bool wire_u32(struct wire *w, uint32_t *out);
bool wire_string(struct wire *w, struct wire *out);
/* A number that is not negative, big-endian, without leading zeros. */
bool wire_mpint(struct wire *w, struct wire *out);
bool wire_is(struct wire w, const char *text);
bool wire_same(struct wire a, struct wire b);
/* NULL: it has a character outside of printable ASCII, or is longer than 255. */
const char *wire_text(struct wire w, struct arena *a);

/* Writing; strings may hold NULs. */
void wire_put_u32(struct str *out, uint32_t value);
void wire_put_string(struct str *out, struct wire value);

/* RFC 4648 base64, with its padding and nothing else. False: it is something else, or holds more than `limit`. */
bool base64_read(const char *s, size_t n, size_t limit, struct arena *a, struct bytes *out);
const char *base64_write(const void *data, size_t n, struct arena *a); /* without padding, as fingerprints are */

#endif
