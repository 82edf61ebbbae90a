/*
 * A validator for a subset of JSON Schema 2020-12 (https://json-schema.org/draft/2020-12/json-schema-validation).
 *
 * Keywords: type const enum, properties required additionalProperties propertyNames dependentRequired
 * minProperties maxProperties, items minItems maxItems uniqueItems, minLength maxLength pattern, minimum maximum,
 * anyOf oneOf, $ref $defs. For people and defaults: title description default $schema $comment.
 * - `pattern` is a POSIX extended regular expression: those of our schemas mean the same in both dialects.
 * - `$ref` is "#/pointer" or "file#/pointer", with the file in the set; there are no $id and no anchors.
 * - `format` asserts only what schema_formats lists; the standard's formats stay annotations.
 * - A schema with any other keyword is refused by schema_unknown_keyword.
 * A message calls the wanted value by the schema's `title`.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "base/diag.h"
#include "base/node.h"

/* Compiled schemas of one set of files; lives in the arena. Schemas are compiled when they are first needed. */
struct schema_set;

/* `files` maps names to schemas and must outlive the set. */
struct schema_set *schema_set_new(const struct node *files, struct arena *a);
/* Releases what the arena does not hold. The set is of no use afterwards. */
void schema_set_finish(struct schema_set *set);

/* Checks `value`, adding one error for each mistake. `d` NULL: only the answer. `file` must be in the set. */
bool schema_check(struct schema_set *set, const char *file, const struct node *value, struct diags *d);

/*
 * `value` with the defaults of the schema where a property is absent, in the whole tree. Its positions are those
 * of the map that lacks the property. Shares what needs no change.
 */
const struct node *schema_complete(struct schema_set *set, const char *file, const struct node *value);

/* The pointer of a keyword outside the subset, or NULL. */
const char *schema_unknown_keyword(const struct node *schema, struct arena *a);

struct schema_format {
	const char *name;
	bool (*valid)(const char *s);
};

extern const struct schema_format schema_formats[]; /* ends with a name of NULL */

#endif
