/* Reports for comments of pull requests, in GitHub's and GitLab's markdown. Pure. */
#ifndef REPORT_MARKDOWN_H
#define REPORT_MARKDOWN_H

#include "pass/pass.h"

enum { MARKDOWN_MAX = 60 * 1024 }; /* bytes; a comment may have 64 KiB */

/* One foldable part for the node. What does not fit is cut, and counted. */
const char *markdown_plan(const struct pass *p, const struct diags *d, struct arena *a);

#endif
