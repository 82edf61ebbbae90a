#include "fetch/ssh_wire.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct wire wire_of(const struct bytes *bytes)
{
	return (struct wire){ (const unsigned char *)bytes->data, bytes->size };
}

bool wire_byte(struct wire *w, uint8_t *out)
{
	if (!w->left)
		return false;
	*out = *w->at++;
	w->left--;
	return true;
}

bool wire_u32(struct wire *w, uint32_t *out)
{
	if (w->left < 4)
		return false;
	*out = (uint32_t)w->at[0] << 24 | (uint32_t)w->at[1] << 16 | (uint32_t)w->at[2] << 8 | w->at[3];
	w->at += 4;
	w->left -= 4;
	return true;
}

bool wire_string(struct wire *w, struct wire *out)
{
	struct wire rest = *w;
	uint32_t n;

	if (!wire_u32(&rest, &n) || n > rest.left)
		return false;
	*out = (struct wire){ rest.at, n };
	*w = (struct wire){ rest.at + n, rest.left - n };
	return true;
}

bool wire_mpint(struct wire *w, struct wire *out)
{
	struct wire rest = *w, number;

	if (!wire_string(&rest, &number) || (number.left && number.at[0] & 0x80))
		return false;
	while (number.left && !number.at[0])
		number.at++, number.left--;
	*out = number;
	*w = rest;
	return true;
}

bool wire_is(struct wire w, const char *text)
{
	return w.left == strlen(text) && (!w.left || !memcmp(w.at, text, w.left));
}

bool wire_same(struct wire a, struct wire b)
{
	return a.left == b.left && (!a.left || !memcmp(a.at, b.at, a.left));
}

const char *wire_text(struct wire w, struct arena *a)
{
	if (w.left > 255)
		return NULL;
	for (size_t i = 0; i < w.left; i++)
		if (w.at[i] < 0x20 || w.at[i] > 0x7e)
			return NULL;
	return arena_strndup(a, w.left ? (const char *)w.at : "", w.left);
}

void wire_put_u32(struct str *out, uint32_t value)
{
	const char bytes[4] = { (char)(value >> 24), (char)(value >> 16), (char)(value >> 8), (char)value };

	str_add_n(out, bytes, sizeof(bytes));
}

void wire_put_string(struct str *out, struct wire value)
{
	wire_put_u32(out, (uint32_t)value.left);
	if (value.left)
		str_add_n(out, (const char *)value.at, value.left);
}

/* 0 to 63, or -1. */
static int sextet(char c)
{
	const char *found = c ? strchr(alphabet, c) : NULL;

	return found ? (int)(found - alphabet) : -1;
}

bool base64_read(const char *s, size_t n, size_t limit, struct arena *a, struct bytes *out)
{
	size_t padding = 0, size = 0;
	char *data;

	if (n % 4 || !n || n / 4 * 3 > limit + 2)
		return false;
	padding += s[n - 1] == '=';
	padding += padding && s[n - 2] == '=';
	data = arena_alloc(a, n / 4 * 3 + 1);
	for (size_t i = 0; i < n; i += 4) {
		bool last = i + 4 == n;
		size_t chars = last ? 4 - padding : 4;
		uint32_t group = 0;

		for (size_t k = 0; k < 4; k++) {
			int value = k < chars ? sextet(s[i + k]) : 0;

			if (value < 0)
				return false;
			group = group << 6 | (uint32_t)value;
		}
		/* Bits that stand for nothing are zero, so that one value has one spelling. */
		if (last && group & (padding == 2 ? 0xffff : padding ? 0xff : 0))
			return false;
		for (size_t k = 0; k < chars - 1; k++)
			data[size++] = (char)(group >> (16 - 8 * k));
	}
	data[size] = 0;
	if (size > limit)
		return false;
	*out = (struct bytes){ data, size };
	return true;
}

const char *base64_write(const void *data, size_t n, struct arena *a)
{
	const unsigned char *p = data;
	struct str out = { .arena = a };

	for (size_t i = 0; i < n; i += 3) {
		uint32_t group = (uint32_t)p[i] << 16;
		size_t chars = n - i > 2 ? 4 : n - i + 1;

		group |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
		group |= i + 2 < n ? p[i + 2] : 0;
		for (size_t k = 0; k < chars; k++)
			str_add_n(&out, &alphabet[group >> (18 - 6 * k) & 63], 1);
	}
	return str_text(&out);
}
