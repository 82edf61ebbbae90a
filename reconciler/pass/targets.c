#include "targets/target.h"

/* In the order of dependence: one that is unknown or failed holds back what those after it would stop. */
const struct target *const targets_all[] = {
	&target_capture,
	&target_processes,
	&target_objects,
	NULL,
};
