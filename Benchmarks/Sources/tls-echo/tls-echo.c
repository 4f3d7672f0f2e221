/* The limit of a request/response server with TLS: the kernel's work, OpenSSL's with memory BIOs, and nothing else.
 *
 *   accept ──▶ receive ──▶ BIO ──▶ SSL_read ──▶ count whole requests ──▶ SSL_write of as many answers ──▶ BIO ──▶ one send
 *
 * One thread, one io_uring, as echo.c. Every REQUEST bytes of a connection are answered with RESPONSE zero bytes, all that a
 * receive has brought with one SSL_write.
 *
 * Usage: tidemark-bench-tls-echo PORT REQUEST_BYTES RESPONSE_BYTES CERTIFICATE KEY    (on 127.0.0.1, until it is killed)
 *
 * TIDEMARK_ECHO_BUFFERS as there. */
#define _GNU_SOURCE
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RECEIVE_BUFFERS_MAX 4096u
#define RECEIVE_BUFFER_BYTES 4096u
#define CONNECTIONS_MAX 4096
#define OUTPUT_BYTES (1u << 17)

enum operation { ACCEPT, RECEIVE, SEND };

struct connection {
    SSL *ssl;
    BIO *in, *out;
    unsigned char *output;    /* what the kernel is sending */
    size_t output_bytes, request_part;
    bool open, receiving, sending, queued;
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static unsigned char *buffer_bytes;
static unsigned receive_buffers = RECEIVE_BUFFERS_MAX;
static unsigned char zeros[1 << 20], clear[1 << 16];
static struct connection connections[CONNECTIONS_MAX];
static int queue[CONNECTIONS_MAX], queued;
static int listener;
static bool accepting;
static size_t request_bytes, response_bytes;

static struct io_uring_sqe *request(enum operation operation, int fd) {
    struct io_uring_sqe *sqe;
    while (!(sqe = io_uring_get_sqe(&ring))) io_uring_submit(&ring);
    memset(sqe, 0, sizeof *sqe);
    sqe->fd = fd;
    sqe->user_data = (uint64_t)operation << 32 | (uint32_t)fd;
    if (operation == ACCEPT) {
        sqe->opcode = IORING_OP_ACCEPT;
        sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    } else if (operation == RECEIVE) {
        sqe->opcode = IORING_OP_RECV;
        sqe->ioprio = IORING_RECV_MULTISHOT;
        sqe->flags = IOSQE_BUFFER_SELECT;
    } else {
        sqe->opcode = IORING_OP_SEND;
        sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    }
    return sqe;
}

static void put_buffer(unsigned id, unsigned offset) {
    io_uring_buf_ring_add(buffers, buffer_bytes + (size_t)id * RECEIVE_BUFFER_BYTES, RECEIVE_BUFFER_BYTES,
                          (unsigned short)id, (int)receive_buffers - 1, (int)offset);
}

static void look_at(int fd) {
    if (connections[fd].queued) return;
    connections[fd].queued = true;
    queue[queued++] = fd;
}

/* Deciphers, and answers all whole requests. */
static void answer(struct connection *c, const unsigned char *bytes, int count) {
    BIO_write(c->in, bytes, count);
    size_t got, whole = 0, written;
    while (SSL_read_ex(c->ssl, clear, sizeof clear, &got) == 1) {
        whole += (c->request_part + got) / request_bytes;
        c->request_part = (c->request_part + got) % request_bytes;
    }
    if (whole && whole * response_bytes <= sizeof zeros) SSL_write_ex(c->ssl, zeros, whole * response_bytes, &written);
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
        if (c->open && !c->sending && BIO_ctrl_pending(c->out) > 0) {
            c->output_bytes = (size_t)BIO_read(c->out, c->output, OUTPUT_BYTES);
            struct io_uring_sqe *sqe = request(SEND, fd);
            sqe->addr = (uintptr_t)c->output;
            sqe->len = (uint32_t)c->output_bytes;
            c->sending = true;
        }
        if (!c->open && !c->receiving && !c->sending) {
            SSL_free(c->ssl);
            free(c->output);
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

static void open_connection(SSL_CTX *context, int fd) {
    struct connection *c = &connections[fd];
    c->ssl = SSL_new(context);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    c->output = malloc(OUTPUT_BYTES);
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_accept_state(c->ssl);
    c->open = true;
    look_at(fd);
}

static int fail(const char *what) {
    perror(what);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: %s PORT REQUEST_BYTES RESPONSE_BYTES CERTIFICATE KEY\n", argv[0]);
        return 2;
    }
    request_bytes = strtoul(argv[2], NULL, 10);
    response_bytes = strtoul(argv[3], NULL, 10);
    if (!request_bytes || !response_bytes) return 2;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_use_certificate_chain_file(context, argv[4]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[5], SSL_FILETYPE_PEM) != 1)
        return fail("certificate");

    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
        .cq_entries = 16384};
    if (io_uring_queue_init_params(4096, &ring, &parameters)) return fail("io_uring");
    io_uring_register_ring_fd(&ring);

    const char *few = getenv("TIDEMARK_ECHO_BUFFERS");
    if (few) receive_buffers = (unsigned)strtoul(few, NULL, 10);
    if (!receive_buffers || receive_buffers > RECEIVE_BUFFERS_MAX || (receive_buffers & (receive_buffers - 1))) return 2;
    int protection = PROT_READ | PROT_WRITE, kind = MAP_PRIVATE | MAP_ANONYMOUS;
    buffers = mmap(NULL, receive_buffers * sizeof(struct io_uring_buf), protection, kind, -1, 0);
    buffer_bytes = mmap(NULL, (size_t)receive_buffers * RECEIVE_BUFFER_BYTES, protection, kind, -1, 0);
    if (buffers == MAP_FAILED || buffer_bytes == MAP_FAILED) return fail("mmap");
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)buffers, .ring_entries = receive_buffers};
    if (io_uring_register_buf_ring(&ring, &registration, 0)) return fail("buffer ring");
    for (unsigned id = 0; id < receive_buffers; id++) put_buffer(id, id);
    io_uring_buf_ring_advance(buffers, (int)receive_buffers);

    int one = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
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
                else if (cqe->res >= 0) open_connection(context, cqe->res);
                break;
            case RECEIVE:
                if (!(cqe->flags & IORING_CQE_F_MORE)) {
                    c->receiving = false;
                    look_at(fd);
                }
                unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
                if (cqe->res > 0) {
                    answer(c, buffer_bytes + (size_t)buffer * RECEIVE_BUFFER_BYTES, cqe->res);
                    look_at(fd);
                } else if (cqe->res != -ENOBUFS) c->open = false;
                if (cqe->flags & IORING_CQE_F_BUFFER) put_buffer(buffer, returned++);
                break;
            case SEND:
                c->sending = false;
                if (cqe->res <= 0) {
                    c->open = false;
                    shutdown(fd, SHUT_RDWR);
                }
                look_at(fd);
                break;
            }
        }
        io_uring_cq_advance(&ring, seen);
        if (returned) io_uring_buf_ring_advance(buffers, (int)returned);
    }
}
