#include "objects_case.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "targets/objects/inventory.h"

struct arena arena;
struct diags diags;

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

const char *case_diags(void)
{
	struct str out = { .arena = &arena };

	vec_each (d, &diags.list)
		str_printf(&out, "%s\n", diag_line(d, &arena));
	return str_text(&out);
}

const struct site *case_site(const char *text, const char *node)
{
	struct source_file file = { .path = "mesh.yaml",
		.shown = "mesh.yaml",
		.document = true,
		.content = { text, strlen(text) },
		.loaded = true };
	struct tree tree = { .origin = "test", .revision = "", .files = &file, .n_files = 1 };
	struct config config = { 0 };
	const struct model *model;
	const struct site *site = NULL;

	diags = (struct diags){ .arena = &arena };
	if (config_read(&tree, &arena, &config, &diags)) {
		model = model_load(&config, &arena, &diags);
		if (model)
			site = site_make(model, node, &tree, &arena, &diags);
	}
	if (!site)
		fail_msg("%s", case_diags());
	return site;
}

const struct node *case_json(const char *text)
{
	const char *problem = NULL;
	const struct node *n = json_read(text, strlen(text), &arena, &problem);

	if (!n)
		fail_msg("%s: %s", problem, text);
	return n;
}

struct state *case_live(void)
{
	struct state *live = arena_new(&arena, struct state);
	struct applyset *set = vec_push(&arena, &live->sets);

	*set = (struct applyset){ .kind = SET_MESH, .namespace = "ns", .name = "enmesh-mesh-m", .wanted = true };
	set->id = inventory_set_id(set->namespace, set->name, &arena);
	return live;
}

static struct object_id workload(const char *name)
{
	return (struct object_id){ "networking.istio.io", "WorkloadEntry", "ns", arena_strdup(&arena, name) };
}

struct object *case_object(struct state *live, const char *name, enum fate fate, const char *uid)
{
	struct object *o = vec_push(&arena, &live->objects);

	o->id = workload(name);
	o->api_version = "networking.istio.io/v1";
	o->namespace = "ns";
	o->uid = uid;
	o->labelled = uid ? 0 : SET_NONE;
	o->fate = fate;
	if (uid)
		o->before = case_json("{\"spec\":{\"address\":\"1\"}}");
	if (fate != FATE_PRUNE)
		o->body = o->after = case_json("{\"spec\":{\"address\":\"2\"}}");
	return o;
}

void case_member(struct state *live, const char *name, const char *uid)
{
	struct member *m = vec_push(&arena, &live->sets.items[0].inventory.members);

	m->id = workload(name);
	m->uid = uid;
	inventory_sort(&live->sets.items[0].inventory);
}
