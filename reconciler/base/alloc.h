/* Out of memory is the one failure that ends the program: these print one line and abort instead of returning
 * NULL. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

#include "base/defs.h"

void *mem_alloc(size_t size); /* zeroed; release with free */
void *mem_realloc(void *p, size_t size);
char *mem_strdup(const char *s);
/* Ends the program: for a library that reports that it is out of memory. */
_Noreturn void mem_exhausted(void);

#endif
