/* Here and not in the header: the scheduler calls need _GNU_SOURCE, which gives the C library's types another form than
 * Swift's own Glibc module has. */
#define _GNU_SOURCE
#include "CClosedLoop.h"

#include <sched.h>

uint64_t closed_loop_cores(void) {
    cpu_set_t set;
    uint64_t cores = 0;
    if (sched_getaffinity(0, sizeof set, &set)) return 0;
    for (int core = 0; core < 64; core++)
        if (CPU_ISSET(core, &set)) cores |= UINT64_C(1) << core;
    return cores;
}

int closed_loop_set_cores(uint64_t cores) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int core = 0; core < 64; core++)
        if (cores >> core & 1) CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof set, &set);
}

int closed_loop_give_way(void) {
    struct sched_param none = {0};
    return sched_setscheduler(0, SCHED_IDLE, &none);
}
