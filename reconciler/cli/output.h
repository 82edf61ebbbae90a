/* The one place that writes to standard output and standard error. Effects. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli/command.h"
#include "report/text.h"

enum { OUTPUT_DIAGS_MAX = 100 };

/* Whether colours are wanted on this descriptor. */
struct text_style output_style(const struct session *s, int fd);

/* Writes to standard output. False: it could not be written, and an error was added. */
bool output_text(struct session *s, const char *text);
/* As JSON, one document with a newline. */
bool output_json(struct session *s, const struct node *n);
/* As JSON, on a line of its own. */
bool output_json_line(struct session *s, const struct node *n);
/* Into a file of the user's choice; what is there is replaced. */
bool output_json_into(struct session *s, const char *path, const struct node *n);

/* A result as the options ask for it: into a file, as JSON or as text, or not at all (--quiet). False as above. */
bool output_result(struct session *s, const struct node *result,
	const char *(*text)(const struct node *result, struct text_style style, struct arena *a));

/* To standard error, while something runs. */
void output_progress(const char *text);
/* To standard error: every diagnostic, sorted, at most OUTPUT_DIAGS_MAX of them and a count of the others. */
void output_diags(const struct diags *d, struct arena *a);

#endif
