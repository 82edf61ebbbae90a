#include <string.h>

#include "cli/generate.h"

static void add_escaped(struct str *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '\\')
			str_add(out, "\\e");
		else if (c == '"')
			str_add(out, "\\(dq");
		else if (i == 0 && (c == '.' || c == '\''))
			str_printf(out, "\\&%c", c);
		else
			str_add_n(out, s + i, 1);
	}
}

const char *mdoc_word(const char *text, struct arena *a)
{
	struct str out = { .arena = a };

	add_escaped(&out, text, strlen(text));
	/* Two letters may be the name of a macro. */
	return strlen(text) == 2 ? arena_printf(a, "\\&%s", str_text(&out)) : str_text(&out);
}

static bool ends_sentence(const char *word, size_t n)
{
	return n && (word[n - 1] == '.' || word[n - 1] == '?' || word[n - 1] == '!');
}

void mdoc_text(struct str *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " \n");
		struct str word = { .arena = out->arena };

		add_escaped(&word, text, n);
		if (column && column + 1 + word.n > MDOC_COLUMNS) {
			str_add(out, "\n");
			column = 0;
		} else if (column) {
			str_add(out, " ");
			column++;
		}
		str_add(out, str_text(&word));
		column += word.n;
		if (ends_sentence(text, n) && text[n]) {
			str_add(out, "\n");
			column = 0;
		}
		text += n;
		text += strspn(text, " \n");
	}
	if (column)
		str_add(out, "\n");
}
