/* The limit that a load generator is compared with: sockets kept full, and nothing else. Answers are counted by their
 * bytes, never looked at; there is no clock a request.
 *
 *   connect all ──▶ DEPTH requests each ──▶ for every whole answer a request more ──▶ time is up: print answers a second
 *
 * One thread, epoll, one read and one write for all that a connection has ready.
 *
 * Usage: tidemark-bench-raw-load PORT REQUEST_BYTES RESPONSE_BYTES CONNECTIONS DEPTH SECONDS       (to 127.0.0.1) */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 512
#define INPUT_BYTES (1u << 20)

struct connection {
    int fd;
    uint32_t answer_part;    /* bytes of an answer that is not complete */
};

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int open_connection(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server)) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fcntl(fd, F_SETFL, O_NONBLOCK) ? -1 : fd;
}

static int fail(const char *what) {
    perror(what);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: %s PORT REQUEST_BYTES RESPONSE_BYTES CONNECTIONS DEPTH SECONDS\n", argv[0]);
        return 2;
    }
    uint32_t request = (uint32_t)atoi(argv[2]), response = (uint32_t)atoi(argv[3]);
    uint32_t count = (uint32_t)atoi(argv[4]), depth = (uint32_t)atoi(argv[5]);
    double duration = atof(argv[6]);
    if (!request || !response || !count || !depth) return 2;

    struct connection *connections = calloc(count, sizeof *connections);
    unsigned char *requests = calloc(depth, request), *input = malloc(INPUT_BYTES);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || !requests || !input || epoll < 0) return fail("start");
    for (uint32_t i = 0; i < count; i++) {
        struct connection *c = &connections[i];
        struct epoll_event interest = {.events = EPOLLIN, .data.ptr = c};
        if ((c->fd = open_connection((uint16_t)atoi(argv[1]))) < 0) return fail("connect");
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &interest)) return fail("epoll_ctl");
    }
    double begin = seconds_now(), now = begin;
    for (uint32_t i = 0; i < count; i++)
        if (write(connections[i].fd, requests, (size_t)depth * request) != (ssize_t)depth * request) return fail("write");

    uint64_t answers = 0;
    while ((now = seconds_now()) - begin < duration) {
        struct epoll_event ready[EVENTS];
        int events = epoll_wait(epoll, ready, EVENTS, 100);
        for (int i = 0; i < events; i++) {
            struct connection *c = ready[i].data.ptr;
            ssize_t bytes = read(c->fd, input, INPUT_BYTES);
            if (bytes <= 0) return fail("read");
            uint32_t whole = (c->answer_part + (uint32_t)bytes) / response;
            c->answer_part = (c->answer_part + (uint32_t)bytes) % response;
            answers += whole;
            size_t out = (size_t)whole * request;
            if (out && write(c->fd, requests, out) != (ssize_t)out) return fail("write");
        }
    }
    printf("%.0f\n", (double)answers / (now - begin));
}
