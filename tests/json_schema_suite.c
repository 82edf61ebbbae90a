/*
 * json_schema_suite OUTSIDE.json FILE...: the official test suite of JSON Schema 2020-12 against our validator.
 * OUTSIDE.json lists, with reasons, what is outside of the subset that we claim: [{"reason": …, "cases": ["FILE:
 * GROUP", "FILE: GROUP: TEST"]}]. Every listed case must exist and need to be listed, every other one must pass.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/vec.h"
#include "config/schema.h"

struct outside {
	const char *name;
	bool seen, needed;
};

struct suite {
	struct arena arena;
	vec_of(struct outside) outside;
	int cases, skipped, failed;
};

/* Our strings hold no NUL, and no reader lets one through. So these cases are run with another control character.
 */
static void replace_nul(char *text)
{
	while ((text = strstr(text, "\\u0000")))
		text[5] = '1';
}

static const struct node *read_file(struct suite *s, const char *path)
{
	const char *problem = NULL;
	struct bytes text;
	const struct node *n = NULL;

	if (!file_read(AT_FDCWD, path, 1 << 20, &s->arena, &text)) {
		char *copy = arena_dup(&s->arena, text.data, text.size + 1);

		replace_nul(copy);
		n = json_read(copy, text.size, &s->arena, &problem);
	}
	if (!n)
		printf("%s: %s\n", path, problem ? problem : "cannot be read");
	return n;
}

static struct outside *find(struct suite *s, const char *name)
{
	vec_each (it, &s->outside)
		if (!strcmp(it->name, name)) {
			it->seen = true;
			return it;
		}
	return NULL;
}

static bool is_valid(struct suite *s, const struct node *schema, const struct node *data)
{
	struct node files = { .type = NODE_MAP };
	struct schema_set *set;
	bool valid;

	node_put_node(&s->arena, &files, "schema.json", schema);
	set = schema_set_new(&files, &s->arena);
	valid = schema_check(set, "schema.json", data, NULL);
	/* With and without messages the answer is the same. */
	if (schema_check(set, "schema.json", data, &(struct diags){ .arena = &s->arena }) != valid) {
		printf("the answer depends on whether somebody reads the messages\n");
		s->failed++;
	}
	schema_set_finish(set);
	return valid;
}

static void run_test(struct suite *s, const char *group_name, struct outside *group, const struct node *schema,
	const struct node *test)
{
	const char *name = arena_printf(&s->arena, "%s: %s", group_name, node_get_text(test, "description"));
	struct outside *outside = group ? group : find(s, name);
	bool passed = is_valid(s, schema, node_get(test, "data")) == node_get(test, "valid")->boolean;

	s->cases++;
	if (outside) {
		outside->needed |= !passed;
		s->skipped++;
	} else if (!passed) {
		printf("failed: %s\n", name);
		s->failed++;
	}
}

static bool run_file(struct suite *s, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const struct node *groups = read_file(s, path);

	node_each (it, groups) {
		const struct node *schema = node_get(it, "schema");
		const char *group_name = arena_printf(&s->arena, "%s: %s", name, node_get_text(it, "description"));
		struct outside *group = find(s, group_name);

		if (group)
			group->needed |= schema_unknown_keyword(schema, &s->arena) != NULL;
		node_each (test, node_get(it, "tests"))
			run_test(s, group_name, group, schema, test);
	}
	return groups != NULL;
}

int main(int argc, char **argv)
{
	struct suite s = { 0 };
	const struct node *outside = argc > 2 ? read_file(&s, argv[1]) : NULL;

	if (!outside)
		return 64;
	node_each (group, outside)
		node_each (it, node_get(group, "cases"))
			*vec_push(&s.arena, &s.outside) = (struct outside){ it->string, false, false };
	for (int i = 2; i < argc; i++)
		s.failed += !run_file(&s, argv[i]);
	vec_each (it, &s.outside) {
		if (it->seen && it->needed)
			continue;
		printf("%s: %s\n", it->seen ? "listed, but it passes" : "listed, but not in the suite", it->name);
		s.failed++;
	}
	printf("%d cases: %d passed, %d outside of the subset, %d failures\n", s.cases,
		s.cases - s.skipped - s.failed, s.skipped, s.failed);
	arena_finish(&s.arena);
	return s.failed ? 1 : 0;
}
