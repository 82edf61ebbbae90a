/* What `enmesh verify` shows. Pure. */
#ifndef REPORT_VERIFY_H
#define REPORT_VERIFY_H

#include "report/text.h"

struct verify_counts {
	size_t ok, wrong, undecided;
};

struct verify_counts verify_count(const struct node *trials);

/* schemas/verify.schema.json. `trials`: what a target's verify() said. */
const struct node *verify_json(const struct pass *p, const struct node *trials, struct arena *a);
/* The same for people. */
const char *verify_text(const struct node *root, struct text_style style, struct arena *a);

#endif
