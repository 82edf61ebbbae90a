#include "source/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { BLOCK = 512, PAX_MAX = 64 * 1024, CHECKSUM_AT = 148, CHECKSUM_SIZE = 8 };

/* POSIX.1-2017, pax, "ustar Header Block". */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
		version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is a block");

size_t tar_padding(size_t size)
{
	return (BLOCK - size % BLOCK) % BLOCK;
}

/* ---- writing ---- */

/* Of all bytes of the header, with spaces in the place of the sum. */
static unsigned checksum(const struct header *h)
{
	const unsigned char *bytes = (const unsigned char *)h;
	unsigned sum = 0;

	for (size_t i = 0; i < sizeof(*h); i++)
		sum += i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_SIZE ? ' ' : bytes[i];
	return sum;
}

/* The same input gives the same bytes: no time, no owner. */
static void add_header(struct str *out, const char *name, char type, size_t size)
{
	struct header h = { .mode = "0000644",
		.uid = "0000000",
		.gid = "0000000",
		.mtime = "00000000000",
		.type = type,
		.magic = "ustar",
		.version = { '0', '0' },
		.major = "0000000",
		.minor = "0000000" };
	size_t n = strlen(name);

	memcpy(h.name, name, n < sizeof(h.name) ? n : sizeof(h.name));
	snprintf(h.size, sizeof(h.size), "%011zo", size);
	snprintf(h.checksum, sizeof(h.checksum), "%06o", checksum(&h) & 0777777);
	h.checksum[7] = ' ';
	str_add_n(out, (const char *)&h, sizeof(h));
}

/* A record begins with its own length, those digits included. */
static char *pax_record(const char *path, struct arena *a)
{
	size_t rest = strlen(path) + strlen(" path=\n"), n = rest;
	int digits;

	do {
		digits = snprintf(NULL, 0, "%zu", n);
		n = rest + (size_t)digits;
	} while (snprintf(NULL, 0, "%zu", n) != digits);
	return arena_printf(a, "%zu path=%s\n", n, path);
}

struct bytes tar_header(const char *path, size_t size, struct arena *a)
{
	struct str out = { .arena = a };

	if (strlen(path) > sizeof(((struct header *)NULL)->name)) {
		static const char zeros[BLOCK];
		const char *record = pax_record(path, a);

		add_header(&out, "pax", 'x', strlen(record));
		str_add(&out, record);
		str_add_n(&out, zeros, tar_padding(strlen(record)));
	}
	add_header(&out, path, '0', size);
	return (struct bytes){ out.s, out.n };
}

/* ---- reading ---- */

struct reading {
	const struct bytes *archive;
	size_t at;        /* of the next block */
	const char *path; /* of a pax header, for the next file; NULL: none */
	struct arena *arena;
	const char **problem;
};

static bool damaged(struct reading *r, const char *what)
{
	*r->problem = arena_printf(r->arena, "%s at byte %zu", what, r->at);
	return false;
}

static bool read_octal(const char *field, size_t n, size_t *value)
{
	size_t i = 0;

	for (*value = 0; i < n && field[i] >= '0' && field[i] <= '7'; i++)
		*value = *value * 8 + (size_t)(field[i] - '0');
	return i > 0 && (i == n || !field[i] || field[i] == ' ');
}

/* Below the root, and written in one way only. */
static bool is_plain(const char *path)
{
	const char *part = path;

	for (;;) {
		size_t n = strcspn(part, "/");

		if (!n || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		if (!part[n])
			return true;
		part += n + 1;
	}
}

/* Records "LENGTH KEY=VALUE\n", of which `path` counts; the others say what does not matter here. */
static bool read_pax(struct reading *r, const char *data, size_t size)
{
	const char *end = data + size;

	while (data < end) {
		size_t n = 0;
		const char *c = data, *value;

		for (; c < end && *c >= '0' && *c <= '9' && n <= size; c++)
			n = n * 10 + (size_t)(*c - '0');
		if (c == end || *c != ' ' || n <= (size_t)(c + 1 - data) || n > (size_t)(end - data) ||
			data[n - 1] != '\n')
			return damaged(r, "a damaged pax record");
		c++;
		value = memchr(c, '=', (size_t)(data + n - c));
		if (!value)
			return damaged(r, "a damaged pax record");
		if (value - c == 4 && !memcmp(c, "path", 4))
			r->path = arena_strndup(r->arena, value + 1, (size_t)(data + n - 1 - (value + 1)));
		data += n;
	}
	return true;
}

static const char *header_path(const struct header *h, struct arena *a)
{
	const char *name = arena_strndup(a, h->name, strnlen(h->name, sizeof(h->name)));
	size_t n = strnlen(h->prefix, sizeof(h->prefix));

	return n ? arena_printf(a, "%.*s/%s", (int)n, h->prefix, name) : name;
}

static bool is_end(const char *block)
{
	for (size_t i = 0; i < BLOCK; i++)
		if (block[i])
			return false;
	return true;
}

/* A NUL follows what is handed over, as struct bytes promises; in the archive the next header may. */
static struct bytes with_end(const char *data, size_t size, struct arena *a)
{
	char *copy;

	if (tar_padding(size) && !data[size])
		return (struct bytes){ data, size };
	copy = arena_alloc(a, size + 1);
	memcpy(copy, data, size);
	return (struct bytes){ copy, size };
}

bool tar_read(const struct bytes *archive,
	bool (*add)(void *context, const char *path, const struct bytes *content), void *context, struct arena *a,
	const char **problem)
{
	struct reading r = { .archive = archive, .arena = a, .problem = problem };

	while (archive->size - r.at >= BLOCK && !is_end(archive->data + r.at)) {
		struct bytes content = { .data = archive->data + r.at + BLOCK };
		struct header h;
		size_t sum;

		memcpy(&h, archive->data + r.at, sizeof(h));
		if (memcmp(h.magic, "ustar", 5) || !read_octal(h.checksum, sizeof(h.checksum), &sum) ||
			sum != checksum(&h))
			return damaged(&r, "no header of a tar archive");
		if (!read_octal(h.size, sizeof(h.size), &content.size) ||
			content.size > archive->size - r.at - BLOCK ||
			tar_padding(content.size) > archive->size - r.at - BLOCK - content.size)
			return damaged(&r, "a file that is cut off");
		if (h.type == 'x' || h.type == 'g') {
			if (content.size > PAX_MAX || !read_pax(&r, content.data, content.size))
				return damaged(&r, "a damaged pax header");
		} else if (h.type == '0' || !h.type) {
			const char *path = r.path ? r.path : header_path(&h, a);
			struct bytes file = with_end(content.data, content.size, a);

			if (!is_plain(path) || strlen(path) > TAR_PATH_MAX)
				return damaged(&r, "a path that leads out of the archive, or is too long,");
			if (!add(context, path, &file))
				return false;
			r.path = NULL;
		} else if (h.type != '5') {
			return damaged(&r, "neither a file nor a directory");
		}
		r.at += BLOCK + content.size + tar_padding(content.size);
	}
	return archive->size - r.at >= TAR_END || damaged(&r, "an early end");
}
