#include "records.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES = SSL3_RT_HEADER_LENGTH,
    TAG_BYTES = 16,
    CLEAR_MAX = SSL3_RT_MAX_PLAIN_LENGTH,
    /// With the byte that says what it is; any padding counts as well.
    INNER_MAX = CLEAR_MAX + 1,
    /// A record that is longer is none, section 5.2.
    BODY_MAX = CLEAR_MAX + 256,
    KEY_BYTES_MAX = 32,
    KEY_UPDATE_BYTES = 5,
};

/// A key of AES-GCM is good for some 2^24.5 records (section 5.5); of what is sent, none has more than these.
static const uint64_t KEY_RECORDS_MAX = 1 << 24;

// MARK: keys

typedef struct {
    const EVP_CIPHER *cipher;
    const char *digest;
    size_t secret_bytes, key_bytes;
} suite;

static bool find_suite(uint16_t number, suite *found) {
    switch (number) {
    case TLS1_3_CK_AES_128_GCM_SHA256 & 0xffff: *found = (suite){EVP_aes_128_gcm(), "SHA256", 32, 16}; return true;
    case TLS1_3_CK_AES_256_GCM_SHA384 & 0xffff: *found = (suite){EVP_aes_256_gcm(), "SHA384", 48, 32}; return true;
    case TLS1_3_CK_CHACHA20_POLY1305_SHA256 & 0xffff:
        *found = (suite){EVP_chacha20_poly1305(), "SHA256", 32, 32};
        return true;
    default: return false;
    }
}

/// HKDF-Expand-Label with no context, section 7.1.
static bool expand(const suite *suite, const uint8_t *secret, const char *label, uint8_t *into, size_t count) {
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    EVP_KDF_free(kdf);
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)suite->digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, suite->secret_bytes),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, "tls13 ", 6),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (void *)label, strlen(label)),
        OSSL_PARAM_construct_end(),
    };
    bool is_made = context && EVP_KDF_derive(context, into, count, parameters) == 1;
    EVP_KDF_CTX_free(context);
    return is_made;
}

/// Puts the key of the secret in force.
static bool set_key(tidemark_tls_way *way, const suite *suite, bool is_writing) {
    uint8_t key[KEY_BYTES_MAX];
    bool is_set = (way->cipher || (way->cipher = EVP_CIPHER_CTX_new())) &&
                  expand(suite, way->secret, "key", key, suite->key_bytes) &&
                  expand(suite, way->secret, "iv", way->nonce, sizeof way->nonce) &&
                  EVP_CipherInit_ex(way->cipher, suite->cipher, NULL, key, way->nonce, is_writing) == 1;
    OPENSSL_cleanse(key, sizeof key);
    return is_set;
}

/// The next key, section 7.2. Its records are counted anew.
static bool renew_key(tidemark_tls_records *records, bool is_writing) {
    tidemark_tls_way *way = is_writing ? &records->writing : &records->reading;
    uint8_t next[TIDEMARK_TLS_SECRET_MAX];
    suite suite;
    bool is_renewed = find_suite(records->suite, &suite) &&
                      expand(&suite, way->secret, "traffic upd", next, suite.secret_bytes);
    if (is_renewed) {
        memcpy(way->secret, next, suite.secret_bytes);
        way->sequence = 0;
        is_renewed = set_key(way, &suite, is_writing);
    }
    OPENSSL_cleanse(next, sizeof next);
    return is_renewed;
}

bool tidemark_tls_records_begin(tidemark_tls_records *records, uint16_t number) {
    suite suite;
    records->suite = number;
    return find_suite(number, &suite) && set_key(&records->reading, &suite, false) &&
           set_key(&records->writing, &suite, true);
}

static void give_held(tidemark_tls_records *records) {
    if (!records->held) return;
    OPENSSL_cleanse(records->held, records->held_capacity);
    free(records->held);
    records->held = NULL;
    records->held_start = records->held_end = records->held_capacity = 0;
    records->is_clear = false;
}

void tidemark_tls_records_end(tidemark_tls_records *records) {
    EVP_CIPHER_CTX_free(records->reading.cipher);
    EVP_CIPHER_CTX_free(records->writing.cipher);
    give_held(records);
    OPENSSL_cleanse(records, sizeof *records);
}

/// Of the next record: the number of it, and what is secret (section 5.3).
static bool set_nonce(tidemark_tls_way *way) {
    uint8_t nonce[TIDEMARK_TLS_NONCE_BYTES];
    memcpy(nonce, way->nonce, sizeof nonce);
    for (int byte = 0; byte < 8; byte++) nonce[4 + byte] ^= (uint8_t)(way->sequence >> (56 - 8 * byte));
    return EVP_CipherInit_ex(way->cipher, NULL, NULL, NULL, nonce, -1) == 1;
}

// MARK: writing

/// One record.
static bool seal(tidemark_tls_records *records, tidemark_tls_pipe *pipe, uint8_t type, const void *bytes, size_t count) {
    size_t body = count + 1 + TAG_BYTES;
    uint8_t *record = tidemark_tls_pipe_room(pipe, HEADER_BYTES + body);
    if (!record) return false;
    const uint8_t header[HEADER_BYTES] = {SSL3_RT_APPLICATION_DATA, 3, 3, (uint8_t)(body >> 8), (uint8_t)body};
    uint8_t *inner = record + HEADER_BYTES;
    memcpy(record, header, sizeof header);
    memcpy(inner, bytes, count);
    inner[count] = type;
    tidemark_tls_way *way = &records->writing;
    int done;
    bool is_sealed = set_nonce(way) && EVP_EncryptUpdate(way->cipher, NULL, &done, record, HEADER_BYTES) == 1 &&
                     EVP_EncryptUpdate(way->cipher, inner, &done, inner, (int)count + 1) == 1 &&
                     EVP_EncryptFinal_ex(way->cipher, inner + count + 1, &done) == 1 &&
                     EVP_CIPHER_CTX_ctrl(way->cipher, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, inner + count + 1) == 1;
    if (!is_sealed) return false;
    way->sequence++;
    pipe->output_count += HEADER_BYTES + body;
    return true;
}

/// Says that what follows is under the next key, and puts that in force.
static bool seal_key_update(tidemark_tls_records *records, tidemark_tls_pipe *pipe) {
    const uint8_t message[KEY_UPDATE_BYTES] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, SSL_KEY_UPDATE_NOT_REQUESTED};
    return seal(records, pipe, SSL3_RT_HANDSHAKE, message, sizeof message) && renew_key(records, true);
}

tidemark_tls_result tidemark_tls_records_write(tidemark_tls_records *records, tidemark_tls_pipe *pipe, const void *bytes,
                                               size_t count) {
    const uint8_t *next = bytes;
    while (count > 0) {
        size_t part = count < CLEAR_MAX ? count : CLEAR_MAX;
        if (records->writing.sequence >= KEY_RECORDS_MAX && !seal_key_update(records, pipe)) return TIDEMARK_TLS_BROKEN;
        if (!seal(records, pipe, SSL3_RT_APPLICATION_DATA, next, part)) return TIDEMARK_TLS_BROKEN;
        next += part;
        count -= part;
    }
    return TIDEMARK_TLS_OK;
}

static void seal_alert(tidemark_tls_records *records, tidemark_tls_pipe *pipe, uint8_t level, uint8_t alert) {
    const uint8_t message[2] = {level, alert};
    // Without it the peer learns less, and nothing worse.
    if (!seal(records, pipe, SSL3_RT_ALERT, message, sizeof message)) ERR_clear_error();
}

void tidemark_tls_records_close(tidemark_tls_records *records, tidemark_tls_pipe *pipe) {
    seal_alert(records, pipe, SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY);
}

// MARK: reading

/// The peer is told, and so is who asks for the error.
static tidemark_tls_result refuse(tidemark_tls_records *records, tidemark_tls_pipe *pipe, uint8_t alert, int reason) {
    // A cipher that found the record wrong may have left something to say, which is less clear.
    ERR_clear_error();
    seal_alert(records, pipe, SSL3_AL_FATAL, alert);
    ERR_raise(ERR_LIB_SSL, reason);
    return TIDEMARK_TLS_BROKEN;
}

static size_t smaller(size_t one, size_t other) { return one < other ? one : other; }

/// Holds so much of the input that `wanted` bytes are held, as far as it has come. Room is taken for what has come, and not for
/// what a header says will.
static bool hold(tidemark_tls_records *records, tidemark_tls_pipe *pipe, size_t wanted) {
    size_t part = smaller(wanted - records->held_end, pipe->input_count);
    if (part == 0) return true;
    size_t needed = records->held_end + part;
    if (needed > records->held_capacity) {
        size_t capacity = smaller(needed < 128 ? 128 : 2 * needed, HEADER_BYTES + BODY_MAX);
        uint8_t *larger = realloc(records->held, capacity);
        if (!larger) return false;
        records->held = larger;
        records->held_capacity = (uint32_t)capacity;
    }
    memcpy(records->held + records->held_end, pipe->input, part);
    records->held_end = (uint32_t)needed;
    pipe->input += part;
    pipe->input_count -= part;
    return true;
}

/// Deciphers one that is all there. `into` may be where it stands, or at its body.
static bool open_record(tidemark_tls_records *records, const uint8_t *record, size_t body, uint8_t *into) {
    tidemark_tls_way *way = &records->reading;
    const uint8_t *sealed = record + HEADER_BYTES;
    size_t count = body - TAG_BYTES;
    uint8_t tag[TAG_BYTES];
    memcpy(tag, sealed + count, sizeof tag);
    int done;
    bool is_open = set_nonce(way) && EVP_DecryptUpdate(way->cipher, NULL, &done, record, HEADER_BYTES) == 1 &&
                   EVP_DecryptUpdate(way->cipher, into, &done, sealed, (int)count) == 1 &&
                   EVP_CIPHER_CTX_ctrl(way->cipher, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
                   EVP_DecryptFinal_ex(way->cipher, into + count, &done) == 1;
    way->sequence++;
    return is_open;
}

/// New keys for what the peer sends, and for what it is sent where it asks for that. Of a handshake there is nothing else that a
/// client has to say here.
static tidemark_tls_result take_handshake(tidemark_tls_records *records, tidemark_tls_pipe *pipe, const uint8_t *message,
                                          size_t count) {
    const uint8_t expected[KEY_UPDATE_BYTES - 1] = {SSL3_MT_KEY_UPDATE, 0, 0, 1};
    if (count != KEY_UPDATE_BYTES || memcmp(message, expected, sizeof expected) != 0)
        return refuse(records, pipe, SSL_AD_UNEXPECTED_MESSAGE, SSL_R_UNEXPECTED_MESSAGE);
    uint8_t request = message[KEY_UPDATE_BYTES - 1];
    if (request > SSL_KEY_UPDATE_REQUESTED) return refuse(records, pipe, SSL_AD_ILLEGAL_PARAMETER, SSL_R_BAD_KEY_UPDATE);
    if (!renew_key(records, false)) return TIDEMARK_TLS_BROKEN;
    if (request == SSL_KEY_UPDATE_REQUESTED && !seal_key_update(records, pipe)) return TIDEMARK_TLS_BROKEN;
    return TIDEMARK_TLS_OK;
}

static tidemark_tls_result take_alert(tidemark_tls_records *records, tidemark_tls_pipe *pipe, const uint8_t *message,
                                      size_t count) {
    if (count != 2) return refuse(records, pipe, SSL_AD_DECODE_ERROR, SSL_R_INVALID_ALERT);
    // Which level it has says nothing (section 6).
    if (message[1] == SSL_AD_USER_CANCELLED) return TIDEMARK_TLS_OK;
    if (message[1] == SSL_AD_CLOSE_NOTIFY) {
        records->has_ended = true;
        return TIDEMARK_TLS_ENDED;
    }
    ERR_raise(ERR_LIB_SSL, SSL_AD_REASON_OFFSET + message[1]);
    return TIDEMARK_TLS_BROKEN;
}

/// One that is clear.
typedef struct {
    uint8_t *bytes;
    size_t count;
    uint8_t type;
    /// It is in memory of the caller's.
    bool is_read;
} clear_record;

/// The next one: opened where it stands if it is all there, and into the caller's memory if that has room. Of one that is not all
/// there the parts are held until it is.
static tidemark_tls_result next_record(tidemark_tls_records *records, tidemark_tls_pipe *pipe, uint8_t *into,
                                       size_t capacity, clear_record *next) {
    bool is_held = records->held_end > 0 || pipe->input_count < HEADER_BYTES;
    if (is_held && records->held_end < HEADER_BYTES) {
        if (!hold(records, pipe, HEADER_BYTES)) return TIDEMARK_TLS_BROKEN;
        if (records->held_end < HEADER_BYTES) return TIDEMARK_TLS_WAITS;
    }
    const uint8_t *record = is_held ? records->held : pipe->input;
    size_t body = (size_t)record[3] << 8 | record[4], whole = HEADER_BYTES + body;
    if (record[0] != SSL3_RT_APPLICATION_DATA)
        return refuse(records, pipe, SSL_AD_UNEXPECTED_MESSAGE, SSL_R_BAD_RECORD_TYPE);
    if (body > BODY_MAX) return refuse(records, pipe, SSL_AD_RECORD_OVERFLOW, SSL_R_ENCRYPTED_LENGTH_TOO_LONG);
    if (body < 1 + TAG_BYTES) return refuse(records, pipe, SSL_AD_DECODE_ERROR, SSL_R_LENGTH_TOO_SHORT);
    next->count = body - TAG_BYTES;
    next->is_read = next->count <= capacity;
    if (is_held || pipe->input_count < whole || !next->is_read) {
        if (!hold(records, pipe, whole)) return TIDEMARK_TLS_BROKEN;
        if (records->held_end < whole) return TIDEMARK_TLS_WAITS;
        record = records->held;
    } else {
        pipe->input += whole;
        pipe->input_count -= whole;
    }
    next->bytes = next->is_read ? into : records->held + HEADER_BYTES;
    if (!open_record(records, record, body, next->bytes))
        return refuse(records, pipe, SSL_AD_BAD_RECORD_MAC, SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC);
    if (next->is_read) give_held(records);
    if (next->count > INNER_MAX) return refuse(records, pipe, SSL_AD_RECORD_OVERFLOW, SSL_R_DATA_LENGTH_TOO_LONG);
    // Behind what it says: what it is, and zeros as padding.
    while (next->count > 0 && next->bytes[next->count - 1] == 0) next->count--;
    if (next->count == 0) return refuse(records, pipe, SSL_AD_UNEXPECTED_MESSAGE, SSL_R_BAD_RECORD_TYPE);
    next->type = next->bytes[--next->count];
    return TIDEMARK_TLS_OK;
}

/// One that says nothing to the caller.
static tidemark_tls_result take_aside(tidemark_tls_records *records, tidemark_tls_pipe *pipe, const clear_record *record) {
    pipe->asides++;
    switch (record->type) {
    case SSL3_RT_APPLICATION_DATA: return TIDEMARK_TLS_OK;
    case SSL3_RT_HANDSHAKE: return take_handshake(records, pipe, record->bytes, record->count);
    case SSL3_RT_ALERT: return take_alert(records, pipe, record->bytes, record->count);
    default: return refuse(records, pipe, SSL_AD_UNEXPECTED_MESSAGE, SSL_R_UNEXPECTED_RECORD);
    }
}

tidemark_tls_result tidemark_tls_records_read(tidemark_tls_records *records, tidemark_tls_pipe *pipe, void *into,
                                              size_t capacity, size_t *count) {
    *count = 0;
    while (!records->is_clear) {
        if (records->has_ended) {
            // What stands behind the end is nobody's.
            pipe->input_count = 0;
            return TIDEMARK_TLS_ENDED;
        }
        clear_record record;
        tidemark_tls_result result = next_record(records, pipe, into, capacity, &record);
        if (result != TIDEMARK_TLS_OK) return result;
        if (record.type != SSL3_RT_APPLICATION_DATA || record.count == 0) {
            result = take_aside(records, pipe, &record);
            if (!record.is_read) give_held(records);
            if (result != TIDEMARK_TLS_OK) return result;
        } else if (record.is_read) {
            *count = record.count;
            return TIDEMARK_TLS_OK;
        } else {
            records->held_start = HEADER_BYTES;
            records->held_end = (uint32_t)(HEADER_BYTES + record.count);
            records->is_clear = true;
        }
    }
    *count = smaller(capacity, records->held_end - records->held_start);
    memcpy(into, records->held + records->held_start, *count);
    records->held_start += (uint32_t)*count;
    if (records->held_start == records->held_end) give_held(records);
    return TIDEMARK_TLS_OK;
}

bool tidemark_tls_records_have_unread(const tidemark_tls_records *records) { return records->is_clear; }
