/*
 * Which network namespaces have had rules of ours: kept in STATE_DIR/namespaces.json, noted before the first rule
 * is written in one, so that a namespace that the source no longer names is still looked at. The node's own is
 * always looked at.
 */
#ifndef TARGETS_CAPTURE_SPACE_H
#define TARGETS_CAPTURE_SPACE_H

#include "model/mesh.h"

/* Paths. No file: none. 0 or -errno (-EBADMSG: it is damaged). */
int spaces_read(const char *state_dir, struct arena *a, struct texts *out);
/* Writes the file unless it holds just these; removes it if there are none. 0 or -errno. */
int spaces_write(const char *state_dir, const struct texts *paths, struct arena *a);
/* Gives a damaged file the name namespaces.json.damaged. 0 or -errno. */
int spaces_set_aside(const char *state_dir);

#endif
