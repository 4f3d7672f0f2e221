/* What a process has allocated, retained and released since it began. Nothing to call: a process that has this library
 * preloaded counts into the file that TIDEMARK_COUNTS names, which whoever started it maps as well. */
#pragma once

#include <stdint.h>

struct tidemark_counts {
    uint64_t allocations;
    uint64_t retains; /* and releases */
    uint64_t bridged; /* the same, of what texts, arrays and dictionaries hold */
};
