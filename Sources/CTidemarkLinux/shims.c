/* All else of this target is `static inline` in the header. Here is what needs _GNU_SOURCE, which would give the C library's
 * types another form there than Swift's own Glibc module has. */
#define _GNU_SOURCE
#include <sched.h>
#include <unistd.h>

int tidemark_usable_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    /* More cores than the set has room for. */
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : (int)cores;
}
