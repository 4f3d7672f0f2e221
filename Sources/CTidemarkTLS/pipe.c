#include "pipe.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static int pipe_read(BIO *bio, char *into, size_t wanted, size_t *got) {
    tidemark_tls_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (pipe->input_count == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *got = wanted < pipe->input_count ? wanted : pipe->input_count;
    memcpy(into, pipe->input, *got);
    pipe->input += *got;
    pipe->input_count -= *got;
    return 1;
}

uint8_t *tidemark_tls_pipe_room(tidemark_tls_pipe *pipe, size_t count) {
    size_t needed = pipe->output_count + count;
    if (needed > pipe->output_capacity) {
        if (needed > pipe->own_capacity) {
            size_t capacity = needed < 4096 ? 4096 : 2 * needed;
            uint8_t *larger = realloc(pipe->own, capacity);
            if (!larger) return NULL;
            if (pipe->output == pipe->own) pipe->output = larger;
            pipe->own = larger;
            pipe->own_capacity = capacity;
        }
        if (pipe->output != pipe->own && pipe->output_count > 0) memcpy(pipe->own, pipe->output, pipe->output_count);
        pipe->output = pipe->own;
        pipe->output_capacity = pipe->own_capacity;
    }
    return pipe->output + pipe->output_count;
}

static int pipe_write(BIO *bio, const char *bytes, size_t count, size_t *written) {
    tidemark_tls_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    uint8_t *room = tidemark_tls_pipe_room(pipe, count);
    if (!room) return 0;
    memcpy(room, bytes, count);
    pipe->output_count += count;
    *written = count;
    return 1;
}

static long pipe_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
}

static BIO_METHOD *pipe_method(void) {
    static _Atomic(BIO_METHOD *) shared;
    BIO_METHOD *method = atomic_load(&shared);
    if (method) return method;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tidemark pipe");
    if (!method) return NULL;
    BIO_meth_set_read_ex(method, pipe_read);
    BIO_meth_set_write_ex(method, pipe_write);
    BIO_meth_set_ctrl(method, pipe_control);
    BIO_METHOD *expected = NULL;
    if (!atomic_compare_exchange_strong(&shared, &expected, method)) {
        BIO_meth_free(method);
        method = expected;
    }
    return method;
}

tidemark_tls_pipe *tidemark_tls_pipe_make(void) {
    BIO_METHOD *method = pipe_method();
    tidemark_tls_pipe *pipe = method ? calloc(1, sizeof *pipe) : NULL;
    if (!pipe) return NULL;
    pipe->bio = BIO_new(method);
    if (!pipe->bio) {
        free(pipe);
        return NULL;
    }
    BIO_set_data(pipe->bio, pipe);
    BIO_set_init(pipe->bio, 1);
    return pipe;
}

void tidemark_tls_pipe_release(tidemark_tls_pipe *pipe) {
    BIO_free(pipe->bio);
    free(pipe->own);
    free(pipe);
}

void tidemark_tls_pipe_set_input(tidemark_tls_pipe *pipe, const void *bytes, size_t count) {
    pipe->input = bytes;
    pipe->input_count = count;
    pipe->asides = 0;
}

size_t tidemark_tls_pipe_asides(const tidemark_tls_pipe *pipe) { return pipe->asides; }

/// What one connection leaves for all others: more than a handshake or a page takes is not kept.
enum { OWN_BYTES_KEPT = 1 << 17 };

void tidemark_tls_pipe_set_output(tidemark_tls_pipe *pipe, void *bytes, size_t capacity) {
    if (pipe->own_capacity > OWN_BYTES_KEPT) {
        free(pipe->own);
        pipe->own = NULL;
        pipe->own_capacity = 0;
    }
    pipe->output = bytes;
    pipe->output_capacity = capacity;
    pipe->output_count = 0;
}

const void *tidemark_tls_pipe_output(const tidemark_tls_pipe *pipe, size_t *count, bool *is_own) {
    *count = pipe->output_count;
    *is_own = pipe->output_count > 0 && pipe->output == pipe->own;
    return pipe->output;
}
