/* What is made of the tables at build time. Pure. */
#ifndef CLI_GENERATE_H
#define CLI_GENERATE_H

#include "base/str.h"
#include "cli/command.h"

/* "enmesh" or "enmesh-COMMAND": a page of section 1. NULL: there is no such page. In mdoc(7). */
const char *manual_page(const char *name, struct arena *a);
/* enmesh.yaml(5): every field of every kind. */
const char *manual_kinds(struct arena *a);

/* For "bash", "zsh" or "fish". NULL: for no other. */
const char *completion(const char *shell, struct arena *a);

/* ---- for those who write mdoc ---- */

enum { MDOC_COLUMNS = 76 };

/* Of the last change of what the pages say. */
#define MDOC_DATE "November 24, 2026"

/* Text as lines: one for each sentence, none too long, with whatever roff would take for its own escaped. */
void mdoc_text(struct str *out, const char *text);
/* The same for an argument of a macro. */
const char *mdoc_word(const char *text, struct arena *a);

#endif
