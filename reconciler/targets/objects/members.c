#include "targets/objects/members.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "targets/objects/refusal.h"
#include "targets/objects/shape.h"

enum {
	PAGE = 500,
	RESTARTS = 3,  /* when a list's version is gone (410) before its last page; then all at once */
	LISTS_MAX = 3, /* of single namespaces; more are asked for together, if that is allowed */
};

struct listing {
	struct api *api;
	const struct resource *resource;
	const struct state *live;
	const char *selector;
	struct arena *arena;
	struct members *out;
	struct diags *diags;
};

size_t members_set_of(const struct state *live, const struct node *object)
{
	const char *part_of = shape_label(object, LABEL_PART_OF);

	for (size_t i = 0; part_of && i < live->sets.n; i++)
		if (!strcmp(live->sets.items[i].id, part_of))
			return i;
	return SET_NONE;
}

/* One request finds the members of all sets. */
static const char *make_selector(const struct state *live, struct arena *a)
{
	struct str out = { .arena = a };

	vec_each (set, &live->sets)
		str_printf(&out, "%s%s", out.n ? "," : LABEL_PART_OF " in (", set->id);
	str_add(&out, ")");
	return api_encode(str_text(&out), a);
}

static void add_item(struct listing *l, const struct node *item)
{
	const struct resource *r = l->resource;
	const char *name = shape_metadata(item, "name"), *namespace = shape_metadata(item, "namespace");
	const char *uid = shape_metadata(item, "uid");
	const char *resource_version = shape_metadata(item, "resourceVersion");
	const char *version = *r->group ? arena_printf(l->arena, "%s/%s", r->group, r->version) : r->version;
	size_t set = members_set_of(l->live, item);
	struct found *f;

	if (!name || !uid || set == SET_NONE)
		return;
	f = vec_push(l->arena, &l->out->list);
	f->id.group = r->group;
	f->id.kind = r->kind;
	f->id.namespace = namespace ? arena_strdup(l->arena, namespace) : "";
	f->id.name = arena_strdup(l->arena, name);
	f->resource = r;
	f->uid = arena_strdup(l->arena, uid);
	f->set = set;
	f->object = shape_normal(item, version, r->kind, l->arena);
	f->digest = shape_digest(item, version, l->arena);
	f->version = resource_version ? arena_strdup(l->arena, resource_version) : "";
	f->by_us = shape_labelled_by_us(item);
	f->owned = node_first(node_path(item, "metadata", "ownerReferences", NULL)) != NULL;
	f->going = shape_metadata(item, "deletionTimestamp") != NULL;
}

enum page { PAGE_LAST, PAGE_MORE, PAGE_GONE, PAGE_REFUSED, PAGE_FAILED };

/* `*next` is the page after this one; it lives in the listing's arena. `answer` tells of a refusal. */
static enum page read_page(
	struct listing *l, const char *path, int limit, const char **next, struct api_answer *answer)
{
	scoped(arena_finish) struct arena scratch = { 0 };
	struct str full = { .arena = &scratch };
	const char *more;

	str_printf(&full, "%s?labelSelector=%s", path, l->selector);
	if (limit)
		str_printf(&full, "&limit=%d", limit);
	if (*next)
		str_printf(&full, "&continue=%s", api_encode(*next, &scratch));
	if (!api_get(l->api, str_text(&full), &scratch, answer))
		return PAGE_FAILED;
	if (answer->status == 410)
		return PAGE_GONE;
	if (answer->status != 200) {
		answer->message = arena_strdup(l->arena, answer->message);
		answer->body = NULL;
		return PAGE_REFUSED;
	}
	node_each (it, node_get(answer->body, "items"))
		add_item(l, it);
	more = shape_metadata(answer->body, "continue");
	*next = more && *more ? arena_strdup(l->arena, more) : NULL;
	answer->body = NULL;
	return *next ? PAGE_MORE : PAGE_LAST;
}

static enum page list_all(struct listing *l, const char *path, struct api_answer *answer)
{
	size_t before = l->out->list.n;
	enum page page = PAGE_GONE;

	for (int restart = 0; page == PAGE_GONE && restart <= RESTARTS; restart++) {
		const char *next = NULL;

		l->out->list.n = before;
		do
			page = read_page(l, path, restart < RESTARTS ? PAGE : 0, &next, answer);
		while (page == PAGE_MORE);
	}
	return page;
}

static bool list_in(struct listing *l, const char *namespace, bool may_be_refused, bool *refused)
{
	const struct asked asked = { "list", l->resource, namespace, NULL };
	struct api_answer answer = { 0 };
	enum page page = list_all(l, api_path(l->resource, namespace, NULL, l->arena), &answer);

	*refused = page == PAGE_REFUSED && answer.status == 403;
	if (page == PAGE_LAST || (*refused && may_be_refused))
		return true;
	if (page == PAGE_FAILED)
		return diag_failure(
			l->diags, "the API server cannot be reached: %s", api_failure(l->api, l->arena));
	if (page == PAGE_GONE)
		answer.message = "the list changes faster than it can be read";
	return refusal_add(&answer, &asked, NULL, l->diags);
}

bool members_list(struct api *api, const struct resource *r, const struct texts *namespaces,
	const struct state *live, struct arena *a, struct members *out, struct diags *d)
{
	struct listing l = { api, r, live, make_selector(live, a), a, out, d };
	bool refused = true;

	if (!r->namespaced)
		return list_in(&l, "", false, &refused);
	if (namespaces->list.n > LISTS_MAX && !list_in(&l, "", true, &refused))
		return false;
	if (!refused)
		return true;
	vec_each (namespace, &namespaces->list)
		if (!list_in(&l, *namespace, false, &refused))
			return false;
	return true;
}

static int by_id(const void *left, const void *right)
{
	const struct found *a = left, *b = right;

	return object_compare(&a->id, &b->id);
}

void members_sort(struct members *members)
{
	if (members->list.n)
		qsort(members->list.items, members->list.n, sizeof(*members->list.items), by_id);
}

struct found *members_find(const struct members *members, const struct object_id *id)
{
	const struct found wanted = { .id = *id };

	if (!members->list.n)
		return NULL;
	return bsearch(&wanted, members->list.items, members->list.n, sizeof(wanted), by_id);
}
