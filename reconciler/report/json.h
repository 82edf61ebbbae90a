/* What commands print for robots. The shapes have schemas in schemas/ and are stable. Pure. */
#ifndef REPORT_JSON_H
#define REPORT_JSON_H

#include "pass/pass.h"

#define JSON_FORMAT_VERSION "1.0"

/* Of `validate`: schemas/diagnostics.schema.json. */
const struct node *json_diagnostics(const struct pass *p, const struct diags *d, struct arena *a);

#endif
