#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "report/escape.h"

static bool has_color(const struct session *s, int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (s->args.color != COLOR_AUTO)
		return s->args.color == COLOR_ALWAYS;
	/* https://no-color.org: present and not empty. */
	return isatty(fd) && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}

struct text_style output_style(const struct session *s, int fd)
{
	return (struct text_style){ has_color(s, fd) };
}

static int write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t written = write(fd, text, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		text += written;
		n -= (size_t)written;
	}
	return 0;
}

bool output_text(struct session *s, const char *text)
{
	int r = write_all(STDOUT_FILENO, text, strlen(text));

	return !r || diag_failure(s->diags, "standard output cannot be written: %s", strerror(-r));
}

bool output_json(struct session *s, const struct node *n)
{
	return output_text(s, json_write(n, JSON_INDENTED, s->arena)) && output_text(s, "\n");
}

bool output_json_line(struct session *s, const struct node *n)
{
	return output_text(s, arena_printf(s->arena, "%s\n", json_write(n, JSON_ONE_LINE, s->arena)));
}

bool output_json_into(struct session *s, const char *path, const struct node *n)
{
	/* Opened as a shell's `>` would, since it may be a pipe or a device. */
	scoped(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	const char *text = arena_printf(s->arena, "%s\n", json_write(n, JSON_INDENTED, s->arena));
	int r = fd < 0 ? -errno : write_all(fd, text, strlen(text));

	return !r || diag_failure(s->diags, "%s cannot be written: %s", path, strerror(-r));
}

bool output_result(struct session *s, const struct node *result,
	const char *(*text)(const struct node *result, struct text_style style, struct arena *a))
{
	if (s->args.json_into && !output_json_into(s, s->args.json_into, result))
		return false;
	if (s->args.quiet)
		return true;
	if (s->args.format == FORMAT_JSON)
		return output_json(s, result);
	return output_text(s, text(result, output_style(s, STDOUT_FILENO), s->arena));
}

void output_progress(const char *text)
{
	write_all(STDERR_FILENO, text, strlen(text));
}

void output_diags(const struct diags *d, struct arena *a)
{
	size_t errors = OUTPUT_DIAGS_MAX, warnings, hidden;
	struct str out = { .arena = a };

	/* Warnings do not crowd out errors. */
	if (d->errors < errors)
		errors = d->errors;
	warnings = OUTPUT_DIAGS_MAX - errors;
	hidden = d->list.n + d->dropped;
	vec_each (diag, &d->list) {
		size_t *room = diag->severity == DIAG_ERROR ? &errors : &warnings;

		if (!*room)
			continue;
		(*room)--;
		hidden--;
		str_printf(&out, "%s\n", escape(diag_line(diag, a), a));
	}
	if (hidden)
		str_printf(&out, "enmesh: %zu more are not shown\n", hidden);
	write_all(STDERR_FILENO, str_text(&out), out.n);
}
