#include "targets/objects/inventory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/str.h"
#include "targets/objects/shape.h"

#define ANNOTATION_TOOLING "applyset.kubernetes.io/tooling"
#define ANNOTATION_KINDS "applyset.kubernetes.io/contains-group-kinds"
#define ANNOTATION_NAMESPACES "applyset.kubernetes.io/additional-namespaces"
#define TOOL "enmesh/"

static const char pending[] = "-"; /* in place of the uid of what is about to be created */

/* ---- the id ---- */

/* URL-safe base64 (RFC 4648 section 5) of a digest in hexadecimal, without padding. */
static const char *base64_of_hex(const char *hex, struct arena *a)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct str out = { .arena = a };
	uint32_t bits = 0;
	unsigned n = 0;

	for (; *hex; hex++) {
		bits = bits << 4 | (uint32_t)(*hex <= '9' ? *hex - '0' : *hex - 'a' + 10);
		n += 4;
		if (n < 6)
			continue;
		n -= 6;
		str_add_n(&out, &digits[bits >> n & 63], 1);
	}
	if (n)
		str_add_n(&out, &digits[bits << (6 - n) & 63], 1);
	return str_text(&out);
}

const char *inventory_set_id(const char *namespace, const char *name, struct arena *a)
{
	/* NAME.NAMESPACE.KIND.GROUP, and the group of a ConfigMap is "". */
	const char *identity = arena_printf(a, "%s.%s.ConfigMap.", name, namespace);

	return arena_printf(a, "applyset-%s-v1", base64_of_hex(digest_of(identity, strlen(identity), a), a));
}

/* ---- reading ---- */

static int by_id(const void *left, const void *right)
{
	const struct member *a = left, *b = right;

	return object_compare(&a->id, &b->id);
}

void inventory_sort(struct inventory *inventory)
{
	if (inventory->members.n)
		qsort(inventory->members.items, inventory->members.n, sizeof(*inventory->members.items), by_id);
}

const struct member *inventory_find(const struct inventory *inventory, const struct object_id *id)
{
	const struct member wanted = { *id, NULL };

	if (!inventory->members.n)
		return NULL;
	return bsearch(&wanted, inventory->members.items, inventory->members.n, sizeof(wanted), by_id);
}

/* "NAMESPACE/NAME UID", or "NAME UID" of what is in no namespace. */
static void read_line(
	const char *kind, const char *group, const char *line, size_t n, struct arena *a, struct inventory *out)
{
	const char *text = arena_strndup(a, line, n), *space = strchr(text, ' '), *slash = strchr(text, '/');
	struct member *m;

	if (!space || !space[1] || strchr(space + 1, ' ') || (slash && slash > space) ||
		(slash ? slash + 1 : text) == space)
		return;
	m = vec_push(a, &out->members);
	m->id.group = group;
	m->id.kind = kind;
	m->id.namespace = slash ? arena_strndup(a, text, (size_t)(slash - text)) : "";
	m->id.name = slash ? arena_strndup(a, slash + 1, (size_t)(space - slash - 1))
			   : arena_strndup(a, text, (size_t)(space - text));
	m->uid = strcmp(space + 1, pending) ? space + 1 : NULL;
}

void inventory_read(const struct node *parent, struct arena *a, struct inventory *out)
{
	const struct node *data = node_get(parent, "data");

	node_each (it, node_is(data, NODE_MAP) ? data : NULL) {
		const char *dot = strchr(it->key, '.'), *line = node_text(it);
		const char *kind = dot ? arena_strndup(a, it->key, (size_t)(dot - it->key)) : it->key;

		while (line && *line) {
			size_t n = strcspn(line, "\n");

			read_line(kind, dot ? dot + 1 : "", line, n, a, out);
			line += n + (line[n] == '\n');
		}
	}
	inventory_sort(out);
}

/* ---- writing ---- */

/* "Kind.group", or "Kind" of the core group, as the specification has it. */
static const char *group_kind(const struct object_id *id, struct arena *a)
{
	return *id->group ? arena_printf(a, "%s.%s", id->kind, id->group) : id->kind;
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Sorted, each once, with commas: what the specification asks of both annotations. NULL: there are none. */
static const char *join(struct texts *texts, struct arena *a)
{
	struct str out = { .arena = a };

	if (!texts->list.n)
		return NULL;
	qsort(texts->list.items, texts->list.n, sizeof(*texts->list.items), by_text);
	for (size_t i = 0; i < texts->list.n; i++)
		if (!i || strcmp(texts->list.items[i - 1], texts->list.items[i]))
			str_printf(&out, "%s%s", out.n ? "," : "", texts->list.items[i]);
	return str_text(&out);
}

static void put_metadata(
	const struct applyset *set, const struct inventory *inventory, struct node *out, struct arena *a)
{
	struct node *metadata = node_put_map(a, out, "metadata"), *labels, *annotations;
	struct texts kinds = { 0 }, namespaces = { 0 };

	node_put_text(a, metadata, "name", set->name);
	node_put_text(a, metadata, "namespace", set->namespace);
	labels = node_put_map(a, metadata, "labels");
	node_put_text(a, labels, LABEL_SET_ID, set->id);
	vec_each (m, &inventory->members) {
		*vec_push(a, &kinds.list) = group_kind(&m->id, a);
		if (*m->id.namespace && strcmp(m->id.namespace, set->namespace))
			*vec_push(a, &namespaces.list) = m->id.namespace;
	}
	annotations = node_put_map(a, metadata, "annotations");
	/* The version is that of this form, not the program's: an upgrade alone is no change. */
	node_put_text(a, annotations, ANNOTATION_TOOLING, TOOL "v1");
	node_put_text(a, annotations, ANNOTATION_KINDS, join(&kinds, a));
	node_put_text(a, annotations, ANNOTATION_NAMESPACES, join(&namespaces, a));
}

const struct node *inventory_parent(const struct applyset *set, const struct inventory *inventory, struct arena *a)
{
	struct node *out = arena_new(a, struct node), *data;
	const struct member *first = inventory->members.items, *end = first ? first + inventory->members.n : NULL;

	out->type = NODE_MAP;
	node_put_text(a, out, "apiVersion", "v1");
	node_put_text(a, out, "kind", "ConfigMap");
	put_metadata(set, inventory, out, a);
	data = first ? node_put_map(a, out, "data") : NULL;
	while (first && first != end) {
		struct str lines = { .arena = a };
		const struct member *m = first;

		for (; m != end && object_is(&m->id, first->id.group, first->id.kind); m++)
			str_printf(&lines, "%s%s%s %s\n", m->id.namespace, *m->id.namespace ? "/" : "", m->id.name,
				m->uid ? m->uid : pending);
		node_put_text(a, data, group_kind(&first->id, a), str_text(&lines));
		first = m;
	}
	return out;
}

/* ---- comparing ---- */

static bool annotations_agree(const struct node *live, const struct node *parent)
{
	static const char *const ours[] = { ANNOTATION_TOOLING, ANNOTATION_KINDS, ANNOTATION_NAMESPACES };

	for (size_t i = 0; i < array_len(ours); i++) {
		const char *is = shape_annotation(live, ours[i]), *should = shape_annotation(parent, ours[i]);

		if (!is || !should ? is != should : strcmp(is, should) != 0)
			return false;
	}
	return true;
}

static bool members_agree(const struct inventory *is, const struct inventory *should)
{
	for (size_t i = 0; is->members.n == should->members.n && i < is->members.n; i++) {
		const struct member *x = &is->members.items[i], *y = &should->members.items[i];

		if (object_compare(&x->id, &y->id) || !x->uid || !y->uid || strcmp(x->uid, y->uid) != 0)
			return false;
	}
	return is->members.n == should->members.n;
}

bool inventory_agrees(const struct applyset *set, const struct inventory *inventory, struct arena *a)
{
	const char *id = shape_label(set->parent, LABEL_SET_ID);

	return id && !strcmp(id, set->id) && members_agree(&set->inventory, inventory) &&
	       annotations_agree(set->parent, inventory_parent(set, inventory, a));
}

const char *inventory_foreign_tool(const struct node *live)
{
	const char *tool = shape_annotation(live, ANNOTATION_TOOLING);

	return tool && !str_starts(tool, TOOL) ? tool : NULL;
}

static void add_member(const struct object *o, struct arena *a, struct inventory *out)
{
	struct member *m = vec_push(a, &out->members);

	m->id = object_place(o);
	m->uid = o->uid;
}

void inventory_now(const struct state *live, size_t set, struct arena *a, struct inventory *out)
{
	vec_each (o, &live->objects)
		if (o->labelled == set && o->uid)
			add_member(o, a, out);
	inventory_sort(out);
}

void inventory_then(const struct state *live, size_t set, struct arena *a, struct inventory *out)
{
	vec_each (o, &live->objects)
		if (o->fate == FATE_APPLY ? o->set == set : o->labelled == set && o->fate != FATE_PRUNE)
			add_member(o, a, out);
	inventory_sort(out);
}
