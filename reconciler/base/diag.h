/*
 * Diagnostics: what is wrong, where, and what would be right. A run collects them all; only cli/ and agent/ print.
 * Messages are copied; positions are values. What a message quotes is as it was found: who prints it escapes it.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/node.h"
#include "base/vec.h"

enum {
	DIAGS_MAX = 10000,          /* of a hostile source no more are kept, only counted */
	DIAG_SUGGESTIONS_MAX = 100, /* after so many errors nobody reads, no more suggestions are looked for */
};

enum severity { DIAG_ERROR, DIAG_WARNING };

struct diag {
	enum severity severity;
	struct pos pos;
	const char *pointer; /* JSON pointer of the field, or NULL */
	const char *message;
};

struct diags {
	struct arena *arena;
	vec_of(struct diag) list;
	size_t errors, warnings; /* also those that were not kept */
	size_t dropped;          /* how many were not kept */
};

/* Adds an error; always false, so that a check and its message are one statement. */
bool diag_error(struct diags *d, struct pos pos, const char *format, ...) printf_like(3, 4);
void diag_warning(struct diags *d, struct pos pos, const char *format, ...) printf_like(3, 4);
/* An error of something that no file says. */
bool diag_failure(struct diags *d, const char *format, ...) printf_like(2, 3);
/* Adds all of `more`. */
void diag_append(struct diags *d, const struct diags *more);
/* The same, with errors as warnings: of what was tried in vain, and was not needed. */
void diag_append_warnings(struct diags *d, const struct diags *more);
/* Turns the warnings from number `first` on into errors (`--strict`). */
void diag_promote(struct diags *d, size_t first);

/*
 * ", did you mean 'x'?" for the candidate nearest to `word`, or "" if none is near. For the end of a message; made
 * by str_nearest, and not for ever (DIAG_SUGGESTIONS_MAX).
 */
const char *diag_suggest(const struct diags *d, const char *word, const char *const *candidates, size_t n);

/*
 * Puts what was read from files in order of file, line and column; everything else keeps its order, at the end.
 * Leaves out what is said twice of one place: a mistake may be found once for each node.
 */
void diag_sort(struct diags *d);
/* By file, line and column; what has no file comes last. */
int pos_order(struct pos a, struct pos b);
/* "file:line:col", for naming a second place in a message. */
const char *pos_text(struct pos pos, struct arena *a);
/* The whole line as users see it, without newline: `file:line:col: error: message (/pointer)`. */
const char *diag_line(const struct diag *diag, struct arena *a);

#endif
