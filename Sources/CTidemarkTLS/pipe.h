// The inside of a pipe: where records come from and go to, by way of OpenSSL's BIO or without it.

#ifndef TIDEMARK_TLS_PIPE_H
#define TIDEMARK_TLS_PIPE_H

#include "CTidemarkTLS.h"

#include <openssl/bio.h>

struct tidemark_tls_pipe {
    BIO *bio;
    const uint8_t *input;
    size_t input_count;
    /// The caller's, or `own`.
    uint8_t *output;
    size_t output_count, output_capacity;
    uint8_t *own;
    size_t own_capacity;
    /// Records read that say nothing to the caller.
    size_t asides;
};

/// Room behind the output for `count` bytes, which are added to `output_count` when they are there. NULL without memory.
uint8_t *tidemark_tls_pipe_room(tidemark_tls_pipe *pipe, size_t count);

#endif
