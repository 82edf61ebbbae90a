#include "pass/compare.h"

#include <ctype.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/names.h"
#include "base/str.h"
#include "model/place.h"
#include "model/reference.h"

struct comparing {
	struct comparison *out;
	bool mesh_wide_same; /* the objects of the whole mesh are, and what they are made of */
	/* Namespaces with an object that only one revision has a document of: it may stand for what a node would
	 * make itself. */
	struct names replaced;
	struct names keys; /* of the groups */
};

/* ---- what is the same ---- */

/* Documents that both revisions share are one. */
static bool same_document(const struct node *a, const struct node *b)
{
	return a == b || (a && b && node_equal(a, b));
}

#define SAME_LIST(a, b, field)                                                                                    \
	__extension__({                                                                                           \
		bool same_ = (a)->n == (b)->n;                                                                    \
		for (size_t i_ = 0; same_ && i_ < (a)->n; i_++)                                                   \
			same_ = same_document((a)->items[i_].field, (b)->items[i_].field);                        \
		same_;                                                                                            \
	})

static bool same_mesh_wide(const struct model *a, const struct model *b)
{
	return SAME_LIST(&a->objects, &b->objects, root) && SAME_LIST(&a->services, &b->services, node) &&
	       SAME_LIST(&a->nodes, &b->nodes, node);
}

static bool same_service(const struct mesh_service *a, const struct mesh_service *b)
{
	return same_document(a->node, b->node) &&
	       same_document(a->sidecar ? a->sidecar->node : NULL, b->sidecar ? b->sidecar->node : NULL) &&
	       same_document(a->capture ? a->capture->node : NULL, b->capture ? b->capture->node : NULL);
}

static bool same_placed(const struct placed *a, const struct placed *b)
{
	if (a->n_services != b->n_services || a->n_components != b->n_components)
		return false;
	for (size_t i = 0; i < a->n_services; i++)
		if (!same_service(a->services[i], b->services[i]))
			return false;
	for (size_t i = 0; i < a->n_components; i++)
		if (!same_document(a->components[i]->node, b->components[i]->node))
			return false;
	return true;
}

static const char *namespace_of(const struct mesh_object *o)
{
	return o->namespace ? o->namespace : OBJECT_NAMESPACE_DEFAULT;
}

/* Notes the namespaces of the objects that `m` has and `other` has not. */
static void find_replaced(struct comparing *c, const struct model *m, const struct model *other)
{
	vec_each (o, &m->objects) {
		const char *namespace = namespace_of(o);

		if (!model_find_object(other, o->group, o->kind, namespace, o->name) &&
			names_find(&c->replaced, namespace) == NAMES_NONE)
			names_add(c->out->arena, &c->replaced, namespace, 0);
	}
}

static bool any_replaced(const struct comparing *c, const struct placed *placed)
{
	for (size_t i = 0; c->replaced.n && i < placed->n_services; i++)
		if (names_find(&c->replaced, placed->services[i]->namespace) != NAMES_NONE)
			return true;
	return false;
}

/* What the node's documents name, which must have been read. */
static bool same_files(struct comparing *c, const char *node, struct arena *a)
{
	const struct pass *from = &c->out->from, *to = &c->out->to;
	struct texts paths = { 0 }, others = { 0 };

	if (!site_sources(from->model, node, &from->tree, a, &paths, c->out->diags) ||
		!site_sources(to->model, node, &to->tree, a, &others, c->out->diags))
		return false;
	vec_each (path, &paths.list) {
		const struct source_file *f = source_find(&from->tree, *path), *g = source_find(&to->tree, *path);

		if (!f || !g || !f->loaded || !g->loaded || f->content.size != g->content.size ||
			memcmp(f->content.data, g->content.data, f->content.size))
			return false;
	}
	return true;
}

static bool writes(const struct model *m, const struct mesh_node *node)
{
	return m->mesh->api_servers.list.n &&
	       (!m->mesh->writers.node || selector_matches(&m->mesh->writers, node));
}

/* Whether nothing that the node's part is made of differs. */
static bool is_same(
	struct comparing *c, const struct mesh_node *was, const struct mesh_node *node, struct arena *a)
{
	const struct model *from = c->out->from.model, *to = c->out->to.model;
	struct placed before = place_of(from, was), after = place_of(to, node);

	if (!same_document(from->mesh->node, to->mesh->node) || !same_document(was->node, node->node) ||
		!same_placed(&before, &after) || any_replaced(c, &after))
		return false;
	if ((writes(from, was) || writes(to, node)) && !c->mesh_wide_same)
		return false;
	return same_files(c, node->name, a);
}

/* ---- one node ---- */

/* `was` NULL: the node is new. */
static void plan_node(struct pass *p, const struct site *was, const struct site *want)
{
	p->plan = (struct plan){ .arena = p->arena };
	for (const struct target *const *t = p->targets; *t; t++) {
		struct part *part = vec_push(p->arena, &p->parts);
		const struct state *before = (*t)->desire(was, p->arena);
		struct applied last = { .arena = p->arena };

		*part = (struct part){ .target = *t, .want = (*t)->desire(want, p->arena), .planned = true };
		part->live = (*t)->imagine(before, part->want, p->arena);
		(*t)->record(before, &last);
		(*t)->diff(part->want, part->live, &last, &p->plan);
	}
	plan_order(&p->plan);
}

/*
 * What was there before: the node's own part, and, for who writes the objects of the mesh, these, whoever has
 * written them until now. `was` NULL: the node is new, and has nothing itself. NULL: nothing was there, or `ok` is
 * false.
 */
static const struct site *site_before(
	struct comparing *c, const struct mesh_node *was, const struct mesh_node *node, struct arena *a, bool *ok)
{
	const struct model *from = c->out->from.model;
	bool inherits = writes(c->out->to.model, node) && from->mesh->api_servers.list.n;
	const struct mesh_node *of = was;
	struct site *site;

	if (!was && inherits)
		vec_each (other, &from->nodes)
			if (writes(from, other))
				of = other;
	if (!of)
		return NULL;
	site = pass_make_site(&c->out->from, of->name, a);
	*ok = site != NULL;
	if (site && !was)
		site->workloads.n = site->processes.n = 0;
	if (site && inherits)
		site->writes_mesh = true;
	return site;
}

/* ---- groups ---- */

static bool is_part_of_word(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_';
}

/* The text with a word in the place of each `name` that stands for itself. */
static const char *replace(const char *text, const char *name, const char *word, struct arena *a)
{
	struct str out = { .arena = a };
	size_t n = strlen(name);
	const char *at = text, *found;

	while ((found = strstr(at, name))) {
		bool whole = (found == text || !is_part_of_word(found[-1])) && !is_part_of_word(found[n]);

		str_add_n(&out, at, (size_t)(found - at));
		str_add(&out, whole ? word : name);
		at = found + n;
	}
	str_add(&out, at);
	return str_text(&out);
}

static void add_value(struct str *out, const struct node *value)
{
	str_add(out, value ? json_write(value, JSON_ONE_LINE, out->arena) : "-");
	str_add(out, "\n");
}

/* Equal for nodes whose changes are, but for their name and addresses. */
static const char *key_of(
	const struct pass *p, const struct mesh_node *node, enum presence presence, struct arena *a)
{
	struct str out = { .arena = a };
	const char *text;

	str_printf(&out, "%d\n", presence);
	vec_each (c, &p->plan.changes) {
		str_printf(&out, "%s %d %d %d\n", c->address, c->action, c->cause, c->cost);
		add_value(&out, c->before);
		add_value(&out, c->after);
	}
	text = replace(str_text(&out), node->name, "${node.name}", a);
	vec_each (address, &node->addresses.list)
		text = replace(text, *address, "${node.address}", a);
	return digest_of(text, strlen(text), a);
}

static void add_counts(struct plan_counts *sum, const struct plan_counts *n)
{
	sum->add += n->add;
	sum->change += n->change;
	sum->remove += n->remove;
}

/* True: its memory is kept. */
static bool add_to_group(struct comparing *c, struct pass *p, const struct mesh_node *node, enum presence presence)
{
	struct plan_counts counts = plan_count(&p->plan);
	const char *key = key_of(p, node, presence, p->arena);
	size_t at = names_find(&c->keys, key);
	struct comparison_group *group;
	bool first = at == NAMES_NONE;

	add_counts(&c->out->counts, &counts);
	if (first) {
		at = c->out->groups.n;
		group = vec_push(c->out->arena, &c->out->groups);
		group->presence = presence;
		group->pass = p;
		names_add(c->out->arena, &c->keys, arena_strdup(c->out->arena, key), at);
	}
	*vec_push(c->out->arena, &c->out->groups.items[at].nodes) = node->name;
	return first;
}

static bool compare_node(struct comparing *c, const struct mesh_node *was, const struct mesh_node *node)
{
	const char *name = node ? node->name : was->name;
	enum presence presence = !was ? PRESENCE_NEW : !node ? PRESENCE_GONE : PRESENCE_BOTH;
	struct arena *own = arena_new(c->out->arena, struct arena);
	struct pass *p = arena_new(own, struct pass);
	const struct site *before = NULL, *after = NULL;
	bool kept = false, ok = true;

	if (presence == PRESENCE_BOTH && is_same(c, was, node, own)) {
		arena_finish(own);
		return true;
	}
	if (node) {
		before = site_before(c, was, node, own, &ok);
		after = pass_make_site(&c->out->to, name, own);
		ok &= after != NULL;
	}
	*p = c->out->to;
	p->arena = own;
	p->node = name;
	p->accepted = true;
	/* Where a node is no longer named, nothing is done. */
	if (ok && node)
		plan_node(p, before, after);
	if (ok && (p->plan.changes.n || presence != PRESENCE_BOTH))
		kept = add_to_group(c, p, node ? node : was, presence);
	if (!kept)
		arena_finish(own);
	return ok;
}

/* ---- all ---- */

static bool is_asked_for(const struct comparison *c, const struct mesh_node *node)
{
	return !c->node || !strcmp(c->node, node->name);
}

static bool find_node(const struct comparison *c)
{
	if (!c->node || model_find_node(c->from.model, c->node) || model_find_node(c->to.model, c->node))
		return true;
	return diag_failure(c->diags, "neither revision of the source has a MeshNode '%s'", c->node);
}

bool compare_run(struct comparison *out)
{
	const struct model *from = out->from.model, *to = out->to.model;
	struct comparing c = { .out = out, .mesh_wide_same = same_mesh_wide(from, to) };
	size_t i = 0, j = 0;
	bool ok = find_node(out);

	find_replaced(&c, from, to);
	find_replaced(&c, to, from);
	/* Both are in the order of names. */
	while (ok && (i < from->nodes.n || j < to->nodes.n)) {
		const struct mesh_node *was = i < from->nodes.n ? &from->nodes.items[i] : NULL,
				       *node = j < to->nodes.n ? &to->nodes.items[j] : NULL;
		int order = !was ? 1 : !node ? -1 : strcmp(was->name, node->name);

		i += order <= 0;
		j += order >= 0;
		if (!is_asked_for(out, order <= 0 ? was : node))
			continue;
		out->nodes++;
		ok = compare_node(&c, order <= 0 ? was : NULL, order >= 0 ? node : NULL);
	}
	return ok;
}

void compare_finish(struct comparison *c)
{
	vec_each (group, &c->groups)
		arena_finish(group->pass->arena);
	c->groups.n = 0;
}
