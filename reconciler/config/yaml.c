#include "config/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/str.h"

struct anchor {
	const char *name;
	const struct node *node;
	size_t size; /* nodes in it, aliases expanded */
};

struct reader {
	yaml_parser_t parser;
	const char *file;
	struct arena *arena;
	struct diags *diags;
	vec_of(struct anchor) anchors;
	size_t aliased; /* nodes that aliases stand for so far */
	bool failed;    /* the rest of the file can't be read */
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

/* Line and column of a byte: libyaml gives no mark for a character that it can't read. */
static struct pos place_of_offset(const struct reader *r, size_t offset)
{
	const char *text = (const char *)r->parser.input.string.start;
	struct pos pos = { r->file, 1, 1, NULL };

	for (size_t i = 0; i < offset && text + i < (const char *)r->parser.input.string.end; i++) {
		if (text[i] == '\n') {
			pos.line++;
			pos.column = 1;
		} else if ((text[i] & 0xc0) != 0x80) {
			pos.column++;
		}
	}
	return pos;
}

static bool syntax_error(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem ? p->problem : "this is no YAML";
	const char *text;

	if (p->error == YAML_MEMORY_ERROR)
		mem_exhausted();
	if (p->error == YAML_READER_ERROR)
		return stop(r, place_of_offset(r, p->problem_offset),
			arena_printf(r->arena, "%s; the text must be UTF-8 without control characters", problem));
	/* For what is opened and never closed, the place of the opening says more. */
	if (p->context && strstr(p->context, "flow")) {
		text = arena_printf(r->arena, "%s, %s at line %zu", p->context, problem, p->problem_mark.line + 1);
		return stop(r, place(r, p->context_mark), text);
	}
	text = p->context ? arena_printf(r->arena, "%s %s", problem, p->context) : problem;
	if (strstr(text, "mapping keys are not allowed"))
		text = arena_printf(r->arena, "%s; a value with ': ' in it needs quotes", text);
	return stop(r, place(r, p->problem_mark), text);
}

static bool next_event(struct reader *r, yaml_event_t *event)
{
	return yaml_parser_parse(&r->parser, event) ? true : syntax_error(r);
}

/* ---- scalars ---- */

static bool all_in(const char *s, const char *set)
{
	return *s && !s[strspn(s, set)];
}

static bool is_decimal(const char *s)
{
	return all_in(s + (*s == '-' || *s == '+'), "0123456789");
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_real(const char *s)
{
	size_t before, after = 0;

	s += *s == '-' || *s == '+';
	before = strspn(s, "0123456789");
	s += before;
	if (*s == '.') {
		s++;
		after = strspn(s, "0123456789");
		s += after;
	}
	if (!before && !after)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		return all_in(s, "0123456789");
	}
	return !*s;
}

static bool set_integer(struct reader *r, struct node *n, const char *digits, int base)
{
	const char *sign = digits + (*digits == '-' || *digits == '+');
	long long value;

	if (base == 10 && sign[0] == '0' && sign[1])
		return mistake(r, node_pos(n),
			arena_printf(r->arena,
				"the integer %s begins with 0, which YAML 1.1 and 1.2 read differently; write it "
				"without 0, "
				"or in quotes if it is a string",
				digits));
	errno = 0;
	value = strtoll(digits, NULL, base);
	if (errno == ERANGE)
		return mistake(r, node_pos(n), "the integer is too large; write it in quotes if it is a string");
	node_set_int(n, value);
	return true;
}

static bool set_real(struct reader *r, struct node *n, const char *s)
{
	double value = strtod(s, NULL);

	if (!isfinite(value))
		return mistake(r, node_pos(n), "the number is too large");
	n->type = NODE_REAL;
	n->real = value;
	return true;
}

static bool is_word(const char *s, const char *lower, const char *title, const char *upper)
{
	return !strcmp(s, lower) || !strcmp(s, title) || !strcmp(s, upper);
}

static bool set_plain(struct reader *r, struct node *n, const char *s)
{
	const char *unsigned_ = s + (*s == '-' || *s == '+');

	if (!*s || !strcmp(s, "~") || is_word(s, "null", "Null", "NULL"))
		return true;
	if (is_word(s, "true", "True", "TRUE") || is_word(s, "false", "False", "FALSE")) {
		node_set_bool(n, tolower((unsigned char)*s) == 't');
		return true;
	}
	if (is_decimal(s))
		return set_integer(r, n, s, 10);
	if (str_starts(s, "0x") && all_in(s + 2, "0123456789abcdefABCDEF"))
		return set_integer(r, n, s + 2, 16);
	if (str_starts(s, "0o") && all_in(s + 2, "01234567"))
		return set_integer(r, n, s + 2, 8);
	if (is_real(s))
		return set_real(r, n, s);
	if (is_word(unsigned_, ".inf", ".Inf", ".INF") || is_word(s, ".nan", ".NaN", ".NAN"))
		return mistake(r, node_pos(n), "JSON has no such number; write it in quotes if it is a string");
	node_set_text(r->arena, n, s);
	return true;
}

/* 0: no tag, or "!", which makes a string of a scalar. */
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
	return 0;
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
	const char *value = (const char *)event->data.scalar.value;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	char type = tag_type(r, event->data.scalar.tag, node_pos(n));

	if (memchr(value, 0, event->data.scalar.length))
		return mistake(r, node_pos(n), "a string must not contain a NUL character");
	if (type == 's' || (!type && !plain)) {
		node_set_text(r->arena, n, value);
		return true;
	}
	if (!set_plain(r, n, value))
		return false;
	return matches_tag(n, type) || mistake(r, node_pos(n), "the value is not of the type that its tag says");
}

/* ---- collections ---- */

static void keep_anchor(struct reader *r, const yaml_char_t *name, const struct node *n, size_t size)
{
	struct anchor *anchor;

	if (!name)
		return;
	anchor = vec_push(r->arena, &r->anchors);
	anchor->name = arena_strdup(r->arena, (const char *)name);
	anchor->node = arena_dup(r->arena, n, sizeof(*n));
	anchor->size = size;
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
		*out = *anchor->node;
		out->parent = NULL;
		return true;
	}
	return mistake(r, pos,
		arena_printf(
			r->arena, "the anchor &%s of this alias is not defined before it, or contains it", name));
}

static struct node *copy_items(struct reader *r, const struct node *items, size_t n)
{
	return arena_dup(r->arena, items, n * sizeof(*items));
}

static bool read_list(struct reader *r, struct node *out, int depth, size_t *size)
{
	vec_of(struct node) items = { 0 };

	out->type = NODE_LIST;
	for (;;) {
		yaml_event_t event;
		bool end;

		if (!next_event(r, &event))
			return false;
		end = event.type == YAML_SEQUENCE_END_EVENT;
		if (!end)
			read_node(r, &event, vec_push(r->arena, &items), depth + 1, size);
		yaml_event_delete(&event);
		if (r->failed)
			return false;
		if (end)
			break;
	}
	out->n = (uint32_t)items.n;
	out->items = copy_items(r, items.items, items.n);
	return true;
}

struct members {
	vec_of(struct node) list;
	vec_of(struct node) merged; /* values of `<<` */
};

static int by_key(const void *left, const void *right)
{
	const struct node *a = *(const struct node *const *)left, *b = *(const struct node *const *)right;
	int order = strcmp(a->key, b->key);

	return order ? order : (a > b) - (a < b);
}

static void find_duplicates(struct reader *r, const struct node *items, size_t n)
{
	const struct node **order = arena_alloc(r->arena, n * sizeof(*order));

	for (size_t i = 0; i < n; i++)
		order[i] = &items[i];
	qsort(order, n, sizeof(const struct node *), by_key);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(order[i - 1]->key, order[i]->key))
			continue;
		mistake(r, (struct pos){ r->file, order[i]->key_line, order[i]->key_column, NULL },
			arena_printf(r->arena, "the name '%s' is here twice, first at line %u", order[i]->key,
				order[i - 1]->key_line));
	}
}

/* https://yaml.org/type/merge.html: the map's own names win, then the earlier of the merged maps. */
static void merge_map(struct reader *r, const struct node *from, struct members *m)
{
	if (from->type != NODE_MAP) {
		mistake(r, node_pos(from), "expected a map, or a list of maps, to merge");
		return;
	}
	node_each(it, from)
	{
		bool known = false;

		vec_each (own, &m->list)
			known |= !strcmp(own->key, it->key);
		if (known)
			continue;
		*vec_push(r->arena, &m->list) = *it;
		m->list.items[m->list.n - 1].parent = NULL;
	}
}

static void merge(struct reader *r, struct members *m)
{
	vec_each (it, &m->merged) {
		if (it->type == NODE_LIST)
			node_each(map, it) merge_map(r, map, m);
		else
			merge_map(r, it, m);
	}
}

static bool read_key(struct reader *r, const yaml_event_t *event, struct node *key)
{
	if (event->type != YAML_SCALAR_EVENT)
		return stop(r, place(r, event->start_mark), "expected a name, found a list, a map or an alias");
	if (memchr(event->data.scalar.value, 0, event->data.scalar.length))
		return stop(r, place(r, event->start_mark), "a name must not contain a NUL character");
	key->key = arena_strdup(r->arena, (const char *)event->data.scalar.value);
	key->key_line = (uint32_t)event->start_mark.line + 1;
	key->key_column = (uint32_t)event->start_mark.column + 1;
	return true;
}

static bool read_member(struct reader *r, const yaml_event_t *key, struct members *m, int depth, size_t *size)
{
	struct node named = { 0 }, value = { 0 };
	yaml_event_t event;
	bool merged;

	if (!read_key(r, key, &named))
		return false;
	merged = !strcmp(named.key, "<<") && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (!next_event(r, &event))
		return false;
	read_node(r, &event, &value, depth + 1, size);
	yaml_event_delete(&event);
	value.key = named.key;
	value.key_line = named.key_line;
	value.key_column = named.key_column;
	if (merged)
		*vec_push(r->arena, &m->merged) = value;
	else
		*vec_push(r->arena, &m->list) = value;
	return !r->failed;
}

static bool read_map(struct reader *r, struct node *out, int depth, size_t *size)
{
	struct members m = { 0 };

	out->type = NODE_MAP;
	for (;;) {
		yaml_event_t event;
		bool end;

		if (!next_event(r, &event))
			return false;
		end = event.type == YAML_MAPPING_END_EVENT;
		if (!end)
			read_member(r, &event, &m, depth, size);
		yaml_event_delete(&event);
		if (r->failed)
			return false;
		if (end)
			break;
	}
	find_duplicates(r, m.list.items, m.list.n);
	merge(r, &m);
	out->n = (uint32_t)m.list.n;
	out->items = copy_items(r, m.list.items, m.list.n);
	return true;
}

static bool wrong_tag(struct reader *r, const yaml_char_t *tag, char wanted, const struct node *n)
{
	char type = tag_type(r, tag, node_pos(n));

	return type && type != wanted &&
	       !mistake(r, node_pos(n), "the value is not of the type that its tag says");
}

static bool read_node(struct reader *r, const yaml_event_t *event, struct node *out, int depth, size_t *size)
{
	size_t inside = 1;
	bool ok = false;

	out->file = r->file;
	out->line = (uint32_t)event->start_mark.line + 1;
	out->column = (uint32_t)event->start_mark.column + 1;
	if (depth > YAML_DEPTH_MAX)
		return stop(
			r, node_pos(out), arena_printf(r->arena, "nested deeper than %d levels", YAML_DEPTH_MAX));
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		ok = read_scalar(r, event, out);
		keep_anchor(r, event->data.scalar.anchor, out, inside);
		break;
	case YAML_SEQUENCE_START_EVENT:
		wrong_tag(r, event->data.sequence_start.tag, 'l', out);
		ok = read_list(r, out, depth, &inside);
		keep_anchor(r, event->data.sequence_start.anchor, out, inside);
		break;
	case YAML_MAPPING_START_EVENT:
		wrong_tag(r, event->data.mapping_start.tag, 'm', out);
		ok = read_map(r, out, depth, &inside);
		keep_anchor(r, event->data.mapping_start.anchor, out, inside);
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
	*size += inside;
	return ok;
}

static void read_documents(struct reader *r, struct yaml_documents *out)
{
	for (bool end = false; !end && !r->failed;) {
		yaml_event_t event;

		if (!next_event(r, &event))
			return;
		end = event.type == YAML_STREAM_END_EVENT;
		if (event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_START_EVENT &&
			event.type != YAML_DOCUMENT_END_EVENT && !end) {
			struct node *root = arena_new(r->arena, struct node);
			size_t size = 0;

			r->anchors.n = 0;
			read_node(r, &event, root, 0, &size);
			node_link(root);
			if (!r->failed && root->type != NODE_NULL)
				*vec_push(r->arena, &out->list) = root;
		}
		yaml_event_delete(&event);
	}
}

static void parser_finish(struct reader *r)
{
	yaml_parser_delete(&r->parser);
}

bool yaml_read(
	const char *file, const struct bytes *text, struct arena *a, struct yaml_documents *out, struct diags *d)
{
	scoped(parser_finish) struct reader r = { .file = file, .arena = a, .diags = d, .ok = true };

	if (!yaml_parser_initialize(&r.parser))
		mem_exhausted();
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text->data, text->size);
	read_documents(&r, out);
	return r.ok;
}
