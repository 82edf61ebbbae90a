#include "targets/capture/edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/lcs.h"

struct making {
	const struct ruleset *want, *live;
	struct arena *arena;
	struct edits *out;
	vec_of(const char *) remade; /* sets whose definition changed: rules that use them must go first */
};

static struct edit *add(struct making *m, enum edit_kind kind)
{
	struct edit *e = vec_push(m->arena, &m->out->list);

	e->kind = kind;
	return e;
}

static void remove_rule(struct making *m, const struct chain *live, size_t index)
{
	struct edit *e = add(m, EDIT_REMOVE_RULE);

	e->chain = live;
	e->rule = &live->rules.items[index];
	e->index = index;
}

static void add_rule(struct making *m, const struct chain *want, size_t index, uint64_t before)
{
	struct edit *e = add(m, EDIT_ADD_RULE);

	e->chain = want;
	e->rule = &want->rules.items[index];
	e->index = index;
	e->before = before;
}

/* ---- sets ---- */

static bool same_definition(const struct set *a, const struct set *b)
{
	return a->key == b->key && a->data == b->data && a->interval == b->interval && !a->foreign && !b->foreign;
}

/* Both are sorted. An element whose data changed is removed and added. */
static void diff_elements(struct making *m, const struct set *want, const struct set *live)
{
	struct edit add_them = { .kind = EDIT_ADD_ELEMENTS, .set = want };
	struct edit remove_them = { .kind = EDIT_REMOVE_ELEMENTS, .set = live };
	size_t i = 0, j = 0;

	while (i < want->elements.n || j < live->elements.n) {
		int order = i == want->elements.n ? 1
			    : j == live->elements.n
				    ? -1
				    : element_compare(want, &want->elements.items[i], &live->elements.items[j]);

		if (order < 0)
			*vec_push(m->arena, &add_them.elements) = &want->elements.items[i];
		if (order > 0)
			*vec_push(m->arena, &remove_them.elements) = &live->elements.items[j];
		i += order <= 0;
		j += order >= 0;
	}
	if (remove_them.elements.n)
		*vec_push(m->arena, &m->out->list) = remove_them;
	if (add_them.elements.n)
		*vec_push(m->arena, &m->out->list) = add_them;
}

static void add_whole_set(struct making *m, const struct set *want)
{
	struct edit elements = { .kind = EDIT_ADD_ELEMENTS, .set = want, .whole = true };

	add(m, EDIT_ADD_SET)->set = want;
	vec_each (e, &want->elements)
		*vec_push(m->arena, &elements.elements) = e;
	if (elements.elements.n)
		*vec_push(m->arena, &m->out->list) = elements;
}

static void diff_sets(struct making *m)
{
	size_t i = 0, j = 0;

	while (i < m->want->sets.n || j < m->live->sets.n) {
		const struct set *want = &m->want->sets.items[i], *live = &m->live->sets.items[j];
		int order = i == m->want->sets.n ? 1 : j == m->live->sets.n ? -1 : strcmp(want->name, live->name);

		if (order > 0) {
			add(m, EDIT_REMOVE_SET)->set = live;
		} else if (order < 0) {
			add_whole_set(m, want);
		} else if (same_definition(want, live)) {
			diff_elements(m, want, live);
		} else {
			*vec_push(m->arena, &m->remade) = live->name;
			add(m, EDIT_REMOVE_SET)->set = live;
			add_whole_set(m, want);
		}
		i += order <= 0;
		j += order >= 0;
	}
}

/* ---- chains ---- */

struct rule_pair {
	const struct making *making;
	const struct chain *want, *live;
};

static bool uses_remade_set(const struct making *m, const struct rule *r)
{
	vec_each (s, &r->statements)
		vec_each (name, &m->remade)
			if (s->set && !strcmp(s->set, *name))
				return true;
	return false;
}

static bool rules_equal(const void *context, size_t i, size_t j)
{
	const struct rule_pair *pair = context;
	const struct rule *want = &pair->want->rules.items[i], *live = &pair->live->rules.items[j];

	return !live->foreign && !strcmp(want->text, live->text) && !uses_remade_set(pair->making, live);
}

/* Rules that stay keep their handles and counters; what is new goes in front of the next one that stays. */
static void diff_rules(struct making *m, const struct chain *want, const struct chain *live)
{
	const struct rule_pair pair = { m, want, live };
	size_t *match = lcs_match(want->rules.n, live->rules.n, rules_equal, &pair, m->arena);
	bool *kept = arena_alloc(m->arena, live->rules.n + 1);
	uint64_t *before = arena_alloc(m->arena, (want->rules.n + 1) * sizeof(*before));

	for (size_t i = want->rules.n; i-- > 0;) {
		before[i] = match[i] == LCS_NONE ? before[i + 1] : live->rules.items[match[i]].handle;
		if (match[i] != LCS_NONE)
			kept[match[i]] = true;
	}
	for (size_t j = 0; j < live->rules.n; j++)
		if (!kept[j])
			remove_rule(m, live, j);
	for (size_t i = 0; i < want->rules.n; i++)
		if (match[i] == LCS_NONE)
			add_rule(m, want, i, before[i]);
}

/* The kernel can change the policy of a base chain; anything else of it only by making it anew. */
static bool same_hook(const struct chain *a, const struct chain *b)
{
	return a->type == b->type && a->hook == b->hook && a->priority == b->priority;
}

static void remove_chain(struct making *m, const struct chain *live)
{
	for (size_t j = 0; j < live->rules.n; j++)
		remove_rule(m, live, j);
	add(m, EDIT_REMOVE_CHAIN)->chain = live;
}

static void add_chain(struct making *m, const struct chain *want)
{
	add(m, EDIT_ADD_CHAIN)->chain = want;
	for (size_t i = 0; i < want->rules.n; i++)
		add_rule(m, want, i, 0);
}

static void diff_chains(struct making *m)
{
	size_t i = 0, j = 0;

	while (i < m->want->chains.n || j < m->live->chains.n) {
		const struct chain *want = &m->want->chains.items[i], *live = &m->live->chains.items[j];
		int order = i == m->want->chains.n   ? 1
			    : j == m->live->chains.n ? -1
						     : strcmp(want->name, live->name);

		if (order > 0) {
			remove_chain(m, live);
		} else if (order < 0) {
			add_chain(m, want);
		} else if (!same_hook(want, live)) {
			remove_chain(m, live);
			add_chain(m, want);
		} else {
			if (want->drop != live->drop)
				add(m, EDIT_ADD_CHAIN)->chain = want;
			diff_rules(m, want, live);
		}
		i += order <= 0;
		j += order >= 0;
	}
}

/* ---- all ---- */

struct numbered {
	struct edit edit;
	size_t number;
};

static int by_kind(const void *left, const void *right)
{
	const struct numbered *a = left, *b = right;

	if (a->edit.kind != b->edit.kind)
		return (a->edit.kind > b->edit.kind) - (a->edit.kind < b->edit.kind);
	return (a->number > b->number) - (a->number < b->number);
}

static void order_edits(struct making *m)
{
	size_t n = m->out->list.n;
	struct numbered *order = arena_alloc(m->arena, (n + 1) * sizeof(*order));

	for (size_t i = 0; i < n; i++)
		order[i] = (struct numbered){ m->out->list.items[i], i };
	qsort(order, n, sizeof(*order), by_kind);
	for (size_t i = 0; i < n; i++)
		m->out->list.items[i] = order[i].edit;
}

void edits_make(const struct ruleset *want, const struct ruleset *live, struct arena *a, struct edits *out)
{
	static const struct ruleset nothing = { 0 };
	bool there = live->present && !live->remade;
	struct making m = { .want = want, .live = there ? live : &nothing, .arena = a, .out = out };

	if (!want->present) {
		if (live->present)
			add(&m, EDIT_REMOVE_TABLE);
		return;
	}
	if (live->remade)
		add(&m, EDIT_REMOVE_TABLE);
	if (!there || live->keep != live->flags)
		add(&m, EDIT_ADD_TABLE)->flags = live->keep;
	diff_sets(&m);
	diff_chains(&m);
	vec_each (s, &m.live->strangers)
		add(&m, EDIT_REMOVE_STRANGER)->stranger = *s;
	order_edits(&m);
}

/* ---- two transactions ---- */

static const struct edit *find_edit(const struct edits *all, enum edit_kind kind, const char *name)
{
	vec_each (e, &all->list)
		if (e->kind == kind && !strcmp(e->set ? e->set->name : e->chain ? e->chain->name : "", name))
			return e;
	return NULL;
}

static bool overlaps(const struct set *s, const struct element *a, const struct element *b)
{
	if (!s->interval)
		return !value_compare(s->key, &a->key, &b->key);
	return value_compare(s->key, &a->key, &b->end) <= 0 && value_compare(s->key, &b->key, &a->end) <= 0;
}

/* Another element takes its place: both change at one instant. */
static bool is_replaced(const struct set *s, const struct element *e, const struct edit *added)
{
	if (added)
		vec_each (other, &added->elements)
			if (overlaps(s, e, *other))
				return true;
	return false;
}

static struct edit replaced_elements(const struct edits *all, const struct edit *e, struct arena *a)
{
	const struct edit *added = find_edit(all, EDIT_ADD_ELEMENTS, e->set->name);
	struct edit now = *e;

	memset(&now.elements, 0, sizeof(now.elements));
	vec_each (element, &e->elements)
		if (is_replaced(e->set, *element, added))
			*vec_push(a, &now.elements) = *element;
	return now;
}

/* A set or base chain that is made anew goes at once, and all that refers to it with it. */
static bool something_is_remade(const struct edits *all)
{
	vec_each (e, &all->list) {
		if (e->kind == EDIT_REMOVE_SET && find_edit(all, EDIT_ADD_SET, e->set->name))
			return true;
		if (e->kind == EDIT_REMOVE_CHAIN && find_edit(all, EDIT_ADD_CHAIN, e->chain->name))
			return true;
	}
	return false;
}

static bool can_wait(const struct edits *all, const struct edit *e)
{
	if (e->kind == EDIT_REMOVE_SET)
		return true;
	if ((e->kind != EDIT_REMOVE_CHAIN && e->kind != EDIT_REMOVE_RULE) || e->chain->type != CHAIN_REGULAR)
		return false;
	return find_edit(all, EDIT_REMOVE_CHAIN, e->chain->name);
}

static bool changes_rules(const struct edits *all)
{
	vec_each (e, &all->list)
		if (e->kind == EDIT_ADD_RULE || (e->kind == EDIT_REMOVE_RULE && !can_wait(all, e)))
			return true;
	return false;
}

bool edits_first(const struct edits *all, struct arena *a, struct edits *first)
{
	bool later = false;

	*first = *all;
	if (!changes_rules(all) || something_is_remade(all))
		return false;
	memset(first, 0, sizeof(*first));
	vec_each (e, &all->list) {
		struct edit now = e->kind == EDIT_REMOVE_ELEMENTS ? replaced_elements(all, e, a) : *e;
		bool whole = e->kind != EDIT_REMOVE_ELEMENTS || now.elements.n == e->elements.n;

		later |= !whole || can_wait(all, e);
		if (!can_wait(all, e) && (whole || now.elements.n))
			*vec_push(a, &first->list) = now;
	}
	return later;
}
