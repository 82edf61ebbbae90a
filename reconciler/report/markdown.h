/* Reports for comments of pull requests, in GitHub's and GitLab's markdown. Pure. */
#ifndef REPORT_MARKDOWN_H
#define REPORT_MARKDOWN_H

#include "base/str.h"
#include "pass/pass.h"

enum { MARKDOWN_MAX = 60 * 1024 }; /* bytes; a comment may have 64 KiB */

/* One foldable part for the node. What does not fit is cut, and counted. */
const char *markdown_plan(const struct pass *p, const struct diags *d, struct arena *a);

/* ---- for other reports of this kind ---- */

/* Text outside of code: nothing in it is read as markup. */
const char *markdown_plain(const char *s, struct arena *a);
/* Whether one more part may begin; it is cut where the room ends. */
bool markdown_has_room(const struct str *out);
/*
 * A part with the changes of a pass that shows its summary until somebody unfolds it. `parts`: how many are to
 * come, this one included; each has its share of the room.
 */
void markdown_fold(struct str *out, const char *summary, const struct pass *p, size_t parts, struct arena *a);
void markdown_errors(struct str *out, const struct diags *d, struct arena *a);

#endif
