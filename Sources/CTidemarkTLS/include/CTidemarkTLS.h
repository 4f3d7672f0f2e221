// OpenSSL without sockets: bytes in, bytes out.
//
// What OpenSSL reads and writes passes through a pipe, which borrows the caller's memory for the length of one call. All
// connections of a thread share one: only one of them is being dealt with at a time.

#ifndef TIDEMARK_TLS_H
#define TIDEMARK_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tidemark_tls_pipe tidemark_tls_pipe;
typedef struct ssl_ctx_st tidemark_tls_context;
typedef struct tidemark_tls tidemark_tls;

enum { TIDEMARK_TLS_ERROR_BYTES = 256, TIDEMARK_TLS_FINGERPRINT_BYTES = 32 };

// MARK: contexts

/// What a server is: its certificate chain and key, PEM files. With `client_ca_file`, a client may show a certificate that one
/// of these has signed, and a client that shows another is refused. NULL on failure, and why in `error`.
tidemark_tls_context *tidemark_tls_server_context(const char *certificate_file, const char *key_file,
                                                  const char *client_ca_file,
                                                  char error[TIDEMARK_TLS_ERROR_BYTES]);
/// What a client believes: a server whose certificate leads to one of these, or of the system's where it is NULL.
tidemark_tls_context *tidemark_tls_client_context(const char *ca_file, char error[TIDEMARK_TLS_ERROR_BYTES]);
void tidemark_tls_context_release(tidemark_tls_context *context);
/// When the certificate is good no more: seconds since 1970; 0 where that cannot be told.
int64_t tidemark_tls_context_expires(tidemark_tls_context *context);

// MARK: pipes

/// NULL without memory.
tidemark_tls_pipe *tidemark_tls_pipe_make(void);
void tidemark_tls_pipe_release(tidemark_tls_pipe *pipe);
/// What is received; to be set before `read`, and valid until it has returned.
void tidemark_tls_pipe_set_input(tidemark_tls_pipe *pipe, const void *bytes, size_t count);
/// Records that servers have read from the input so far and that say nothing to the caller.
size_t tidemark_tls_pipe_asides(const tidemark_tls_pipe *pipe);
/// Where what is to be sent goes. What does not fit goes to memory of the pipe's own, all of it.
void tidemark_tls_pipe_set_output(tidemark_tls_pipe *pipe, void *bytes, size_t capacity);
/// What has been written since, and whether it is in memory of the pipe's own; valid until output is set again.
const void *tidemark_tls_pipe_output(const tidemark_tls_pipe *pipe, size_t *count, bool *is_own);

// MARK: connections

typedef enum {
    TIDEMARK_TLS_OK = 0,
    /// More has to be received first.
    TIDEMARK_TLS_WAITS = 1,
    /// The peer has said that it sends no more.
    TIDEMARK_TLS_ENDED = 2,
    /// Broken, for good. Perhaps there is an alert to be sent.
    TIDEMARK_TLS_BROKEN = 3,
} tidemark_tls_result;

/// The server's side of a connection, which passes its bytes through `pipe`. NULL without memory.
tidemark_tls *tidemark_tls_accept(tidemark_tls_context *context, tidemark_tls_pipe *pipe);
/// The client's side of a connection to a server of that name, or numeric address. NULL without memory.
tidemark_tls *tidemark_tls_connect(tidemark_tls_context *context, tidemark_tls_pipe *pipe, const char *host);
/// The server's side of one whose handshake somebody else has done: the number of the cipher suite of 1.3, the secrets of what
/// the client and the server send, and how many records the server has sent. NULL without memory, or where the suite is not known.
tidemark_tls *tidemark_tls_opened(uint16_t suite, const uint8_t *reading, const uint8_t *writing, size_t secret_bytes,
                                  uint64_t written, tidemark_tls_pipe *pipe);
void tidemark_tls_release(tidemark_tls *tls);
/// From now on its bytes pass through another pipe.
bool tidemark_tls_set_pipe(tidemark_tls *tls, tidemark_tls_pipe *pipe);
/// Whether the handshake is over, and bytes can be written.
bool tidemark_tls_is_open(const tidemark_tls *tls);
/// Deciphers some of the input, at most `capacity` bytes, or goes on with the handshake.
tidemark_tls_result tidemark_tls_read(tidemark_tls *tls, void *into, size_t capacity, size_t *count);
/// Whether reading may give more than it has, without more being received.
bool tidemark_tls_has_unread(const tidemark_tls *tls);
/// Enciphers all of it.
tidemark_tls_result tidemark_tls_write(tidemark_tls *tls, const void *bytes, size_t count);
/// Says that nothing follows.
void tidemark_tls_end(tidemark_tls *tls);
/// Whether the last handshake took up an earlier session.
bool tidemark_tls_is_resumed(const tidemark_tls *tls);
/// "TLSv1.3"; never NULL.
const char *tidemark_tls_version(const tidemark_tls *tls);
/// The SHA-256 of the certificate that the client has shown, which is verified; false where it has shown none.
bool tidemark_tls_fingerprint(const tidemark_tls *tls, uint8_t fingerprint[TIDEMARK_TLS_FINGERPRINT_BYTES]);
/// Why the last call was TIDEMARK_TLS_BROKEN: to be called each time that one was.
void tidemark_tls_error(char error[TIDEMARK_TLS_ERROR_BYTES]);
/// Room that enciphering `count` bytes takes at most.
size_t tidemark_tls_sealed_max(size_t count);

#endif
