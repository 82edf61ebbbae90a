#include "base/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static void printf_like(4, 0)
	add(struct diags *d, enum severity severity, struct pos pos, const char *format, va_list args)
{
	struct diag *diag;

	*(severity == DIAG_ERROR ? &d->errors : &d->warnings) += 1;
	if (d->list.n >= DIAGS_MAX) {
		d->dropped++;
		return;
	}
	diag = vec_push(d->arena, &d->list);
	diag->severity = severity;
	diag->pos = pos;
	diag->pointer = pos.node ? node_pointer(pos.node, d->arena) : NULL;
	diag->message = arena_vprintf(d->arena, format, args);
}

bool diag_error(struct diags *d, struct pos pos, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(d, DIAG_ERROR, pos, format, args);
	va_end(args);
	return false;
}

void diag_warning(struct diags *d, struct pos pos, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(d, DIAG_WARNING, pos, format, args);
	va_end(args);
}

bool diag_failure(struct diags *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(d, DIAG_ERROR, (struct pos){ 0 }, format, args);
	va_end(args);
	return false;
}

void diag_append(struct diags *d, const struct diags *more)
{
	vec_each (it, &more->list) {
		if (d->list.n >= DIAGS_MAX)
			d->dropped++;
		else
			*vec_push(d->arena, &d->list) = *it;
	}
	d->errors += more->errors;
	d->warnings += more->warnings;
	d->dropped += more->dropped;
}

void diag_append_warnings(struct diags *d, const struct diags *more)
{
	size_t first = d->list.n;

	diag_append(d, more);
	for (size_t i = first; i < d->list.n; i++)
		d->list.items[i].severity = DIAG_WARNING;
	d->errors -= more->errors;
	d->warnings += more->errors;
}

void diag_promote(struct diags *d, size_t first)
{
	for (size_t i = first; i < d->list.n; i++) {
		if (d->list.items[i].severity != DIAG_WARNING)
			continue;
		d->list.items[i].severity = DIAG_ERROR;
		d->warnings--;
		d->errors++;
	}
}

const char *diag_suggest(const struct diags *d, const char *word, const char *const *candidates, size_t n)
{
	const char *nearest = d->errors < DIAG_SUGGESTIONS_MAX ? str_nearest(word, candidates, n) : NULL;

	return nearest ? arena_printf(d->arena, ", did you mean '%s'?", nearest) : "";
}

int pos_order(struct pos a, struct pos b)
{
	int order;

	if (!a.file || !b.file)
		return !a.file - !b.file;
	order = strcmp(a.file, b.file);
	if (!order)
		order = (a.line > b.line) - (a.line < b.line);
	return order ? order : (a.column > b.column) - (a.column < b.column);
}

enum { REPEATS_LOOK_BACK = 64 };

/* Whether one of the last few of the same place says the same. */
static bool is_repeated(const struct diags *d, const struct diag *diag)
{
	for (size_t i = d->list.n; i-- > 0 && d->list.n - i <= REPEATS_LOOK_BACK;) {
		const struct diag *other = &d->list.items[i];

		if (pos_order(other->pos, diag->pos))
			return false;
		if (other->severity == diag->severity && !strcmp(other->message, diag->message))
			return true;
	}
	return false;
}

static void drop_repeated(struct diags *d)
{
	size_t n = d->list.n;

	d->list.n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct diag diag = d->list.items[i];

		if (is_repeated(d, &diag))
			*(diag.severity == DIAG_ERROR ? &d->errors : &d->warnings) -= 1;
		else
			d->list.items[d->list.n++] = diag;
	}
}

/* Merge sort: stable, and bounded however many errors a hostile file causes. */
void diag_sort(struct diags *d)
{
	size_t n = d->list.n;
	struct diag *from = d->list.items, *to = arena_alloc(d->arena, n * sizeof(*to));

	for (size_t width = 1; width < n; width *= 2) {
		struct diag *swap = from;

		for (size_t start = 0; start < n; start += 2 * width) {
			size_t i = start, mid = start + width < n ? start + width : n;
			size_t j = mid, end = mid + width < n ? mid + width : n;

			for (size_t k = start; k < end; k++)
				to[k] = i < mid && (j == end || pos_order(from[i].pos, from[j].pos) <= 0)
						? from[i++]
						: from[j++];
		}
		from = to;
		to = swap;
	}
	d->list.items = from;
	d->list.cap = n;
	drop_repeated(d);
}

const char *pos_text(struct pos pos, struct arena *a)
{
	return arena_printf(a, "%s:%u:%u", pos.file ? pos.file : "?", pos.line, pos.column);
}

const char *diag_line(const struct diag *diag, struct arena *a)
{
	const char *word = diag->severity == DIAG_ERROR ? "error" : "warning";
	const char *place = "enmesh";

	if (diag->pos.file)
		place = diag->pos.line ? pos_text(diag->pos, a) : diag->pos.file;
	if (diag->pointer && *diag->pointer)
		return arena_printf(a, "%s: %s: %s (%s)", place, word, diag->message, diag->pointer);
	return arena_printf(a, "%s: %s: %s", place, word, diag->message);
}
