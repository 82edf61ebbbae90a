/*
 * Which revision of a remote source a pass works on: the one that the source is at now, or, where that cannot be
 * had or is refused and the caller allows it, the last good one.
 */
#ifndef PASS_REVISION_H
#define PASS_REVISION_H

#include "pass/pass.h"

/* The files of the source, into p->tree. False: an error was added. Effect. */
bool revision_load(struct pass *p);

/*
 * From the source to the site of the node, as pass_load and pass_site; falls back to the last good revision, with
 * what keeps it from the newer one as warnings. A revision that was accepted is put into the store, unless it is a
 * dry run.
 */
bool revision_accept(struct pass *p);

#endif
