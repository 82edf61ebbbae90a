/* Files that are built into the program (made by embed.py at build time). */
#ifndef CONFIG_EMBEDDED_H
#define CONFIG_EMBEDDED_H

#include "base/node.h"

/* schemas/: a map from file name to schema. */
extern const struct node embedded_schemas;

struct embedded_text {
	const char *name;
	const char *text;
};

/* Profiles and the documents of `enmesh init`; the last one has no name. */
extern const struct embedded_text embedded_texts[];

/* NULL: there is none of that name. */
const char *embedded_text(const char *name);

#endif
