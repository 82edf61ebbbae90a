#include "config/yaml.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/str.h"
#include "config/scalar.h"

static void emit(yaml_emitter_t *e, yaml_event_t *event)
{
	if (!yaml_emitter_emit(e, event) && e->error == YAML_MEMORY_ERROR)
		mem_exhausted();
}

static void emit_scalar(yaml_emitter_t *e, const char *text, size_t size, yaml_scalar_style_t style)
{
	yaml_event_t event;

	if (!yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)size, 1, 1, style))
		mem_exhausted();
	emit(e, &event);
}

static void emit_string(yaml_emitter_t *e, const char *text, size_t size)
{
	yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;
	struct arena a = { 0 };

	text = str_valid(text, size, &a);
	if (strchr(text, '\n'))
		style = YAML_LITERAL_SCALAR_STYLE;
	else if (scalar_needs_quotes(text))
		style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	emit_scalar(e, text, strlen(text), style);
	arena_finish(&a);
}

static void emit_number(yaml_emitter_t *e, const struct node *n)
{
	char text[64];
	int size = n->type == NODE_INT ? snprintf(text, sizeof(text), "%" PRId64, n->integer)
				       : snprintf(text, sizeof(text), "%.17g", n->real);

	emit_scalar(e, text, (size_t)size, YAML_PLAIN_SCALAR_STYLE);
}

static void emit_node(yaml_emitter_t *e, const struct node *n)
{
	yaml_event_t event;

	switch (n->type) {
	case NODE_NULL:
		emit_scalar(e, "null", 4, YAML_PLAIN_SCALAR_STYLE);
		break;
	case NODE_BOOL:
		emit_scalar(e, n->boolean ? "true" : "false", n->boolean ? 4 : 5, YAML_PLAIN_SCALAR_STYLE);
		break;
	case NODE_INT:
	case NODE_REAL:
		emit_number(e, n);
		break;
	case NODE_STRING:
		emit_string(e, n->string, n->n);
		break;
	case NODE_LIST:
		yaml_sequence_start_event_initialize(
			&event, NULL, NULL, 1, n->n ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE);
		emit(e, &event);
		node_each (it, n)
			emit_node(e, it);
		yaml_sequence_end_event_initialize(&event);
		emit(e, &event);
		break;
	case NODE_MAP:
		yaml_mapping_start_event_initialize(
			&event, NULL, NULL, 1, n->n ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE);
		emit(e, &event);
		node_each (it, n) {
			emit_string(e, it->key, strlen(it->key));
			emit_node(e, it);
		}
		yaml_mapping_end_event_initialize(&event);
		emit(e, &event);
		break;
	}
}

static int collect(void *out, unsigned char *data, size_t size)
{
	str_add_n(out, (const char *)data, size);
	return 1;
}

const char *yaml_write(const struct node *n, struct arena *a)
{
	scoped(yaml_emitter_delete) yaml_emitter_t e;
	struct str out = { .arena = a };
	yaml_event_t event;

	if (!yaml_emitter_initialize(&e))
		mem_exhausted();
	yaml_emitter_set_output(&e, collect, &out);
	yaml_emitter_set_unicode(&e, 1);
	yaml_emitter_set_width(&e, -1);
	yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
	emit(&e, &event);
	yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
	emit(&e, &event);
	emit_node(&e, n);
	yaml_document_end_event_initialize(&event, 1);
	emit(&e, &event);
	yaml_stream_end_event_initialize(&event);
	emit(&e, &event);
	if (!str_ends(str_text(&out), "\n")) /* a text that is the whole document */
		str_add(&out, "\n");
	return str_text(&out);
}
