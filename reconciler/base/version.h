#ifndef BASE_VERSION_H
#define BASE_VERSION_H

/* "0.1.0"; from meson.build. */
extern const char version_text[];

#endif
