/*
 * The diagnostics of `validate` for those who check changes: SARIF 2.1.0 (OASIS), JUnit's XML as CI systems read
 * it, and GitHub's workflow commands. Paths are as in the diagnostics. Pure.
 */
#ifndef REPORT_CHECKS_H
#define REPORT_CHECKS_H

#include "pass/pass.h"

const struct node *checks_sarif(const struct diags *d, struct arena *a);
/* One test case a document file. */
const char *checks_junit(const struct pass *p, const struct diags *d, struct arena *a);
const char *checks_github(const struct diags *d, struct arena *a);

#endif
