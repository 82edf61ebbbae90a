/* What commands print for robots. The shapes have schemas in schemas/ and are stable. Pure. */
#ifndef REPORT_JSON_H
#define REPORT_JSON_H

#include "pass/pass.h"

#define JSON_FORMAT_VERSION "1.0"

/* A beginning: format version, and source if there is one; `p` may be NULL. */
struct node *json_document(const struct pass *p, struct arena *a);

/* Of `validate`: schemas/diagnostics.schema.json. */
const struct node *json_diagnostics(const struct pass *p, const struct diags *d, struct arena *a);

/* Of `diff`, `apply` and `cleanup`, in the shape of Terraform's plans: schemas/plan.schema.json. */
const struct node *json_plan(const struct pass *p, const struct diags *d, struct arena *a);

/* Of `render`: schemas/render.schema.json. `described`: what each target's describe() said, by its name. */
const struct node *json_render(const struct pass *p, const struct node *described, struct arena *a);

/* Puts "drift", "changes" and "unknown" of the plan. */
void json_put_changes(struct node *root, const struct pass *p, struct arena *a);
/* Puts "diagnostics". */
void json_put_diagnostics(struct node *map, const struct diags *d, struct arena *a);
/* Puts the counts of the plan under "summary". */
void json_put_summary(struct node *root, const struct pass *p, struct arena *a);

#endif
