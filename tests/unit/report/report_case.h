/* What the tests of reports share: a pass made by hand, and the schemas of the outputs. Included after cmocka's
 * headers. */
#ifndef TESTS_REPORT_CASE_H
#define TESTS_REPORT_CASE_H

#include "fake_target.h"
#include "report/text.h"

extern struct arena arena;
extern struct diags diags;
extern const struct text_style plain, colored;

int case_start(void **state);
int case_finish(void **state);

/* Of node vm1, with both targets in sync. */
struct pass case_pass(void);
/* `target`: its number in targets_all. */
struct change *case_change(struct pass *p, int target, enum action action, enum cause cause, const char *address);
const struct node *case_json(const char *text);
/* Fails unless the value, written and read back, is as the schema says. */
void case_check(const char *schema, const struct node *value);

#define TEST(f) cmocka_unit_test_setup_teardown(f, case_start, case_finish)

#endif
