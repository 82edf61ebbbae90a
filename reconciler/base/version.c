#include "base/version.h"

const char version_text[] = ENMESH_VERSION;
