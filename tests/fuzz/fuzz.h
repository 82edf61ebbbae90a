/*
 * Fuzz targets: each takes any bytes, and must neither crash nor break what it promises. With libFuzzer (meson
 * option `fuzz`, clang) these are its targets; otherwise smoke.c runs them over the corpus and some thousand
 * changes of it.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise: that it is broken must be seen without assertions too. */
#define promise(what)                                                                                             \
	do {                                                                                                      \
		if (!(what)) {                                                                                    \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #what);                        \
			abort();                                                                                  \
		}                                                                                                 \
	} while (0)

#endif
