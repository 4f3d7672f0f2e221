/* The limit that a request/response server is compared with: the kernel's work and nothing else.
 *
 *   accept (multishot) ──▶ receive (multishot, provided buffers) ──▶ count whole requests ──▶ one send of zero bytes
 *
 * One thread, one io_uring. Every REQUEST bytes of a connection are answered with RESPONSE zero bytes. All answers are
 * the same zeros, so a connection needs no output buffer: only how many bytes it still owes. Nothing is parsed, stored
 * or copied; what this costs a request is what the sockets cost.
 *
 * Usage: tidemark-bench-echo PORT REQUEST_BYTES RESPONSE_BYTES        (on 127.0.0.1, until it is killed)
 *
 * With two arguments more, ANSWERS and FRAMES, the bytes sent are those of the file ANSWERS instead of zeros, so that a
 * client that checks its answers can be driven by the same echo: the first FRAMES frames of a connection are answered
 * with as many frames of the file, each request of REQUEST_BYTES after them with the next RESPONSE_BYTES, and the end
 * of the file goes on where those answers began. Only those first frames are looked at, for their length.
 *
 * With TIDEMARK_ECHO_BUFFERS (a power of 2) it has so many receive buffers instead of 4,096: fewer stay in the caches. */
#define _GNU_SOURCE
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RECEIVE_BUFFERS_MAX 4096u
#define RECEIVE_BUFFER_BYTES 4096u
#define RECEIVE_BUFFER_STRIDE (RECEIVE_BUFFER_BYTES + 64u) /* a page apart they would share a few sets of the caches */
#define CONNECTIONS_MAX 65536
#define SEND_BYTES_MAX (1u << 20)

enum operation { ACCEPT, RECEIVE, SEND };

struct connection {
    uint64_t owed_bytes;      /* answers not yet taken by the kernel */
    uint64_t sent_bytes;      /* answers taken by the kernel */
    uint32_t request_part;    /* bytes of a request that is not complete */
    uint32_t frames;          /* of the first frames: those that have come */
    bool open, receiving, sending, queued;
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static unsigned char *buffer_bytes;
static unsigned receive_buffers = RECEIVE_BUFFERS_MAX;
static size_t stride = RECEIVE_BUFFER_BYTES;
static unsigned char zeros[SEND_BYTES_MAX];
static const unsigned char *answers = zeros;    /* one cycle of answers, again and again, after what comes first */
static size_t answers_bytes = SEND_BYTES_MAX, first_bytes;
static uint32_t first_frames;
static struct connection connections[CONNECTIONS_MAX];
static int queue[CONNECTIONS_MAX], queued;    /* connections with something to start before the next wait */
static int listener;
static bool accepting;

static struct io_uring_sqe *request(enum operation operation, int fd) {
    struct io_uring_sqe *sqe;
    while (!(sqe = io_uring_get_sqe(&ring))) io_uring_submit(&ring);
    memset(sqe, 0, sizeof *sqe);
    sqe->fd = fd;
    sqe->user_data = (uint64_t)operation << 32 | (uint32_t)fd;
    switch (operation) {
    case ACCEPT:
        sqe->opcode = IORING_OP_ACCEPT;
        sqe->ioprio = IORING_ACCEPT_MULTISHOT;
        break;
    case RECEIVE:
        sqe->opcode = IORING_OP_RECV;
        sqe->ioprio = IORING_RECV_MULTISHOT;
        sqe->flags = IOSQE_BUFFER_SELECT;
        break;
    case SEND:
        sqe->opcode = IORING_OP_SEND;
        sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
        break;
    }
    return sqe;
}

static void put_buffer(unsigned id, unsigned offset) {
    io_uring_buf_ring_add(buffers, buffer_bytes + id * stride, RECEIVE_BUFFER_BYTES, (unsigned short)id,
                          (int)receive_buffers - 1, (int)offset);
}

static void look_at(int fd) {
    if (connections[fd].queued) return;
    connections[fd].queued = true;
    queue[queued++] = fd;
}

/* The answers that go out next: a stretch of the file up to its end. */
static void send_owed(int fd) {
    struct connection *c = &connections[fd];
    size_t cycle = answers_bytes - first_bytes, at = c->sent_bytes;
    if (at >= first_bytes) at = first_bytes + (at - first_bytes) % cycle;
    size_t bytes = answers_bytes - at;
    if (bytes > c->owed_bytes) bytes = c->owed_bytes;
    struct io_uring_sqe *sqe = request(SEND, fd);
    sqe->addr = (uintptr_t)(answers + at);
    sqe->len = (uint32_t)bytes;
    c->sending = true;
}

/* A frame's length is in the low 20 bits of its first three bytes; the header has 6. */
static size_t frame_bytes(const unsigned char *header) {
    return 6 + (header[0] | (size_t)header[1] << 8 | (size_t)(header[2] & 15) << 16);
}

/* Answers the first frames among `bytes`; returns how many bytes they are. They come whole on loopback. */
static size_t answer_first(struct connection *c, const unsigned char *bytes, size_t count) {
    size_t used = 0, answer = 0;
    for (uint32_t i = 0; i < c->frames; i++) answer += frame_bytes(answers + answer);
    while (c->frames < first_frames && used < count) {
        if (count - used < 6 || count - used < frame_bytes(bytes + used)) {
            fputs("a first frame came in parts\n", stderr);
            exit(1);
        }
        used += frame_bytes(bytes + used);
        c->owed_bytes += frame_bytes(answers + answer);
        answer += frame_bytes(answers + answer);
        c->frames++;
    }
    return used;
}

static void start_what_is_due(void) {
    for (int i = 0; i < queued; i++) {
        int fd = queue[i];
        struct connection *c = &connections[fd];
        c->queued = false;
        if (c->open && !c->receiving) {
            request(RECEIVE, fd);
            c->receiving = true;
        }
        if (c->open && !c->sending && c->owed_bytes) send_owed(fd);
        if (!c->open && !c->receiving && !c->sending) {
            close(fd);
            *c = (struct connection){0};
        }
    }
    queued = 0;
    if (!accepting) {
        request(ACCEPT, listener);
        accepting = true;
    }
}

static int fail(const char *what) {
    perror(what);
    return 1;
}

/* Reads the file and repeats its cycle until a send is rarely cut by the end. */
static bool read_answers(const char *path) {
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = malloc(SEND_BYTES_MAX);
    if (!file || !bytes) return false;
    answers_bytes = fread(bytes, 1, SEND_BYTES_MAX / 2, file);
    fclose(file);
    for (uint32_t i = 0; i < first_frames; i++) {
        if (first_bytes + 6 > answers_bytes) return false;
        first_bytes += frame_bytes(bytes + first_bytes);
    }
    if (first_bytes >= answers_bytes) return false;
    size_t cycle = answers_bytes - first_bytes;
    for (; answers_bytes + cycle <= SEND_BYTES_MAX; answers_bytes += cycle)
        memcpy(bytes + answers_bytes, bytes + first_bytes, cycle);
    answers = bytes;
    return true;
}

int main(int argc, char **argv) {
    if (argc != 4 && argc != 6) {
        fprintf(stderr, "usage: %s PORT REQUEST_BYTES RESPONSE_BYTES [ANSWERS FRAMES]\n", argv[0]);
        return 2;
    }
    if (argc == 6) {
        first_frames = (uint32_t)strtoul(argv[5], NULL, 10);
        if (!read_answers(argv[4])) return fail(argv[4]);
    }
    uint32_t request_bytes = (uint32_t)strtoul(argv[2], NULL, 10);
    uint64_t response_bytes = strtoul(argv[3], NULL, 10);
    if (!request_bytes || !response_bytes) return 2;

    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
        .cq_entries = 16384};
    if (io_uring_queue_init_params(4096, &ring, &parameters)) return fail("io_uring");
    io_uring_register_ring_fd(&ring);

    const char *few = getenv("TIDEMARK_ECHO_BUFFERS");
    if (few) {
        receive_buffers = (unsigned)strtoul(few, NULL, 10);
        stride = RECEIVE_BUFFER_STRIDE;
        if (!receive_buffers || receive_buffers > RECEIVE_BUFFERS_MAX || (receive_buffers & (receive_buffers - 1)))
            return 2;
    }
    size_t ring_bytes = receive_buffers * sizeof(struct io_uring_buf);
    int protection = PROT_READ | PROT_WRITE, kind = MAP_PRIVATE | MAP_ANONYMOUS;
    buffers = mmap(NULL, ring_bytes, protection, kind, -1, 0);
    buffer_bytes = mmap(NULL, receive_buffers * stride, protection, kind, -1, 0);
    if (buffers == MAP_FAILED || buffer_bytes == MAP_FAILED) return fail("mmap");
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)buffers, .ring_entries = receive_buffers};
    if (io_uring_register_buf_ring(&ring, &registration, 0)) return fail("buffer ring");
    for (unsigned id = 0; id < receive_buffers; id++) put_buffer(id, id);
    io_uring_buf_ring_advance(buffers, (int)receive_buffers);

    int one = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* accepted sockets inherit it */
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(listener, (struct sockaddr *)&address, sizeof address)) return fail("bind");
    if (listen(listener, 4096)) return fail("listen");

    for (;;) {
        start_what_is_due();
        io_uring_submit_and_wait(&ring, 1);
        struct io_uring_cqe *cqe;
        unsigned head, seen = 0, returned = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            seen++;
            int fd = (int)(uint32_t)cqe->user_data;
            struct connection *c = &connections[fd];
            switch ((enum operation)(cqe->user_data >> 32)) {
            case ACCEPT:
                accepting = cqe->flags & IORING_CQE_F_MORE;
                if (cqe->res >= CONNECTIONS_MAX) close(cqe->res);
                else if (cqe->res >= 0) {
                    connections[cqe->res].open = true;
                    look_at(cqe->res);
                }
                break;
            case RECEIVE:
                if (!(cqe->flags & IORING_CQE_F_MORE)) {
                    c->receiving = false;
                    look_at(fd);
                }
                unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
                if (cqe->res > 0) {
                    size_t first = 0;
                    if (c->frames < first_frames)
                        first = answer_first(c, buffer_bytes + buffer * stride, (size_t)cqe->res);
                    uint64_t bytes = c->request_part + (uint64_t)cqe->res - first;
                    c->owed_bytes += bytes / request_bytes * response_bytes;
                    c->request_part = (uint32_t)(bytes % request_bytes);
                    look_at(fd);
                } else if (cqe->res != -ENOBUFS) c->open = false;
                if (cqe->flags & IORING_CQE_F_BUFFER) put_buffer(buffer, returned++);
                break;
            case SEND:
                c->sending = false;
                if (cqe->res > 0) {
                    c->owed_bytes -= (uint64_t)cqe->res;
                    c->sent_bytes += (uint64_t)cqe->res;
                } else {
                    c->open = false;
                    shutdown(fd, SHUT_RDWR); /* ends the receive as well */
                }
                if (c->owed_bytes || !c->open) look_at(fd);
                break;
            }
        }
        io_uring_cq_advance(&ring, seen);
        if (returned) io_uring_buf_ring_advance(buffers, (int)returned);
    }
}
