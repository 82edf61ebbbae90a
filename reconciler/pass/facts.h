/* Looking up what a pass must know of the machine. */
#ifndef PASS_FACTS_H
#define PASS_FACTS_H

#include "base/diag.h"
#include "model/facts.h"

/*
 * Fills in the accounts. One that does not exist is no error here. False: the user database could not be asked,
 * and an error was added. Effect: reads the user database (NSS).
 */
bool facts_look_up(struct facts *facts, struct diags *d);

#endif
