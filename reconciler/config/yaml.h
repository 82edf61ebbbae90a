/*
 * YAML text to nodes and back, through libyaml.
 *
 * Plain scalars have the types of YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema): `no`,
 * `on` and `12:30` are strings. Refused, each with its place: duplicate names, tags other than the core schema's,
 * integers with a leading zero (YAML 1.1 and 1.2 read them differently), numbers that JSON does not have, names
 * that are no scalars. Anchors, aliases and merge keys (`<<`) work.
 */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include "base/diag.h"
#include "base/file.h"
#include "base/node.h"

enum {
	YAML_DEPTH_MAX = 64,            /* levels of nesting */
	YAML_ANCHORS_MAX = 1000,        /* in one document */
	YAML_ALIASED_NODES_MAX = 10000, /* nodes that the aliases of one file stand for, in all */
};

struct yaml_documents {
	vec_of(const struct node *) list; /* roots, linked; empty documents are left out */
};

/*
 * Adds the documents of one file. What could not be read inside of a document is a node that is `broken`. False:
 * an error was added; documents that come before a syntax error are there, and so are those with a duplicate name
 * or a wrong tag. Nodes and strings live in the arena.
 */
bool yaml_read(
	const char *file, const struct bytes *text, struct arena *a, struct yaml_documents *out, struct diags *d);

/* Block style, ends with a newline. What it writes reads back equal; what is not UTF-8 becomes U+FFFD. */
const char *yaml_write(const struct node *n, struct arena *a);

#endif
