/*
 * The status of the node: what the last passes found and did, with conditions as Kubernetes has them. Kept in
 * RUN_DIR/status.json for everyone to read; its shape is schemas/status.schema.json. Pure, but for reading and
 * writing.
 */
#ifndef REPORT_STATUS_H
#define REPORT_STATUS_H

#include "pass/pass.h"
#include "report/text.h"

/* The status after a pass that writes. `before`: the status until then, or NULL; what the pass says nothing of is
 * kept. */
const struct node *status_after(
	const struct pass *p, const struct diags *d, const struct node *before, struct arena *a);

/* 0 or -errno; -ENOENT: no pass has run. -EBADMSG: it is damaged. */
int status_read(const char *run_dir, struct arena *a, const struct node **out);
/* 0 or -errno. */
int status_write(const char *run_dir, const struct node *status, struct arena *a);
/* 0 or -errno; 0 if there was none. */
int status_remove(const char *run_dir);

/* Whether the condition Ready is true. */
bool status_ready(const struct node *status);

/* For people. `now`: to tell ages. */
const char *status_text(const struct node *status, struct timespec now, struct text_style style, struct arena *a);

#endif
