/* JSON text to nodes and back (RFC 8259, through jansson). No effects. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/node.h"

enum json_style { JSON_ONE_LINE, JSON_INDENTED };

/*
 * NULL: no valid JSON, nested deeper than 500 levels, a duplicate name, or a NUL character in a string; `*problem`
 * then says what and where, as "line 3: …". The nodes have no positions.
 */
struct node *json_read(const char *text, size_t size, struct arena *a, const char **problem);

/* Ends without newline. Names are in the order of the nodes. What is not UTF-8 becomes U+FFFD. */
const char *json_write(const struct node *n, enum json_style style, struct arena *a);

#endif
