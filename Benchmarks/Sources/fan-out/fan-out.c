/* The limit that a push is compared with: the same bytes to each of many connections, and nothing else.
 *
 *   accept ──▶ a byte from one connection ──▶ one send of BYTES bytes to every other one ──▶ wait for the next byte
 *
 * One thread, one io_uring, all sends of a round in one submission where the ring has room. Nothing is decided, looked up
 * or copied: what this costs a frame is what the sockets cost.
 *
 * Usage: tidemark-bench-fan-out PORT BYTES        (on 127.0.0.1, until it is killed) */
#define _GNU_SOURCE
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 65536
#define FRAME_BYTES_MAX 65536

enum operation { ACCEPT, RECEIVE, SEND };

static struct io_uring ring;
static unsigned char frame[FRAME_BYTES_MAX];
static unsigned char received[CONNECTIONS_MAX];
static bool open_descriptors[CONNECTIONS_MAX];
static int highest;

static struct io_uring_sqe *request(enum operation operation, int fd) {
    struct io_uring_sqe *sqe;
    while (!(sqe = io_uring_get_sqe(&ring))) io_uring_submit(&ring);
    switch (operation) {
    case ACCEPT: io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, 0); break;
    case RECEIVE: io_uring_prep_recv(sqe, fd, received + fd, 1, 0); break;
    case SEND: break;
    }
    sqe->user_data = (uint64_t)operation << 32 | (uint32_t)fd;
    return sqe;
}

static void send_to_all_but(int writer, unsigned bytes) {
    for (int fd = 0; fd <= highest; fd++) {
        if (!open_descriptors[fd] || fd == writer) continue;
        struct io_uring_sqe *sqe = request(SEND, fd);
        io_uring_prep_send(sqe, fd, frame, bytes, MSG_NOSIGNAL | MSG_WAITALL);
        sqe->user_data = (uint64_t)SEND << 32 | (uint32_t)fd;
    }
}

static int fail(const char *what) {
    perror(what);
    return 1;
}

int main(int argc, char **argv) {
    unsigned bytes = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (!bytes || bytes > FRAME_BYTES_MAX) {
        fprintf(stderr, "usage: %s PORT BYTES\n", argv[0]);
        return 2;
    }
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
        .cq_entries = 16384};
    if (io_uring_queue_init_params(4096, &ring, &parameters)) return fail("io_uring");
    io_uring_register_ring_fd(&ring);

    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* accepted sockets inherit it */
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(listener, (struct sockaddr *)&address, sizeof address)) return fail("bind");
    if (listen(listener, 4096)) return fail("listen");
    request(ACCEPT, listener);

    for (;;) {
        io_uring_submit_and_wait(&ring, 1);
        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            seen++;
            int fd = (int)(uint32_t)cqe->user_data;
            switch ((enum operation)(cqe->user_data >> 32)) {
            case ACCEPT:
                if (cqe->res < 0 || cqe->res >= CONNECTIONS_MAX) return fail("accept");
                open_descriptors[cqe->res] = true;
                if (cqe->res > highest) highest = cqe->res;
                request(RECEIVE, cqe->res);
                break;
            case RECEIVE:
                if (cqe->res > 0) {
                    send_to_all_but(fd, bytes);
                    request(RECEIVE, fd);
                } else if (open_descriptors[fd]) {
                    open_descriptors[fd] = false;
                    close(fd);
                }
                break;
            case SEND:
                break;
            }
        }
        io_uring_cq_advance(&ring, seen);
    }
}
