/* This machine's own address. */
#ifndef CLI_ADDRESS_H
#define CLI_ADDRESS_H

#include "base/arena.h"

/*
 * An address by which others may reach this machine: IPv4 if it has one, for that is what most expect. 127.0.0.1
 * if it has none. Effect: asks the kernel.
 */
const char *address_find(struct arena *a);

#endif
