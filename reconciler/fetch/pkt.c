#include "fetch/pkt.h"

#include <string.h>

enum { LENGTH = 4, DATA_MAX = 65516, FLUSH = 0 };

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

/* One character after the other, as in git-check-ref-format(1). */
static bool is_name(const char *name)
{
	for (const char *c = name; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("~^:?*[\\", *c))
			return false;
	return *name != 0;
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
	if (out->peeled && (!*out->peeled || id_length(out->peeled, strlen(out->peeled)) != strlen(out->peeled)))
		return false;
	return is_name(out->name) && (!out->target || is_name(out->target));
}

enum kind { LINE, END_OF_LIST, DAMAGED };

/* The next line, without the newline at its end. Delimiters are lines of length 0. */
static enum kind next_line(const struct bytes *answer, size_t *at, struct bytes *line)
{
	size_t length;

	if (answer->size - *at < LENGTH || !read_length(answer->data + *at, &length))
		return DAMAGED;
	if (length == FLUSH) {
		*at += LENGTH;
		return END_OF_LIST;
	}
	if (length < LENGTH || length > answer->size - *at || length - LENGTH > DATA_MAX)
		return DAMAGED;
	*line = (struct bytes){ answer->data + *at + LENGTH, length - LENGTH };
	*at += length;
	while (line->size && line->data[line->size - 1] == '\n')
		line->size--;
	return LINE;
}

static bool line_starts(const struct bytes *line, const char *prefix)
{
	size_t n = strlen(prefix);

	return line->size > n && !memcmp(line->data, prefix, n);
}

/* In version 2 a line of its own, before it among the words behind the first reference and a NUL. */
static const char *read_format(const struct bytes *line, struct arena *a)
{
	static const char key[] = "object-format=";
	const size_t n = strlen(key);
	const char *end = line->data + line->size, *at = memmem(line->data, line->size, key, n), *stop;

	if (!at || (at > line->data && at[-1] != ' ' && at[-1]))
		return NULL;
	at += n;
	for (stop = at; stop<end && * stop> ' ' && *stop != 0x7f; stop++)
		;
	return arena_strndup(a, at, (size_t)(stop - at));
}

void pkt_read_offer(const struct bytes *answer, struct arena *a, struct offer *out)
{
	static const char version[] = "version 2";
	struct bytes line;
	enum kind kind;
	size_t at = 0;

	*out = (struct offer){ .object_format = "sha1" };
	/* The first list is that of the service's name. */
	for (int lists = 0; lists < 2;) {
		const char *format;

		kind = next_line(answer, &at, &line);
		if (kind == DAMAGED)
			return;
		if (kind == END_OF_LIST) {
			lists++;
			continue;
		}
		out->version_2 |= line.size == strlen(version) && !memcmp(line.data, version, line.size);
		format = read_format(&line, a);
		if (format)
			out->object_format = format;
	}
}

bool pkt_read_refs(const struct bytes *answer, struct arena *a, struct refs *out, const char **problem)
{
	struct bytes line;
	enum kind kind;
	size_t at = 0;

	while ((kind = next_line(answer, &at, &line)) == LINE) {
		if (line_starts(&line, "ERR ")) {
			*problem = arena_printf(a, "the server says: %.*s", (int)(line.size - 4), line.data + 4);
			return false;
		}
		if (line_starts(&line, "unborn "))
			continue;
		if (out->list.n == PKT_REFS_MAX) {
			*problem = arena_printf(a, "the server lists more than %d references", PKT_REFS_MAX);
			return false;
		}
		if (!read_ref(line.data, line.size, a, vec_push(a, &out->list)))
			break;
	}
	if (kind == END_OF_LIST)
		return true;
	*problem = "the server's list of references is damaged or cut off";
	return false;
}
