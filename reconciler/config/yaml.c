#include "config/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/str.h"
#include "config/scalar.h"
#include "config/yaml_problem.h"

enum { FEW_NAMES = 16 };

struct anchor {
	const char *name;
	struct node node;
	size_t size; /* nodes in it, aliases expanded */
};

struct reader {
	yaml_parser_t parser;
	const char *file;
	struct bytes text;
	struct arena *arena, scratch;
	struct diags *diags;
	vec_of(struct anchor) anchors; /* of the document; in scratch */
	vec_of(struct node) open;      /* items of the lists and maps that are not at their end; in scratch */
	size_t aliased;                /* nodes that aliases stand for so far */
	bool failed;                   /* the rest of the file can't be read */
	bool ok;
};

static bool read_node(struct reader *r, const yaml_event_t *event, struct node *out, int depth, size_t *size);

static struct pos place(const struct reader *r, yaml_mark_t mark)
{
	return (struct pos){ r->file, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1, NULL };
}

static bool mistake(struct reader *r, struct pos pos, const char *message)
{
	r->ok = false;
	return diag_error(r->diags, pos, "%s", message);
}

/* After this the file can't be read further. */
static bool stop(struct reader *r, struct pos pos, const char *message)
{
	r->failed = true;
	return mistake(r, pos, message);
}

static bool syntax_error(struct reader *r)
{
	struct pos pos = { .file = r->file };
	const char *message;

	if (r->parser.error == YAML_MEMORY_ERROR)
		mem_exhausted();
	message = yaml_problem(&r->parser, &r->text, r->arena, &pos);
	return stop(r, pos, message);
}

static bool next_event(struct reader *r, yaml_event_t *event)
{
	return yaml_parser_parse(&r->parser, event) ? true : syntax_error(r);
}

/* 0: no tag; '?': an unknown one, about which an error was added. "!" makes a string of a scalar. */
static char tag_type(struct reader *r, const yaml_char_t *tag, struct pos pos)
{
	static const struct {
		const char *tag;
		char type;
	} core[] = {
		{ YAML_STR_TAG, 's' },
		{ YAML_INT_TAG, 'i' },
		{ YAML_FLOAT_TAG, 'f' },
		{ YAML_BOOL_TAG, 'b' },
		{ YAML_NULL_TAG, 'n' },
		{ YAML_SEQ_TAG, 'l' },
		{ YAML_MAP_TAG, 'm' },
		{ "!", 's' },
	};

	if (!tag)
		return 0;
	for (size_t i = 0; i < array_len(core); i++)
		if (!strcmp((const char *)tag, core[i].tag))
			return core[i].type;
	mistake(r, pos,
		arena_printf(r->arena, "the tag %s is not known here; only those of YAML's core schema are", tag));
	return '?';
}

static bool matches_tag(const struct node *n, char type)
{
	return type == 's'   ? n->type == NODE_STRING
	       : type == 'i' ? n->type == NODE_INT
	       : type == 'f' ? n->type == NODE_REAL || n->type == NODE_INT
	       : type == 'b' ? n->type == NODE_BOOL
	       : type == 'n' ? n->type == NODE_NULL
			     : !type;
}

static bool read_scalar(struct reader *r, const yaml_event_t *event, struct node *n)
{
	const char *value = (const char *)event->data.scalar.value, *problem;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	char type = tag_type(r, event->data.scalar.tag, node_pos(n));

	if (type == '?')
		return false;
	if (memchr(value, 0, event->data.scalar.length))
		return mistake(r, node_pos(n), "a string must not contain a NUL character");
	if (type == 's' || (!type && !plain)) {
		node_set_text(r->arena, n, value);
		return true;
	}
	problem = scalar_read(value, n, r->arena);
	if (problem)
		return mistake(r, node_pos(n), problem);
	return matches_tag(n, type) || mistake(r, node_pos(n), "the value is not of the type that its tag says");
}

/* ---- collections ---- */

static void keep_anchor(struct reader *r, const yaml_char_t *name, const struct node *n, size_t size)
{
	struct anchor *anchor;

	if (!name || r->failed)
		return;
	if (r->anchors.n == YAML_ANCHORS_MAX) {
		stop(r, node_pos(n),
			arena_printf(r->arena, "the document has more than %d anchors", YAML_ANCHORS_MAX));
		return;
	}
	anchor = vec_push(&r->scratch, &r->anchors);
	anchor->name = arena_strdup(&r->scratch, (const char *)name);
	anchor->node = *n;
	anchor->size = size;
}

static bool copy_anchored(const struct node *anchored, struct node *out)
{
	struct node named = *out;

	*out = *anchored;
	out->key = named.key;
	out->key_line = named.key_line;
	out->key_column = named.key_column;
	return !out->broken;
}

static bool read_alias(struct reader *r, const yaml_event_t *event, struct node *out, size_t *size)
{
	const char *name = (const char *)event->data.alias.anchor;
	struct pos pos = place(r, event->start_mark);

	/* The last one of a name counts. */
	for (size_t i = r->anchors.n; i-- > 0;) {
		const struct anchor *anchor = &r->anchors.items[i];

		if (strcmp(anchor->name, name))
			continue;
		r->aliased += anchor->size;
		if (r->aliased > YAML_ALIASED_NODES_MAX)
			return stop(r, pos,
				arena_printf(r->arena, "the aliases of this file stand for more than %d values",
					YAML_ALIASED_NODES_MAX));
		*size += anchor->size;
		return copy_anchored(&anchor->node, out);
	}
	return mistake(r, pos,
		arena_printf(
			r->arena, "the anchor &%s of this alias is not defined before it, or contains it", name));
}

/* Moves the items that were read since there were `first` open ones to where they stay. */
static void close_items(struct reader *r, size_t first, struct node *out)
{
	out->n = (uint32_t)(r->open.n - first);
	if (out->n)
		out->items = arena_dup(r->arena, &r->open.items[first], out->n * sizeof(*out->items));
	r->open.n = first;
}

static bool read_list(struct reader *r, struct node *out, int depth, size_t *size)
{
	size_t first = r->open.n;

	for (bool end = false; !end;) {
		struct node item = { 0 };
		yaml_event_t event;

		if (!next_event(r, &event))
			return false;
		end = event.type == YAML_SEQUENCE_END_EVENT;
		if (!end) {
			read_node(r, &event, &item, depth + 1, size);
			*vec_push(&r->scratch, &r->open) = item;
		}
		yaml_event_delete(&event);
		if (r->failed)
			return false;
	}
	out->type = NODE_LIST;
	close_items(r, first, out);
	return true;
}

/* In pairs, which for few names, as nearly all maps have, is quicker than to sort them. */
static bool repeats_name(const struct node *items, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (items[i].key[0] == items[j].key[0] && !strcmp(items[i].key, items[j].key))
				return true;
	return false;
}

static int by_key(const void *left, const void *right)
{
	const struct node *a = *(struct node *const *)left, *b = *(struct node *const *)right;
	int order = strcmp(a->key, b->key);

	return order ? order : (a > b) - (a < b);
}

/*
 * https://yaml.org/type/merge.html: of the open items from `first` on, the map's own come first and win; then the
 * earlier of the merged ones does, which begin at `merged`. Two own ones of one name are a mistake.
 */
static void settle_names(struct reader *r, size_t first, size_t merged)
{
	size_t n = r->open.n - first, kept = 0;
	struct node *items, **order;

	if (n < 2)
		return;
	items = &r->open.items[first];
	if (n <= FEW_NAMES && !repeats_name(items, n))
		return;
	order = mem_alloc(n * sizeof(*order));
	for (size_t i = 0; i < n; i++)
		order[i] = &items[i];
	qsort(order, n, sizeof(*order), by_key);
	for (size_t i = 1, one = 0; i < n; i++) {
		if (strcmp(order[one]->key, order[i]->key))
			one = i;
		else if (order[i] >= r->open.items + merged)
			order[i]->key = NULL;
		else
			mistake(r, (struct pos){ r->file, order[i]->key_line, order[i]->key_column, NULL },
				arena_printf(r->arena, "the name '%s' is here twice, first at line %u",
					order[i]->key, order[one]->key_line));
	}
	free(order);
	for (size_t i = 0; i < n; i++)
		if (items[i].key)
			items[kept++] = items[i];
	r->open.n = first + kept;
}

static void merge_map(struct reader *r, const struct node *from)
{
	if (from->type != NODE_MAP && !from->broken)
		mistake(r, node_pos(from), "expected a map, or a list of maps, to merge");
	if (from->type != NODE_MAP)
		return;
	node_each (it, from) {
		struct node *item = vec_push(&r->scratch, &r->open);

		*item = *it;
		item->parent = NULL;
	}
}

static bool read_key(struct reader *r, const yaml_event_t *event, struct node *named)
{
	struct pos pos = place(r, event->start_mark);

	if (event->type != YAML_SCALAR_EVENT)
		return stop(r, pos,
			arena_printf(r->arena, "expected a name, found %s%s",
				event->type == YAML_ALIAS_EVENT           ? "an alias"
				: event->type == YAML_MAPPING_START_EVENT ? "a map"
									  : "a list",
				yaml_template_hint(&r->text, event->start_mark.line)));
	if (memchr(event->data.scalar.value, 0, event->data.scalar.length))
		return stop(r, pos, "a name must not contain a NUL character");
	tag_type(r, event->data.scalar.tag, pos);
	named->key = arena_strdup(r->arena, (const char *)event->data.scalar.value);
	named->key_line = pos.line;
	named->key_column = pos.column;
	return true;
}

static bool is_merge(const yaml_event_t *key)
{
	return key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       !strcmp((const char *)key->data.scalar.value, "<<");
}

static bool read_member(struct reader *r, const yaml_event_t *key, struct node *merged, int depth, size_t *size)
{
	struct node item = { 0 };
	yaml_event_t event;

	if (!read_key(r, key, &item) || !next_event(r, &event))
		return false;
	read_node(r, &event, &item, depth + 1, size);
	yaml_event_delete(&event);
	if (!is_merge(key))
		*vec_push(&r->scratch, &r->open) = item;
	else if (merged->key)
		mistake(r, place(r, key->start_mark),
			arena_printf(r->arena,
				"the name '<<' is here twice, first at line %u; it takes a list of maps",
				merged->key_line));
	else
		*merged = item;
	return !r->failed;
}

static bool read_map(struct reader *r, struct node *out, int depth, size_t *size)
{
	size_t first = r->open.n, own;
	struct node merged = { 0 };

	for (bool end = false; !end;) {
		yaml_event_t event;

		if (!next_event(r, &event))
			return false;
		end = event.type == YAML_MAPPING_END_EVENT;
		if (!end)
			read_member(r, &event, &merged, depth, size);
		yaml_event_delete(&event);
		if (r->failed)
			return false;
	}
	own = r->open.n;
	if (merged.key && merged.type != NODE_LIST)
		merge_map(r, &merged);
	else
		node_each (map, &merged)
			merge_map(r, map);
	settle_names(r, first, own);
	out->type = NODE_MAP;
	close_items(r, first, out);
	return true;
}

/* Of a list or map. */
static bool has_tag(struct reader *r, const yaml_char_t *tag, char wanted, const struct node *n)
{
	char type = tag_type(r, tag, node_pos(n));

	if (!type || type == wanted || type == '?')
		return type != '?';
	return mistake(r, node_pos(n), "the value is not of the type that its tag says");
}

/* What `out` has as the name of an item stays. */
static bool read_node(struct reader *r, const yaml_event_t *event, struct node *out, int depth, size_t *size)
{
	const yaml_char_t *anchor = NULL;
	size_t inside = 1;
	bool ok = false, right;

	out->file = r->file;
	out->line = (uint32_t)event->start_mark.line + 1;
	out->column = (uint32_t)event->start_mark.column + 1;
	if (depth > YAML_DEPTH_MAX)
		return stop(
			r, node_pos(out), arena_printf(r->arena, "nested deeper than %d levels", YAML_DEPTH_MAX));
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		ok = read_scalar(r, event, out);
		anchor = event->data.scalar.anchor;
		break;
	case YAML_SEQUENCE_START_EVENT:
		right = has_tag(r, event->data.sequence_start.tag, 'l', out);
		ok = read_list(r, out, depth, &inside) && right;
		anchor = event->data.sequence_start.anchor;
		break;
	case YAML_MAPPING_START_EVENT:
		right = has_tag(r, event->data.mapping_start.tag, 'm', out);
		ok = read_map(r, out, depth, &inside) && right;
		anchor = event->data.mapping_start.anchor;
		break;
	case YAML_ALIAS_EVENT:
		inside = 0;
		ok = read_alias(r, event, out, &inside);
		break;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		ok = stop(r, node_pos(out), "expected a value");
		break;
	}
	out->broken = !ok;
	keep_anchor(r, anchor, out, inside);
	*size += inside;
	return ok;
}

static void read_document(struct reader *r, const yaml_event_t *event, struct yaml_documents *out)
{
	struct node *root = arena_new(r->arena, struct node);
	size_t size = 0;

	r->anchors.n = 0;
	read_node(r, event, root, 0, &size);
	node_link(root);
	if (!r->failed && root->type != NODE_NULL)
		*vec_push(r->arena, &out->list) = root;
}

static void read_documents(struct reader *r, struct yaml_documents *out)
{
	for (bool end = false; !end && !r->failed;) {
		yaml_event_t event;

		if (!next_event(r, &event))
			return;
		end = event.type == YAML_STREAM_END_EVENT;
		if (event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_START_EVENT &&
			event.type != YAML_DOCUMENT_END_EVENT && !end)
			read_document(r, &event, out);
		yaml_event_delete(&event);
	}
}

static void reader_finish(struct reader *r)
{
	yaml_parser_delete(&r->parser);
	arena_finish(&r->scratch);
}

/* libyaml takes a byte order mark for a column of the first line. */
static struct bytes without_mark(const struct bytes *text)
{
	size_t mark = text->size >= 3 && !memcmp(text->data, "\xef\xbb\xbf", 3) ? 3 : 0;

	return (struct bytes){ text->data + mark, text->size - mark };
}

bool yaml_read(
	const char *file, const struct bytes *text, struct arena *a, struct yaml_documents *out, struct diags *d)
{
	scoped(reader_finish) struct reader r = { .file = file, .arena = a, .diags = d, .ok = true };

	r.text = without_mark(text);
	if (!yaml_parser_initialize(&r.parser))
		mem_exhausted();
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)r.text.data, r.text.size);
	read_documents(&r, out);
	return r.ok;
}
