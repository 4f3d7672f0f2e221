#include "CTidemarkTLS.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

// MARK: pipes

struct tidemark_tls_pipe {
    BIO *bio;
    const uint8_t *input;
    size_t input_count;
    /// The caller's, or `own`.
    uint8_t *output;
    size_t output_count, output_capacity;
    uint8_t *own;
    size_t own_capacity;
    /// Messages of a handshake that were read.
    size_t handshakes;
};

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

static int pipe_write(BIO *bio, const char *bytes, size_t count, size_t *written) {
    tidemark_tls_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t needed = pipe->output_count + count;
    if (needed > pipe->output_capacity) {
        if (needed > pipe->own_capacity) {
            size_t capacity = needed < 4096 ? 4096 : 2 * needed;
            uint8_t *larger = realloc(pipe->own, capacity);
            if (!larger) return 0;
            if (pipe->output == pipe->own) pipe->output = larger;
            pipe->own = larger;
            pipe->own_capacity = capacity;
        }
        if (pipe->output != pipe->own && pipe->output_count > 0) memcpy(pipe->own, pipe->output, pipe->output_count);
        pipe->output = pipe->own;
        pipe->output_capacity = pipe->own_capacity;
    }
    memcpy(pipe->output + pipe->output_count, bytes, count);
    pipe->output_count = needed;
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
    pipe->handshakes = 0;
}

size_t tidemark_tls_pipe_handshakes(const tidemark_tls_pipe *pipe) { return pipe->handshakes; }

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

// MARK: contexts

void tidemark_tls_error(char error[TIDEMARK_TLS_ERROR_BYTES]) {
    // The first one is the cause of the others.
    unsigned long code = ERR_peek_error();
    const char *reason = !code ? "unknown" : ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
                                                                    : ERR_reason_error_string(code);
    if (reason) {
        strncpy(error, reason, TIDEMARK_TLS_ERROR_BYTES - 1);
        error[TIDEMARK_TLS_ERROR_BYTES - 1] = 0;
    } else {
        ERR_error_string_n(code, error, TIDEMARK_TLS_ERROR_BYTES);
    }
    ERR_clear_error();
}

/// A key with a passphrase is refused, and nobody is asked.
static int no_passphrase(char *into, int size, int is_writing, void *data) {
    (void)into, (void)size, (void)is_writing, (void)data;
    return -1;
}

static const unsigned char protocol[] = "\x08tidemark";

/// A client that names protocols speaks ours, or something else by mistake (RFC 7301, section 3.2).
static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_bytes,
                           const unsigned char *offered, unsigned int offered_bytes, void *data) {
    (void)ssl, (void)data;
    unsigned char *found;
    int result = SSL_select_next_proto(&found, chosen_bytes, protocol, sizeof protocol - 1, offered, offered_bytes);
    if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

/// Counts what is not the caller's: each such message is answered, and OpenSSL sets no bound to them.
static void count_handshakes(int is_written, int version, int type, const void *bytes, size_t count, SSL *ssl, void *data) {
    (void)version, (void)data;
    // With 1.3 a record says inside what it is.
    if (is_written || count == 0 || (type != SSL3_RT_HEADER && type != SSL3_RT_INNER_CONTENT_TYPE)) return;
    if (*(const unsigned char *)bytes == SSL3_RT_HANDSHAKE) ((tidemark_tls_pipe *)BIO_get_data(SSL_get_rbio(ssl)))->handshakes++;
}

/// Tickets of 1.2 are all under one key, for as long as the context lives: whoever has that reads what was said before.
static int no_old_tickets(SSL *ssl, void *data) {
    (void)data;
    if (SSL_version(ssl) < TLS1_3_VERSION) SSL_set_options(ssl, SSL_OP_NO_TICKET);
    return 1;
}

static bool set_up(SSL_CTX *context, const char *certificate_file, const char *key_file, const char *client_ca_file) {
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) return false;
    // Forward secrecy and authenticated encryption, with 1.2 as with 1.3.
    if (SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) return false;
    if (SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384") != 1)
        return false;
    if (SSL_CTX_set1_groups_list(context, "X25519:P-256") != 1) return false;
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
    // Idle connections keep no buffers; the session that is taken up again is the client's to keep.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_num_tickets(context, 1) != 1) return false;
    if (SSL_CTX_set_session_id_context(context, protocol, sizeof protocol - 1) != 1) return false;
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_msg_callback(context, count_handshakes);
    SSL_CTX_set_cert_cb(context, no_old_tickets, NULL);
    if (SSL_CTX_use_certificate_chain_file(context, certificate_file) != 1) return false;
    if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1) return false;
    if (SSL_CTX_check_private_key(context) != 1) return false;
    if (client_ca_file) {
        if (SSL_CTX_load_verify_locations(context, client_ca_file, NULL) != 1) return false;
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(client_ca_file);
        if (!names) return false;
        SSL_CTX_set_client_CA_list(context, names);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    }
    return true;
}

tidemark_tls_context *tidemark_tls_server_context(const char *certificate_file, const char *key_file,
                                                  const char *client_ca_file, char error[TIDEMARK_TLS_ERROR_BYTES]) {
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context && set_up(context, certificate_file, key_file, client_ca_file)) return context;
    tidemark_tls_error(error);
    SSL_CTX_free(context);
    return NULL;
}

static bool set_up_client(SSL_CTX *context, const char *ca_file) {
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) return false;
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    // The one function of OpenSSL that returns 0 when all is well.
    if (SSL_CTX_set_alpn_protos(context, protocol, sizeof protocol - 1) != 0) return false;
    return (ca_file ? SSL_CTX_load_verify_locations(context, ca_file, NULL)
                    : SSL_CTX_set_default_verify_paths(context)) == 1;
}

tidemark_tls_context *tidemark_tls_client_context(const char *ca_file, char error[TIDEMARK_TLS_ERROR_BYTES]) {
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context && set_up_client(context, ca_file)) return context;
    tidemark_tls_error(error);
    SSL_CTX_free(context);
    return NULL;
}

void tidemark_tls_context_release(tidemark_tls_context *context) { SSL_CTX_free(context); }

int64_t tidemark_tls_context_expires(tidemark_tls_context *context) {
    X509 *certificate = SSL_CTX_get0_certificate(context);
    int days, seconds;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool is_known = certificate && epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate));
    ASN1_TIME_free(epoch);
    return is_known ? (int64_t)days * 86400 + seconds : 0;
}

// MARK: connections

tidemark_tls *tidemark_tls_accept(tidemark_tls_context *context, tidemark_tls_pipe *pipe) {
    SSL *ssl = SSL_new(context);
    if (!ssl) return NULL;
    if (!tidemark_tls_set_pipe(ssl, pipe)) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}

tidemark_tls *tidemark_tls_connect(tidemark_tls_context *context, tidemark_tls_pipe *pipe, const char *host) {
    SSL *ssl = SSL_new(context);
    if (!ssl) return NULL;
    bool is_address = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    bool is_named = is_address || (SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1);
    if (!is_named || !tidemark_tls_set_pipe(ssl, pipe)) {
        SSL_free(ssl);
        return NULL;
    }
    ERR_clear_error();
    SSL_set_connect_state(ssl);
    return ssl;
}

void tidemark_tls_release(tidemark_tls *tls) { SSL_free(tls); }

bool tidemark_tls_set_pipe(tidemark_tls *tls, tidemark_tls_pipe *pipe) {
    // One for each direction.
    if (!BIO_up_ref(pipe->bio)) return false;
    if (!BIO_up_ref(pipe->bio)) {
        BIO_free(pipe->bio);
        return false;
    }
    SSL_set0_rbio(tls, pipe->bio);
    SSL_set0_wbio(tls, pipe->bio);
    return true;
}

bool tidemark_tls_has_unread(const tidemark_tls *tls, const tidemark_tls_pipe *pipe) {
    return pipe->input_count > 0 || SSL_has_pending(tls);
}

bool tidemark_tls_is_open(const tidemark_tls *tls) { return SSL_is_init_finished(tls); }

// The queue of errors is empty but between a call that has found a connection broken and tidemark_tls_error.
static tidemark_tls_result outcome(tidemark_tls *tls, int result) {
    switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_WANT_READ: return TIDEMARK_TLS_WAITS;
    case SSL_ERROR_ZERO_RETURN: return TIDEMARK_TLS_ENDED;
    default: return TIDEMARK_TLS_BROKEN;
    }
}

tidemark_tls_result tidemark_tls_read(tidemark_tls *tls, void *into, size_t capacity, size_t *count) {
    *count = 0;
    int result = SSL_read_ex(tls, into, capacity, count);
    return result == 1 ? TIDEMARK_TLS_OK : outcome(tls, result);
}

tidemark_tls_result tidemark_tls_write(tidemark_tls *tls, const void *bytes, size_t count) {
    size_t written;
    int result = SSL_write_ex(tls, bytes, count, &written);
    return result == 1 ? TIDEMARK_TLS_OK : outcome(tls, result);
}

void tidemark_tls_end(tidemark_tls *tls) {
    ERR_clear_error();
    if (SSL_shutdown(tls) < 0) ERR_clear_error();
}

bool tidemark_tls_is_resumed(const tidemark_tls *tls) { return SSL_session_reused(tls); }

const char *tidemark_tls_version(const tidemark_tls *tls) { return SSL_get_version(tls); }

bool tidemark_tls_fingerprint(const tidemark_tls *tls, uint8_t fingerprint[TIDEMARK_TLS_FINGERPRINT_BYTES]) {
    X509 *certificate = SSL_get0_peer_certificate(tls);
    unsigned int bytes = 0;
    if (!certificate || SSL_get_verify_result(tls) != X509_V_OK) return false;
    return X509_digest(certificate, EVP_sha256(), fingerprint, &bytes) == 1 && bytes == TIDEMARK_TLS_FINGERPRINT_BYTES;
}

size_t tidemark_tls_sealed_max(size_t count) {
    // Of each record: header, tag, content type; with 1.2 also an explicit nonce. And an alert or a key update.
    size_t records = count / SSL3_RT_MAX_PLAIN_LENGTH + 1;
    return count + records * 64 + 128;
}
