#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "config/schema.h"
#include "report_case.h"

struct arena arena;
struct diags diags;
static struct host host;
const struct text_style plain = { false }, colored = { true };

int case_start(void **state)
{
	(void)state;
	diags = (struct diags){ .arena = &arena };
	return 0;
}

int case_finish(void **state)
{
	(void)state;
	arena_finish(&arena);
	return 0;
}

struct pass case_pass(void)
{
	struct pass p = { .arena = &arena,
		.diags = &diags,
		.host = &host,
		.source = "mesh",
		.node = "vm1",
		.targets = targets_all,
		.accepted = true };

	p.tree.revision = "sha256:0123456789ab";
	p.plan.arena = &arena;
	for (const struct target *const *t = targets_all; *t; t++)
		*vec_push(&arena, &p.parts) = (struct part){ .target = *t, .planned = true };
	return p;
}

struct change *case_change(struct pass *p, int target, enum action action, enum cause cause, const char *address)
{
	struct change *c = plan_add(&p->plan, targets_all[target], action, address);

	c->cause = cause;
	return c;
}

const struct node *case_json(const char *text)
{
	const char *problem;
	const struct node *n = json_read(text, strlen(text), &arena, &problem);

	assert_non_null(n);
	return n;
}

/* Reads the schemas as they are installed. */
static const struct node *schemas(void)
{
	static const char *const names[] = { "diagnostics.schema.json", "plan.schema.json", "render.schema.json",
		"status.schema.json" };
	struct node *set = arena_new(&arena, struct node);

	set->type = NODE_MAP;
	for (size_t i = 0; i < array_len(names); i++) {
		const char *path = arena_printf(&arena, "%s/%s", SCHEMA_DIR, names[i]);
		const struct node *schema;
		struct bytes text;

		assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &arena, &text), 0);
		schema = case_json(text.data);
		assert_null(schema_unknown_keyword(schema, &arena));
		node_put_node(&arena, set, names[i], schema);
	}
	return set;
}

/* What is printed is read back first, as others would. */
void case_check(const char *schema, const struct node *value)
{
	struct schema_set *set = schema_set_new(schemas(), &arena);
	struct diags problems = { .arena = &arena };
	struct node *read = arena_dup(&arena, case_json(json_write(value, JSON_ONE_LINE, &arena)), sizeof(*read));
	bool ok;

	node_link(read);
	ok = schema_check(set, schema, read, &problems);
	vec_each (diag, &problems.list)
		print_error("%s\n", diag_line(diag, &arena));
	schema_set_finish(set);
	assert_true(ok);
}
