#include "fetch/pkt.h"

#include <string.h>

enum { LENGTH = 4, DATA_MAX = 65516, FLUSH = 0, DELIMITER = 1 };

void pkt_add(struct str *out, const char *line)
{
	str_printf(out, "%04zx%s", strlen(line) + LENGTH, line);
}

void pkt_add_delimiter(struct str *out)
{
	str_add(out, "0001");
}

void pkt_add_flush(struct str *out)
{
	str_add(out, "0000");
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_length(const char *s, size_t *length)
{
	*length = 0;
	for (int i = 0; i < LENGTH; i++) {
		if (digit(s[i]) < 0)
			return false;
		*length = *length * 16 + (size_t)digit(s[i]);
	}
	return true;
}

/* The bytes of the id that the word is, or 0. */
static size_t id_length(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && i <= PKT_ID_MAX && digit(s[i]) >= 0)
		i++;
	return i == 40 || i == PKT_ID_MAX ? i : 0;
}

/* "ID NAME[ symref-target:NAME][ peeled:ID]" */
static bool read_ref(const char *line, size_t n, struct arena *a, struct ref *out)
{
	size_t id = id_length(line, n);
	const char *end = line + n, *word = line + id + 1;

	*out = (struct ref){ 0 };
	/* An "unborn" HEAD, of an empty repository, has no id. */
	if (!id || id + 1 >= n || line[id] != ' ')
		return false;
	out->id = arena_strndup(a, line, id);
	for (bool first = true; word < end; first = false) {
		const char *space = memchr(word, ' ', (size_t)(end - word));
		size_t length = (size_t)((space ? space : end) - word);
		const char *text = arena_strndup(a, word, length);

		if (first)
			out->name = text;
		else if (str_starts(text, "peeled:"))
			out->peeled = text + strlen("peeled:");
		else if (str_starts(text, "symref-target:"))
			out->target = text + strlen("symref-target:");
		word += length + 1;
	}
	if (out->peeled && id_length(out->peeled, strlen(out->peeled)) != strlen(out->peeled))
		return false;
	return *out->name != 0;
}

bool pkt_read_refs(const struct bytes *answer, struct arena *a, struct refs *out, const char **problem)
{
	size_t at = 0;

	while (answer->size - at >= LENGTH) {
		const char *line = answer->data + at + LENGTH;
		size_t length, n;

		if (!read_length(answer->data + at, &length))
			break;
		if (length == FLUSH)
			return true;
		if (length < LENGTH || length > answer->size - at || length - LENGTH > DATA_MAX)
			break;
		n = length - LENGTH;
		at += length;
		while (n && line[n - 1] == '\n')
			n--;
		if (n > 4 && !memcmp(line, "ERR ", 4)) {
			*problem = arena_printf(a, "the server says: %.*s", (int)(n - 4), line + 4);
			return false;
		}
		if (n > 7 && !memcmp(line, "unborn ", 7))
			continue;
		if (out->list.n == PKT_REFS_MAX) {
			*problem = arena_printf(a, "the server lists more than %d references", PKT_REFS_MAX);
			return false;
		}
		if (!read_ref(line, n, a, vec_push(a, &out->list)))
			break;
	}
	*problem = "the server's list of references is damaged or cut off";
	return false;
}
