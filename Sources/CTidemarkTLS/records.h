// The records of TLS 1.3 behind a handshake (RFC 8446, sections 5 and 7): what OpenSSL has agreed on with the peer is
// enciphered and deciphered here, with OpenSSL's ciphers. What is not the caller's is an alert or new keys, and no more.

#ifndef TIDEMARK_TLS_RECORDS_H
#define TIDEMARK_TLS_RECORDS_H

#include "pipe.h"

#include <openssl/evp.h>

enum { TIDEMARK_TLS_SECRET_MAX = 48, TIDEMARK_TLS_NONCE_BYTES = 12 };

/// One of the two ways.
typedef struct {
    /// NULL until there is a key.
    EVP_CIPHER_CTX *cipher;
    /// Of the next record.
    uint64_t sequence;
    /// What the key was made from, and the next one will be.
    uint8_t secret[TIDEMARK_TLS_SECRET_MAX];
    uint8_t nonce[TIDEMARK_TLS_NONCE_BYTES];
    bool has_secret;
} tidemark_tls_way;

typedef struct {
    tidemark_tls_way reading, writing;
    /// What has come of a record, or, once it is clear, what has not been read of it. NULL most of the time.
    uint8_t *held;
    uint32_t held_start, held_end, held_capacity;
    /// The cipher suite, by its number in the registry of TLS.
    uint16_t suite;
    bool is_clear;
    /// The peer has said that nothing follows.
    bool has_ended;
} tidemark_tls_records;

/// Makes the keys. What it needs stands there: the secrets, and the number of the first record. False without memory, or where
/// it does not know the suite.
bool tidemark_tls_records_begin(tidemark_tls_records *records, uint16_t suite);
/// Forgets the keys and the secrets.
void tidemark_tls_records_end(tidemark_tls_records *records);
/// Some of what the peer has sent, at most `capacity` bytes.
tidemark_tls_result tidemark_tls_records_read(tidemark_tls_records *records, tidemark_tls_pipe *pipe, void *into,
                                              size_t capacity, size_t *count);
bool tidemark_tls_records_have_unread(const tidemark_tls_records *records);
tidemark_tls_result tidemark_tls_records_write(tidemark_tls_records *records, tidemark_tls_pipe *pipe, const void *bytes,
                                               size_t count);
/// Says that nothing follows.
void tidemark_tls_records_close(tidemark_tls_records *records, tidemark_tls_pipe *pipe);

#endif
