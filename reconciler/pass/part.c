#include "pass/part.h"

const char *part_first_error(const struct diags *d, size_t from)
{
	for (size_t i = from; i < d->list.n; i++)
		if (d->list.items[i].severity == DIAG_ERROR)
			return d->list.items[i].message;
	return NULL;
}

bool part_plan(struct part *part, struct pass *p, struct plan *plan)
{
	part->trouble = (struct diags){ .arena = p->arena };
	part->live = part->target->observe(p->host, part->want, p->arena, &part->trouble);
	part->planned = part->live != NULL;
	part->problem = part_first_error(&part->trouble, 0);
	/* Errors beside a state are about single things: the others go on. */
	part->flawed = part->planned && part->trouble.errors;
	if (part->planned)
		part->target->diff(part->want, part->live, &p->last, plan);
	return part->planned;
}

void part_report_trouble(struct pass *p)
{
	p->plan.unknown.n = 0;
	vec_each (part, &p->parts) {
		if (!part->planned && part->trouble.arena)
			*vec_push(p->arena, &p->plan.unknown) = part->target;
		diag_append(p->diags, &part->trouble);
	}
}
