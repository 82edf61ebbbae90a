/* Reading the expressions of a rule of nf_tables, iptables' and others'. */
#ifndef TARGETS_CAPTURE_LEFTOVER_EXPRESSION_H
#define TARGETS_CAPTURE_LEFTOVER_EXPRESSION_H

#include <libnftnl/rule.h>

#include "targets/capture/leftover/old.h"

/* Of a table of the family. Ports in an anonymous set are the value "@SET". */
void old_read_rule(struct old_rule *out, struct nftnl_rule *rule, uint8_t family, struct arena *a);

#endif
