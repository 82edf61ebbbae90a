/* Plain scalars as YAML 1.2's core schema types them (https://yaml.org/spec/1.2.2/#103-core-schema). Pure. */
#ifndef CONFIG_SCALAR_H
#define CONFIG_SCALAR_H

#include "base/node.h"

/*
 * Gives `n` type and value; a string is copied. NULL, or why the scalar is refused: integers with a leading zero,
 * which YAML 1.1 and 1.2 read differently, and numbers that JSON does not have or that do not fit.
 */
const char *scalar_read(const char *s, struct node *n, struct arena *a);

/* Whether a plain scalar would not be this string for every reader, those of YAML 1.1 (PyYAML, kubectl) included.
 */
bool scalar_needs_quotes(const char *s);

#endif
