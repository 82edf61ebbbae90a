#include "model/object.h"

#include <string.h>

#include "model/place.h"

static bool is_allowed(const struct mesh *mesh, const struct mesh_object *o)
{
	vec_each (allowed, &mesh->allow) {
		if (strcmp(allowed->group, o->group))
			continue;
		if (!allowed->kinds.list.n)
			return true;
		vec_each (kind, &allowed->kinds.list)
			if (!strcmp(*kind, o->kind))
				return true;
	}
	return false;
}

static struct pos place(const struct mesh_object *o)
{
	return node_pos(node_get(o->root, "kind"));
}

static bool same_kind(const struct mesh_object *a, const struct mesh_object *b)
{
	return !strcmp(a->group, b->group) && !strcmp(a->kind, b->kind);
}

/* "", " and 3 more": of one mistake, one place is named. */
static const char *and_more(size_t n, struct arena *a)
{
	return n ? arena_printf(a, " (and %zu more)", n) : "";
}

/* How many objects from o on are of its kind; they are neighbours. `*first`: the one that comes first in the
 * source. */
static size_t count_kind(const struct model *m, size_t i, const struct mesh_object **first)
{
	const struct mesh_object *items = m->objects.items;
	size_t n = 1;

	*first = &items[i];
	for (; i + n < m->objects.n && same_kind(&items[i], &items[i + n]); n++)
		if (pos_order(place(&items[i + n]), place(*first)) < 0)
			*first = &items[i + n];
	return n;
}

void objects_check(const struct model *m, struct diags *d)
{
	const struct mesh_object *homeless = NULL, *first;
	size_t n_homeless = 0;

	for (size_t i = 0, n; i < m->objects.n; i += n) {
		n = count_kind(m, i, &first);
		if (!is_allowed(m->mesh, first)) {
			diag_error(d, place(first),
				"%s/%s%s is not among the objects that this mesh allows; add its group to "
				"Mesh.spec.objects.allow, or name the file in .enmeshignore",
				first->api_version, first->kind, and_more(n - 1, d->arena));
			continue;
		}
		if (!homeless || pos_order(place(first), place(homeless)) < 0)
			homeless = first;
		n_homeless += n;
	}
	if (homeless && !m->mesh->api_servers.list.n)
		diag_error(d, place(homeless),
			"this object%s has no API server to go to: Mesh.spec.controlPlane.apiServer is missing",
			and_more(n_homeless - 1, d->arena));
}

void writers_check(const struct model *m, const struct config *config, struct diags *d)
{
	const struct selector *writers = &m->mesh->writers;
	const struct mesh_node *first = NULL, *second = NULL;
	bool known;

	if (!m->mesh->api_servers.list.n)
		return;
	if (!writers->node) {
		if (m->nodes.n > 1)
			diag_error(d, node_pos(node_get(m->mesh->node, "spec")),
				"a mesh of %zu nodes needs spec.objects.writers: the node that writes the objects "
				"of the whole "
				"mesh",
				m->nodes.n);
		return;
	}
	known = selector_check_names(writers->node, m, config, d);
	vec_each (node, &m->nodes) {
		known &= !node->broken;
		if (!selector_matches(writers, node))
			continue;
		if (first)
			second = second ? second : node;
		else
			first = node;
	}
	if (second)
		diag_error(d, node_pos(writers->node),
			"the writers are %s, %s and maybe more; exactly one node writes the objects of the whole "
			"mesh",
			first->name, second->name);
	else if (!first && known && !config->unread.n)
		diag_error(d, node_pos(writers->node),
			"no node is selected; exactly one writes the objects of the whole mesh");
}
