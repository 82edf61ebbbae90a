#include "targets/objects/kinds.h"

#include <string.h>

/* A subresource ("pods/status") has its parent's kind or another one; neither is what is looked for. */
static void add_resource(struct kinds *k, struct kinds_version *v, const struct node *n)
{
	const char *plural = node_get_text(n, "name"), *kind = node_get_text(n, "kind");
	struct resource *r;

	if (!plural || !kind || !api_is_segment(plural))
		return;
	r = arena_new(k->arena, struct resource);
	r->group = v->group;
	r->version = v->version;
	r->kind = arena_strdup(k->arena, kind);
	r->plural = arena_strdup(k->arena, plural);
	r->namespaced = node_get_bool(n, "namespaced", false);
	*vec_push(k->arena, &v->resources) = r;
}

static enum kinds_result read_version(struct kinds *k, const char *group, const char *version,
	struct kinds_version *out, struct api_answer *answer)
{
	scoped(arena_finish) struct arena scratch = { 0 };

	*answer = (struct api_answer){ 0 };
	if (!api_get(k->api, api_version_path(group, version, &scratch), &scratch, answer))
		return KINDS_FAILED;
	*out = (struct kinds_version){ arena_strdup(k->arena, group), arena_strdup(k->arena, version), { 0 } };
	if (answer->status != 200 && answer->status != 404) {
		answer->message = arena_strdup(k->arena, answer->message);
		answer->body = NULL;
		return KINDS_FAILED;
	}
	if (answer->status == 200)
		node_each (it, node_get(answer->body, "resources"))
			add_resource(k, out, it);
	*answer = (struct api_answer){ 0 };
	return KINDS_FOUND;
}

static const struct resource *find_in(const struct kinds_version *v, const char *kind)
{
	vec_each (r, &v->resources)
		if (!strcmp((*r)->kind, kind))
			return *r;
	return NULL;
}

enum kinds_result kinds_find(struct kinds *k, const char *group, const char *version, const char *kind,
	const struct resource **out, struct api_answer *answer)
{
	struct kinds_version added, *at = NULL;
	const struct resource *found;

	vec_each (v, &k->versions)
		if (!strcmp(v->group, group) && !strcmp(v->version, version))
			at = v;
	if (!at) {
		if (read_version(k, group, version, &added, answer) == KINDS_FAILED)
			return KINDS_FAILED;
		at = vec_push(k->arena, &k->versions);
		*at = added;
	}
	found = find_in(at, kind);
	if (found)
		*out = found;
	return found ? KINDS_FOUND : KINDS_UNKNOWN;
}

/* The version of a group that the API server prefers; "": it does not know the group. */
static enum kinds_result preferred(struct kinds *k, const char *group, const char **out, struct api_answer *answer)
{
	const char *path = arena_printf(k->arena, "/apis/%s", api_encode(group, k->arena)), *version;

	*out = "v1"; /* of the core group */
	if (!*group)
		return KINDS_FOUND;
	*answer = (struct api_answer){ 0 };
	if (!api_get(k->api, path, k->arena, answer) || (answer->status != 200 && answer->status != 404))
		return KINDS_FAILED;
	version = node_get_text(node_get(answer->body, "preferredVersion"), "version");
	*out = version ? version : "";
	return KINDS_FOUND;
}

enum kinds_result kinds_find_any(struct kinds *k, const char *group, const char *kind, const struct resource **out,
	struct api_answer *answer)
{
	const char *version;

	vec_each (v, &k->versions) {
		const struct resource *found = strcmp(v->group, group) ? NULL : find_in(v, kind);

		if (found) {
			*out = found;
			return KINDS_FOUND;
		}
	}
	if (preferred(k, group, &version, answer) == KINDS_FAILED)
		return KINDS_FAILED;
	return *version ? kinds_find(k, group, version, kind, out, answer) : KINDS_UNKNOWN;
}

void kinds_forget(struct kinds *k, const char *group, const char *version)
{
	vec_each (v, &k->versions)
		if (!strcmp(v->group, group) && !strcmp(v->version, version)) {
			*v = k->versions.items[--k->versions.n];
			return;
		}
}
