#include "records.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

struct tidemark_tls {
    /// NULL once all that is left of it is records, which are ours.
    SSL *ssl;
    tidemark_tls_pipe *pipe;
    /// The secrets are kept as the handshake finds them; the keys are made when it is over.
    tidemark_tls_records records;
    /// What is known of a handshake that is over, and of the SSL that is gone.
    bool is_resumed, has_fingerprint;
    uint8_t fingerprint[TIDEMARK_TLS_FINGERPRINT_BYTES];
};

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

/// Counts what is not the caller's: each such message is answered, and OpenSSL sets no bound to them. And what has been sent
/// since there are keys, so that the next record has the right number.
static void count_records(int is_written, int version, int type, const void *bytes, size_t count, SSL *ssl, void *data) {
    (void)version, (void)data;
    tidemark_tls *tls = SSL_get_app_data(ssl);
    if (is_written) {
        tls->records.writing.sequence += type == SSL3_RT_HEADER;
        return;
    }
    // With 1.3 a record says inside what it is.
    if (count == 0 || (type != SSL3_RT_HEADER && type != SSL3_RT_INNER_CONTENT_TYPE)) return;
    tls->pipe->asides += *(const unsigned char *)bytes == SSL3_RT_HANDSHAKE;
}

/// Keeps the two secrets that what is said behind the handshake is enciphered with. OpenSSL gives them to nobody in another way
/// than in the form of a key log: what it is, what the client has drawn, and the secret.
static void keep_secret(const SSL *ssl, const char *line) {
    static const char reading[] = "CLIENT_TRAFFIC_SECRET_0 ", writing[] = "SERVER_TRAFFIC_SECRET_0 ";
    tidemark_tls *tls = SSL_get_app_data(ssl);
    bool is_reading = strncmp(line, reading, sizeof reading - 1) == 0;
    if (!is_reading && strncmp(line, writing, sizeof writing - 1) != 0) return;
    tidemark_tls_way *way = is_reading ? &tls->records.reading : &tls->records.writing;
    size_t count = 0;
    const char *digits = strrchr(line, ' ') + 1;
    if (OPENSSL_hexstr2buf_ex(way->secret, sizeof way->secret, &count, digits, 0) != 1) ERR_clear_error();
    way->sequence = 0;
    way->has_secret = count > 0;
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
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_msg_callback(context, count_records);
    SSL_CTX_set_keylog_callback(context, keep_secret);
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

static tidemark_tls *make(tidemark_tls_context *context, tidemark_tls_pipe *pipe) {
    tidemark_tls *tls = calloc(1, sizeof *tls);
    if (!tls) return NULL;
    tls->ssl = SSL_new(context);
    if (!tls->ssl || !SSL_set_app_data(tls->ssl, tls) || !tidemark_tls_set_pipe(tls, pipe)) {
        tidemark_tls_release(tls);
        return NULL;
    }
    return tls;
}

tidemark_tls *tidemark_tls_accept(tidemark_tls_context *context, tidemark_tls_pipe *pipe) {
    tidemark_tls *tls = make(context, pipe);
    if (tls) SSL_set_accept_state(tls->ssl);
    return tls;
}

tidemark_tls *tidemark_tls_connect(tidemark_tls_context *context, tidemark_tls_pipe *pipe, const char *host) {
    tidemark_tls *tls = make(context, pipe);
    if (!tls) return NULL;
    bool is_address = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), host) == 1;
    if (!is_address && (SSL_set1_host(tls->ssl, host) != 1 || SSL_set_tlsext_host_name(tls->ssl, host) != 1)) {
        tidemark_tls_release(tls);
        return NULL;
    }
    ERR_clear_error();
    SSL_set_connect_state(tls->ssl);
    return tls;
}

tidemark_tls *tidemark_tls_opened(uint16_t suite, const uint8_t *reading, const uint8_t *writing, size_t secret_bytes,
                                  uint64_t written, tidemark_tls_pipe *pipe) {
    // It knows the words for what is wrong.
    if (OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL) != 1 || secret_bytes > TIDEMARK_TLS_SECRET_MAX) return NULL;
    tidemark_tls *tls = calloc(1, sizeof *tls);
    if (!tls) return NULL;
    tls->pipe = pipe;
    memcpy(tls->records.reading.secret, reading, secret_bytes);
    memcpy(tls->records.writing.secret, writing, secret_bytes);
    tls->records.writing.sequence = written;
    if (tidemark_tls_records_begin(&tls->records, suite)) return tls;
    tidemark_tls_release(tls);
    return NULL;
}

void tidemark_tls_release(tidemark_tls *tls) {
    SSL_free(tls->ssl);
    tidemark_tls_records_end(&tls->records);
    free(tls);
}

bool tidemark_tls_set_pipe(tidemark_tls *tls, tidemark_tls_pipe *pipe) {
    tls->pipe = pipe;
    if (!tls->ssl) return true;
    // One for each direction.
    if (!BIO_up_ref(pipe->bio)) return false;
    if (!BIO_up_ref(pipe->bio)) {
        BIO_free(pipe->bio);
        return false;
    }
    SSL_set0_rbio(tls->ssl, pipe->bio);
    SSL_set0_wbio(tls->ssl, pipe->bio);
    return true;
}

bool tidemark_tls_has_unread(const tidemark_tls *tls) {
    bool has_rest = tls->ssl ? SSL_has_pending(tls->ssl) : tidemark_tls_records_have_unread(&tls->records);
    return has_rest || tls->pipe->input_count > 0;
}

bool tidemark_tls_is_open(const tidemark_tls *tls) { return !tls->ssl || SSL_is_init_finished(tls->ssl); }

// The queue of errors is empty but between a call that has found a connection broken and tidemark_tls_error.
static tidemark_tls_result outcome(tidemark_tls *tls, int result) {
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ: return TIDEMARK_TLS_WAITS;
    case SSL_ERROR_ZERO_RETURN: return TIDEMARK_TLS_ENDED;
    default: return TIDEMARK_TLS_BROKEN;
    }
}

static bool has_shown_certificate(SSL *ssl, uint8_t fingerprint[TIDEMARK_TLS_FINGERPRINT_BYTES]) {
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    unsigned int bytes = 0;
    if (!certificate || SSL_get_verify_result(ssl) != X509_V_OK) return false;
    return X509_digest(certificate, EVP_sha256(), fingerprint, &bytes) == 1 && bytes == TIDEMARK_TLS_FINGERPRINT_BYTES;
}

/// The server's handshake is over. What is left of 1.3 are records, and OpenSSL's part of it goes.
static void take_over(tidemark_tls *tls) {
    SSL *ssl = tls->ssl;
    tls->is_resumed = SSL_session_reused(ssl);
    tls->has_fingerprint = has_shown_certificate(ssl, tls->fingerprint);
    tidemark_tls_records *records = &tls->records;
    // It reads what a record needs and no more, until the handshake is over: so nothing of the first record is in there.
    bool is_ours = SSL_version(ssl) == TLS1_3_VERSION && records->reading.has_secret && records->writing.has_secret &&
                   !SSL_has_pending(ssl);
    if (is_ours && tidemark_tls_records_begin(records, SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)))) {
        tls->ssl = NULL;
        SSL_free(ssl);
    } else {
        SSL_set_read_ahead(ssl, 1);
    }
}

tidemark_tls_result tidemark_tls_read(tidemark_tls *tls, void *into, size_t capacity, size_t *count) {
    *count = 0;
    if (tls->ssl && SSL_is_server(tls->ssl) && !SSL_is_init_finished(tls->ssl)) {
        int result = SSL_do_handshake(tls->ssl);
        if (result != 1) return outcome(tls, result);
        take_over(tls);
    }
    if (!tls->ssl) return tidemark_tls_records_read(&tls->records, tls->pipe, into, capacity, count);
    int result = SSL_read_ex(tls->ssl, into, capacity, count);
    return result == 1 ? TIDEMARK_TLS_OK : outcome(tls, result);
}

tidemark_tls_result tidemark_tls_write(tidemark_tls *tls, const void *bytes, size_t count) {
    if (!tls->ssl) return tidemark_tls_records_write(&tls->records, tls->pipe, bytes, count);
    size_t written;
    int result = SSL_write_ex(tls->ssl, bytes, count, &written);
    return result == 1 ? TIDEMARK_TLS_OK : outcome(tls, result);
}

void tidemark_tls_end(tidemark_tls *tls) {
    if (!tls->ssl) return tidemark_tls_records_close(&tls->records, tls->pipe);
    ERR_clear_error();
    if (SSL_shutdown(tls->ssl) < 0) ERR_clear_error();
}

bool tidemark_tls_is_resumed(const tidemark_tls *tls) {
    return tls->ssl ? SSL_session_reused(tls->ssl) : tls->is_resumed;
}

const char *tidemark_tls_version(const tidemark_tls *tls) { return tls->ssl ? SSL_get_version(tls->ssl) : "TLSv1.3"; }

bool tidemark_tls_fingerprint(const tidemark_tls *tls, uint8_t fingerprint[TIDEMARK_TLS_FINGERPRINT_BYTES]) {
    memcpy(fingerprint, tls->fingerprint, TIDEMARK_TLS_FINGERPRINT_BYTES);
    return tls->has_fingerprint;
}

size_t tidemark_tls_sealed_max(size_t count) {
    // Of each record: header, tag, content type; with 1.2 also an explicit nonce. And an alert or a key update.
    size_t records = count / SSL3_RT_MAX_PLAIN_LENGTH + 1;
    return count + records * 64 + 128;
}
