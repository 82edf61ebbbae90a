/* What the unit tests of the objects target share: a site from text, states by hand. */
#ifndef OBJECTS_CASE_H
#define OBJECTS_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "targets/objects/state.h"

extern struct arena arena;
extern struct diags diags;

int case_start(void **state);
int case_finish(void **state);

/* A source of one file, as a node sees it. */
const struct site *case_site(const char *text, const char *node);
/* A value from JSON. */
const struct node *case_json(const char *text);
/* All diagnostics, a line each. */
const char *case_diags(void);

/* A live state with one set called "enmesh-mesh-m" in namespace "ns". */
struct state *case_live(void);
/* An object "WorkloadEntry ns/NAME" of its first set, with that fate; `uid` NULL: it is not there. */
struct object *case_object(struct state *live, const char *name, enum fate fate, const char *uid);
/* Puts WorkloadEntry ns/NAME into the inventory of its first set. */
void case_member(struct state *live, const char *name, const char *uid);

#endif
