/* Everything of this target is `static inline` in the header. SwiftPM wants one source file to build a C target. */
#include "CTidemarkLinux.h"
