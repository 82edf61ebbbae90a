#include "report/escape.h"

#include <stdint.h>
#include <string.h>

/* The character at s and its number of bytes; 0: not UTF-8 (RFC 3629: shortest form, no surrogates). */
static unsigned read_character(const char *s, uint32_t *character)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} forms[] = { { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };
	unsigned char lead = (unsigned char)*s;

	for (unsigned n = 0; n < array_len(forms); n++) {
		uint32_t c = lead & (unsigned char)~forms[n].mask;

		if ((lead & forms[n].mask) != forms[n].lead)
			continue;
		for (unsigned i = 1; i <= n; i++) {
			if (((unsigned char)s[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | ((unsigned char)s[i] & 0x3f);
		}
		if (c < forms[n].least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		*character = c;
		return n + 1;
	}
	return 0;
}

/* Control characters, what moves, hides or turns the text around it, and what is no character. */
static bool harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) || c == 0xfeff || c == 0xfffe ||
	       c == 0xffff;
}

static void add_escaped(struct str *out, uint32_t c)
{
	if (c == '\n')
		str_add(out, "\\n");
	else if (c == '\t')
		str_add(out, "\\t");
	else if (c < 0x100)
		str_printf(out, "\\x%02x", c);
	else
		str_printf(out, "\\u%04x", c);
}

static bool plain(const char *s)
{
	while ((unsigned char)*s >= 0x20 && (unsigned char)*s < 0x7f)
		s++;
	return !*s;
}

const char *escape(const char *s, struct arena *a)
{
	struct str out = { .arena = a };

	if (plain(s))
		return s;
	while (*s) {
		uint32_t c;
		unsigned n = read_character(s, &c);

		if (!n)
			str_printf(&out, "\\x%02x", (unsigned char)*s);
		else if (harmful(c))
			add_escaped(&out, c);
		else
			str_add_n(&out, s, n);
		s += n ? n : 1;
	}
	return str_text(&out);
}

const char *escape_member(const struct node *map, const char *key, const char *absent, struct arena *a)
{
	const char *text = node_get_text(map, key);

	return text ? escape(text, a) : absent;
}
