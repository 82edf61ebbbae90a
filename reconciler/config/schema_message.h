/* What the validator says. Each function adds one error, unless `d` is NULL, and returns false. */
#ifndef CONFIG_SCHEMA_MESSAGE_H
#define CONFIG_SCHEMA_MESSAGE_H

#include "config/schema_compiled.h"

/* "a string", "true or false" …: what the schema wants, as far as its type says. */
const char *schema_type_phrase(const struct schema *s);
/* "the string "x"", "the integer 80", "a list". */
const char *schema_show(const struct node *v, struct arena *a);

/* `hint` is added at the end; "" for none. `d` must not be NULL. */
bool schema_expected(struct diags *d, const struct node *v, const char *wanted, const char *hint);
/* `*meant`: the known field that was probably meant, or NULL. */
bool schema_unknown_field(struct diags *d, const struct schema *s, const struct node *v, const char **meant);
bool schema_wrong_choice(struct diags *d, const struct schema *s, const struct node *v);
bool schema_repeated(struct diags *d, const struct node *again, const struct node *first);
/* `bound` is "least" or "most". */
bool schema_wrong_count(
	struct diags *d, const struct schema *s, const struct node *v, const char *bound, int64_t limit);
/* `because` is the field that needs the missing one, or NULL. */
bool schema_missing_field(struct diags *d, const struct node *v, const char *name, const char *because);
bool schema_not_one(struct diags *d, const struct schema *s, const struct node *v, size_t valid);

#endif
