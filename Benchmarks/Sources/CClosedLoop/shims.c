/* Here and not in the header: the scheduler calls need _GNU_SOURCE, which gives the C library's types another form than
 * Swift's own Glibc module has. */
#define _GNU_SOURCE
#include "CClosedLoop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

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

int closed_loop_connect(uint16_t port, uint8_t source) {
    int one = 1, descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f000000u | source)}};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    /* The port is chosen with the connection: one serves many of those. */
    setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(descriptor, (struct sockaddr *)&from, sizeof from) || connect(descriptor, (struct sockaddr *)&to, sizeof to)) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}
