/* What `enmesh trace` shows. Pure. */
#ifndef REPORT_TRACE_H
#define REPORT_TRACE_H

#include "report/text.h"

/* schemas/trace.schema.json. `traces`: what a target's trace() said of each connection. */
const struct node *trace_json(const struct pass *p, bool live, const struct node *traces, struct arena *a);
/* The same for people. */
const char *trace_text(const struct node *root, struct text_style style, struct arena *a);

#endif
