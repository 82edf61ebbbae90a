/* What a comparison of two revisions says, for people, robots and pull requests. Pure. */
#ifndef REPORT_COMPARE_H
#define REPORT_COMPARE_H

#include "pass/compare.h"
#include "report/text.h"

const char *compare_text(const struct comparison *c, struct text_style style, struct arena *a);
/* Its shape is schemas/comparison.schema.json. */
const struct node *compare_json(const struct comparison *c, const struct diags *d, struct arena *a);
/* One foldable part for each group of nodes. What does not fit into a comment is cut, and counted. */
const char *compare_markdown(const struct comparison *c, const struct diags *d, struct arena *a);

#endif
