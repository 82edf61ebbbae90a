#include "fetch/request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"

enum { REQUEST_MAX = 8 * 1024 * 1024 };

void request_read(struct request *r)
{
	struct bytes text;
	int error = file_read_fd(STDIN_FILENO, REQUEST_MAX, r->arena, &text);
	const char *problem = NULL, *end;

	if (error)
		request_fail(r, "the request cannot be read: %s", strerror(-error));
	end = memchr(text.data, '\n', text.size);
	if (end)
		r->words = json_read(text.data, (size_t)(end - text.data), r->arena, &problem);
	if (!r->words)
		request_fail(r, "the request makes no sense: %s", problem ? problem : "no line");
	r->rest = (struct bytes){ end + 1, text.size - (size_t)(end + 1 - text.data) };
}

const char *request_text(const struct request *r, const char *name)
{
	return node_get_text(r->words, name);
}

struct bytes request_blob(const struct request *r, const char *name)
{
	size_t at = 0;

	node_each (blob, node_get(r->words, "blobs")) {
		const char *key = node_get_text(blob, "name");
		size_t size = (size_t)node_get_int(blob, "size", 0);

		if (!key || size > r->rest.size - at)
			break;
		if (!strcmp(key, name))
			return (struct bytes){ arena_strndup(r->arena, r->rest.data + at, size), size };
		at += size;
	}
	return (struct bytes){ 0 };
}

_Noreturn void request_answer(const struct request *r)
{
	const char *text = json_write(r->answer, JSON_ONE_LINE, r->arena);
	size_t n = strlen(text);

	while (n) {
		ssize_t written = write(STDOUT_FILENO, text, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			_exit(EXIT_FAILURE);
		text += written;
		n -= (size_t)written;
	}
	_exit(EXIT_SUCCESS);
}

_Noreturn void request_fail(const struct request *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	node_put_text(r->arena, r->answer, "error", arena_vprintf(r->arena, format, args));
	va_end(args);
	request_answer(r);
}
