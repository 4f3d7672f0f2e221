/* The part of io_uring that Swift cannot import: liburing's inline functions, its macros with casts, and the
 * acquire and release accesses to the rings that it shares with the kernel.
 *
 *   Swift (TidemarkEventLoop) ──▶ static inline here ──▶ liburing's inline functions and <liburing.so>
 *
 * No state and no policy: each function is one step on a ring that the caller owns. All but one are `static inline`, so
 * that they melt into the Swift loop. A `prepare` function returns false when the submission queue is full: submit, then
 * try again. */
#pragma once

/* No _GNU_SOURCE, and liburing last, which defines _XOPEN_SOURCE: either would give the C library's types another
 * form than Swift's own Glibc module has, and a program that sees both is rejected. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <liburing.h>

/* One completion, copied out of the ring. */
struct tidemark_completion {
    uint64_t user_data;
    int32_t result;  /* bytes or a descriptor; below zero: minus errno */
    uint32_t flags;  /* IORING_CQE_F_* and, in the upper 16 bits, the provided buffer */
};

enum {
    TIDEMARK_COMPLETION_HAS_BUFFER = IORING_CQE_F_BUFFER,
    TIDEMARK_COMPLETION_MORE = IORING_CQE_F_MORE,
    TIDEMARK_COMPLETION_BUFFER_SHIFT = IORING_CQE_BUFFER_SHIFT,
};

/* The cores that this process may run on. */
int tidemark_usable_cores(void);

/* MARK: the ring */

/* Minus errno, or 0. COOP_TASKRUN and DEFER_TASKRUN: the kernel never interrupts the loop, and runs completions
 * only when the loop enters it. SUBMIT_ALL: one bad request does not hold back those behind it. */
static inline int tidemark_ring_open(struct io_uring *ring, unsigned submissions, unsigned completions) {
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
        .cq_entries = completions,
    };
    return io_uring_queue_init_params(submissions, ring, &parameters);
}

/* EXT_ARG: a timeout without a request of its own. NODROP: completions are kept when their queue is full. */
static inline bool tidemark_ring_has_needed_features(const struct io_uring *ring) {
    unsigned needed = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP;
    return (ring->features & needed) == needed;
}

/* Cancels every request of the ring, and has the kernel finish what was cancelled, which lets go of descriptors and
 * memory. It does so a few requests a call, hence the loop; the bound is far above what the largest ring needs. */
static inline void tidemark_ring_cancel_all(struct io_uring *ring) {
    struct io_uring_sync_cancel_reg everything = {
        .fd = -1,
        .flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
        .timeout = {.tv_sec = 1, .tv_nsec = 0},
    };
    io_uring_register_sync_cancel(ring, &everything);
    for (int calls = 0; calls < 1 << 20 && io_uring_get_events(ring) >= 0; calls++)
        if (!(__atomic_load_n(ring->sq.kflags, __ATOMIC_ACQUIRE) & IORING_SQ_TASKRUN)) break;
}

/* Submits what is prepared and waits for `wanted` completions, for at most `timeout_ns` (UINT64_MAX: no limit). */
static inline int tidemark_ring_submit_and_wait(struct io_uring *ring, unsigned wanted, uint64_t timeout_ns) {
    struct io_uring_cqe *first;
    if (wanted == 0 || timeout_ns == 0) return io_uring_submit_and_get_events(ring);
    struct __kernel_timespec timeout = {
        .tv_sec = (long long)(timeout_ns / 1000000000u),
        .tv_nsec = (long long)(timeout_ns % 1000000000u),
    };
    return io_uring_submit_and_wait_timeout(ring, &first, wanted, timeout_ns == UINT64_MAX ? NULL : &timeout, NULL);
}

/* Whether the kernel can wait for several completions for a short time, and for one from then on (Linux 6.12). */
static inline bool tidemark_ring_can_gather(const struct io_uring *ring) {
    unsigned min_timeout = 1u << 15;
    return ring->features & min_timeout;
}

/* Submits what is prepared and waits until there are `wanted` completions, or `gather_us` have passed and there is one, but
 * for at most `timeout_ns`. liburing 2.3 has no call for it, so this tells the kernel itself what is in the submission
 * queue; `registered` is whether `io_uring_register_ring_fd` has succeeded. */
static inline int tidemark_ring_submit_and_gather(struct io_uring *ring, bool registered, unsigned wanted,
                                                  unsigned gather_us, uint64_t timeout_ns) {
    struct __kernel_timespec timeout = {
        .tv_sec = (long long)(timeout_ns / 1000000000u),
        .tv_nsec = (long long)(timeout_ns % 1000000000u),
    };
    struct io_uring_sq *queue = &ring->sq;
    unsigned mask = *queue->kring_mask;
    for (; queue->sqe_head != queue->sqe_tail; queue->sqe_head++)
        queue->array[queue->sqe_head & mask] = queue->sqe_head & mask;
    __atomic_store_n(queue->ktail, queue->sqe_tail, __ATOMIC_RELEASE);
    struct io_uring_getevents_arg argument = {
        .sigmask_sz = _NSIG / 8,
        .pad = gather_us, /* min_wait_usec in newer headers */
        .ts = (uint64_t)(uintptr_t)&timeout,
    };
    unsigned submitted = queue->sqe_tail - __atomic_load_n(queue->khead, __ATOMIC_ACQUIRE);
    unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | (registered ? IORING_ENTER_REGISTERED_RING : 0);
    return io_uring_enter2((unsigned)ring->enter_ring_fd, submitted, wanted, flags, (sigset_t *)&argument,
                           sizeof argument);
}

static inline unsigned tidemark_ring_submission_space(const struct io_uring *ring) {
    return io_uring_sq_space_left(ring);
}

/* Completions that wait to be read. */
static inline unsigned tidemark_ring_ready(const struct io_uring *ring) {
    return io_uring_cq_ready(ring);
}

/* Completions wait in the kernel until their queue has room. */
static inline bool tidemark_ring_has_overflown(const struct io_uring *ring) {
    return __atomic_load_n(ring->sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW;
}

/* The completion `offset` places after the oldest; `offset` is below `tidemark_ring_ready`. */
static inline struct tidemark_completion tidemark_ring_completion(const struct io_uring *ring, unsigned offset) {
    const struct io_uring_cqe *cqe = &ring->cq.cqes[(*ring->cq.khead + offset) & *ring->cq.kring_mask];
    return (struct tidemark_completion){cqe->user_data, cqe->res, cqe->flags};
}

/* Gives the `count` oldest completions' places back to the kernel. */
static inline void tidemark_ring_advance(struct io_uring *ring, unsigned count) {
    io_uring_cq_advance(ring, count);
}

/* MARK: requests */

static inline bool tidemark_prepare_accept(struct io_uring *ring, int listener, uint64_t user_data) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (!sqe) return false;
    io_uring_prep_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, user_data);
    return true;
}

static inline bool tidemark_prepare_receive(
    struct io_uring *ring,
    int fd,
    uint16_t group,
    bool multishot,
    uint64_t user_data
) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (!sqe) return false;
    if (multishot) io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    else io_uring_prep_recv(sqe, fd, NULL, 0, 0);
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
    sqe->buf_group = group;
    io_uring_sqe_set_data64(sqe, user_data);
    return true;
}

/* MSG_WAITALL: the kernel continues a short send itself, one completion instead of several. */
static inline bool tidemark_prepare_send(struct io_uring *ring, int fd, const void *bytes, size_t count,
                                         uint64_t user_data) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (!sqe) return false;
    io_uring_prep_send(sqe, fd, bytes, count, MSG_WAITALL | MSG_NOSIGNAL);
    io_uring_sqe_set_data64(sqe, user_data);
    return true;
}

/* `address` is read when the request is submitted, and must stay until it has completed. A Unix socket whose backlog is
 * full is "writable" to the kernel's poll, so the request would be tried again and again: a worker thread blocks on it
 * instead. */
static inline bool tidemark_prepare_connect(struct io_uring *ring, int fd, const void *address, unsigned bytes,
                                            uint64_t user_data) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (!sqe) return false;
    io_uring_prep_connect(sqe, fd, (const struct sockaddr *)address, (socklen_t)bytes);
    if (((const struct sockaddr *)address)->sa_family == AF_UNIX) io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
    io_uring_sqe_set_data64(sqe, user_data);
    return true;
}

/* Cancels the one request with `target` as its user data. By user data and not by descriptor: that carries the
 * generation, so a late cancel can never hit the next connection with the same descriptor. */
static inline bool tidemark_prepare_cancel(struct io_uring *ring, uint64_t target, uint64_t user_data) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (!sqe) return false;
    io_uring_prep_cancel64(sqe, target, 0);
    io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
    io_uring_sqe_set_data64(sqe, user_data);
    return true;
}

static inline bool tidemark_prepare_read(struct io_uring *ring, int fd, void *bytes, unsigned count,
                                         uint64_t user_data) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (!sqe) return false;
    io_uring_prep_read(sqe, fd, bytes, count, 0);
    io_uring_sqe_set_data64(sqe, user_data);
    return true;
}

/* MARK: provided buffers */

/* `memory` is page-aligned, 16 bytes a buffer; `entries` is a power of two up to 32768. */
static inline int tidemark_buffers_register(struct io_uring *ring, void *memory, unsigned entries, uint16_t group) {
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)memory,
        .ring_entries = entries,
        .bgid = group,
    };
    io_uring_buf_ring_init((struct io_uring_buf_ring *)memory);
    return io_uring_register_buf_ring(ring, &registration, 0);
}

/* Writes buffer `id` at `offset` places after the last published one. */
static inline void tidemark_buffers_add(void *memory, unsigned entries, void *bytes, unsigned count, uint16_t id,
                                        unsigned offset) {
    io_uring_buf_ring_add((struct io_uring_buf_ring *)memory, bytes, count, id, io_uring_buf_ring_mask(entries),
                          (int)offset);
}

static inline void tidemark_buffers_publish(void *memory, unsigned count) {
    io_uring_buf_ring_advance((struct io_uring_buf_ring *)memory, (int)count);
}

/* MARK: sockets */

/* `bind`, `connect` and `getsockname` take a `struct sockaddr *`; these take the storage that fits every family. */
static inline int tidemark_bind(int fd, const struct sockaddr_storage *address, socklen_t bytes) {
    return bind(fd, (const struct sockaddr *)address, bytes);
}

static inline int tidemark_connect(int fd, const struct sockaddr_storage *address, socklen_t bytes) {
    return connect(fd, (const struct sockaddr *)address, bytes);
}

static inline int tidemark_getsockname(int fd, struct sockaddr_storage *address) {
    socklen_t bytes = sizeof *address;
    return getsockname(fd, (struct sockaddr *)address, &bytes);
}

static inline int tidemark_getpeername(int fd, struct sockaddr_storage *address) {
    socklen_t bytes = sizeof *address;
    return getpeername(fd, (struct sockaddr *)address, &bytes);
}

static inline int tidemark_set_option(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof value);
}

/* The bytes of `address` that count, or 0 if `text` is no numeric IPv4 or IPv6 address. A scope such as %eth0 may
 * follow. */
static inline socklen_t tidemark_parse_address(const char *text, uint16_t port, struct sockaddr_storage *address) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(text, NULL, &hints, &found)) return 0;
    socklen_t bytes = found->ai_addrlen;
    memcpy(address, found->ai_addr, bytes);
    freeaddrinfo(found);
    if (address->ss_family == AF_INET) ((struct sockaddr_in *)address)->sin_port = htons(port);
    else ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    return bytes;
}

/* The bytes of `address` that count, or 0 if `path` is empty or longer than the kernel's 107 bytes. */
static inline socklen_t tidemark_unix_address(const char *path, struct sockaddr_storage *address) {
    struct sockaddr_un *to = (struct sockaddr_un *)address;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof to->sun_path) return 0;
    memset(to, 0, sizeof *to);
    to->sun_family = AF_UNIX;
    memcpy(to->sun_path, path, length);
    return (socklen_t)sizeof *to;
}

static inline uint16_t tidemark_port(const struct sockaddr_storage *address) {
    if (address->ss_family == AF_INET) return ntohs(((const struct sockaddr_in *)address)->sin_port);
    if (address->ss_family == AF_INET6) return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
    return 0;
}

/* Tells networks apart that different people have: an IPv4 address, also where it is mapped into IPv6 (::ffff:a.b.c.d, or
 * 64:ff9b::a.b.c.d behind a translator, RFC 6052), or the first half of an IPv6 address, of which a single subscriber has the
 * second half. False for families without either. */
static inline bool tidemark_network(const struct sockaddr_storage *address, uint64_t *network) {
    if (address->ss_family == AF_INET) {
        *network = UINT64_C(0xffff00000000) | ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
        return true;
    }
    if (address->ss_family != AF_INET6) return false;
    const uint8_t *bytes = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t translated[12] = {0x00, 0x64, 0xff, 0x9b};
    bool is_ipv4 = memcmp(bytes, mapped, 12) == 0 || memcmp(bytes, translated, 12) == 0;
    /* As an IPv4 socket has it; no network of the world begins with 0000:ffff. */
    *network = is_ipv4 ? 0xffff : 0;
    for (int i = is_ipv4 ? 12 : 0; i < (is_ipv4 ? 16 : 8); i++) *network = *network << 8 | bytes[i];
    return true;
}

/* Writes the numeric host of `address` and a terminating zero; false for families without one. */
static inline bool tidemark_host(const struct sockaddr_storage *address, char *text, socklen_t bytes) {
    socklen_t length = address->ss_family == AF_INET    ? sizeof(struct sockaddr_in)
                       : address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                        : 0;
    return length && !getnameinfo((const struct sockaddr *)address, length, text, bytes, NULL, 0, NI_NUMERICHOST);
}
