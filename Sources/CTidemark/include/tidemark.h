/*
 * tidemark.h: a Tidemark server in your own process.
 *
 *     any thread of yours ──▶ calls ──▶ the server's loops and disk ──▶ back, done and durable
 *     the server          ──▶ callbacks, on threads of the library
 *
 * Threads.    Every function may be called from any thread, also from a callback, but for what is said to be one thread's at a
 *             time (a batch). Those that write wait until what they did is on disk: some milliseconds.
 * Callbacks.  Those of one kind come one after the other, and one that takes its time holds up its kind and no other. `context` is
 *             passed as it was given. What they are given is valid until they return; what has to be answered is a handle, which
 *             stays valid until it is answered, on whatever thread and whenever.
 * Errors.     Functions that can fail return TIDEMARK_OK or a status, and say more in `error`, which may be NULL.
 * Memory.     What you pass is copied or not looked at any more when the function returns. What the library makes has a
 *             function that releases it; NULL is released as well, which does nothing.
 * Growth.     Structures that you fill begin with their size: initialise them with the macro beside them, and set what you
 *             need. Structures that you are given begin with their size as well; members are only ever added at the end. Numbers
 *             that you do not know may come, and are to be passed over.
 * Texts.      UTF-8, ending in a zero byte where no length stands beside them.
 *
 * What the words mean (stamps, rosters, tokens) is in Protocol/SPEC.md, what each limit is in docs/LIMITS.md.
 */

#ifndef TIDEMARK_H
#define TIDEMARK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TIDEMARK_VERSION_MAJOR 0
#define TIDEMARK_VERSION_MINOR 1
#define TIDEMARK_VERSION_PATCH 0

/* The version of the library that is linked: major · 65536 + minor · 256 + patch. Within a major version (of 0: within a minor
 * one) a program runs with every later library. */
uint32_t tidemark_version(void);

/* ── Errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* How a call ended. Below 256 the protocol's own codes, as a client would get them. */
typedef int32_t tidemark_status;
enum {
    TIDEMARK_OK = 0,
    TIDEMARK_NO_SUCH_USER = 16,
    TIDEMARK_NO_SUCH_CONTACT = 17,
    TIDEMARK_INVALID_VALUE = 18,
    TIDEMARK_LIMIT_EXCEEDED = 19,
    TIDEMARK_CHANGED_SINCE = 20,
    TIDEMARK_NOT_ALLOWED = 21,
    TIDEMARK_ACCOUNT_DISABLED = 22,
    /* Ask again after `retry_after_ms`. */
    TIDEMARK_RETRY_LATER = 32,
    /* An argument breaks a rule that stands in this file; nothing was done. */
    TIDEMARK_BAD_ARGUMENT = 256,
    /* The server was stopped before there was an answer. A write may have been done. */
    TIDEMARK_STOPPED = 257,
    /* The server cannot start, or could not go on: the data directory, an address, a certificate, the disk. */
    TIDEMARK_FAILED = 258,
    /* An observer has fallen so far behind that changes it has not passed are gone: read the state anew. */
    TIDEMARK_START_OVER = 259
};

#define TIDEMARK_MESSAGE_BYTES 512

/* Why a call failed. Yours; filled only where one does. */
typedef struct tidemark_error {
    tidemark_status status;
    /* Of TIDEMARK_RETRY_LATER; else 0. */
    uint32_t retry_after_ms;
    /* A sentence that says what is wrong, and what to do about it; cut where it is longer. */
    char message[TIDEMARK_MESSAGE_BYTES];
} tidemark_error;

/* ── What the server asks and tells you ───────────────────────────────────────────────────────────────────────────────────── */

/* A user's number: never 0, never given twice. */
typedef uint64_t tidemark_user;
/* Microseconds since 1970-01-01 UTC, unique and rising: when a change was committed. */
typedef uint64_t tidemark_stamp;

/* Numbers of details; those from 128 to 16383 are yours, and hold any bytes. */
enum {
    TIDEMARK_FIELD_FN = 1, TIDEMARK_FIELD_NICKNAME = 2, TIDEMARK_FIELD_TEL = 3, TIDEMARK_FIELD_EMAIL = 4,
    TIDEMARK_FIELD_ORG = 5, TIDEMARK_FIELD_TITLE = 6, TIDEMARK_FIELD_NOTE = 7, TIDEMARK_FIELD_PHOTO = 8,
    TIDEMARK_FIELD_URL = 9, TIDEMARK_FIELD_BDAY = 10, TIDEMARK_FIELD_ADR = 11, TIDEMARK_FIELD_LANG = 12,
    TIDEMARK_FIELD_TZ = 13, TIDEMARK_FIELD_ROLE = 14, TIDEMARK_FIELD_GENDER = 15, TIDEMARK_FIELD_IMPP = 16,
    TIDEMARK_FIELD_N = 17, TIDEMARK_FIELD_LOGO = 18, TIDEMARK_FIELD_CATEGORIES = 19, TIDEMARK_FIELD_ANNIVERSARY = 20,
    TIDEMARK_FIELD_GEO = 21, TIDEMARK_FIELD_KEY = 22, TIDEMARK_FIELD_VCARD = 23
};

/* One detail of a user. */
typedef struct tidemark_field {
    uint16_t number;
    /* NULL: removed. Up to 8192 bytes; below 128 UTF-8 without control characters but tabs and line feeds. */
    const void *value;
    size_t value_bytes;
} tidemark_field;

/* Somebody who logs in with a token of your own (the protocol's method `bearer`). To be answered with one of
 * tidemark_login_accept and tidemark_login_refuse; soon, for the client's time runs out (10 seconds by default). */
typedef struct tidemark_login tidemark_login;
typedef struct tidemark_login_attempt {
    size_t size;
    const void *bearer;
    size_t bearer_bytes;
    /* "192.0.2.7:49152", or "unix". */
    const char *peer;
    /* 0 unspecified, 1 computer, 2 tablet, 3 phone, 4 service. */
    uint32_t device_class;
    /* The client's own number for its device; 0 for none. */
    uint64_t device;
} tidemark_login_attempt;

/* A change of details or of a roster that a user asks for. To be answered with one of tidemark_write_allow and
 * tidemark_write_refuse; what is not after 10 seconds is refused with TIDEMARK_RETRY_LATER. */
typedef struct tidemark_write tidemark_write;
enum {
    TIDEMARK_WRITE_PROFILE = 1,
    TIDEMARK_WRITE_CONTACT_ADD = 2,
    TIDEMARK_WRITE_CONTACT_REMOVE = 3,
    TIDEMARK_WRITE_CONTACT_ANNOTATE = 4,
    /* An answer to somebody who asks. */
    TIDEMARK_WRITE_CONTACT_ANSWER = 5
};
typedef struct tidemark_proposed_write {
    size_t size;
    tidemark_user user;
    int32_t kind;
    /* Of a profile. */
    const tidemark_field *fields;
    size_t field_count;
    /* Of a roster: whom it is about, by number, or by name where the number is 0. */
    tidemark_user contact;
    const char *contact_name;
} tidemark_proposed_write;

typedef struct tidemark_presence {
    size_t size;
    tidemark_user user;
    /* 0 offline, or invisible; 1 online, 2 away, 3 busy. */
    uint32_t state;
    /* On what kinds of devices, as far as they say: 1 computer, 2 tablet, 4 phone, added. */
    uint32_t devices;
} tidemark_presence;

/* A user to whom something was sent while no device was connected. A hint: what was sent waits on the server. */
typedef struct tidemark_wake {
    size_t size;
    tidemark_user user;
    uint32_t messages;
    uint32_t requests;
} tidemark_wake;

typedef struct tidemark_message {
    size_t size;
    /* The sender's own 16 bytes for it. */
    uint8_t id[16];
    tidemark_user sender;
    tidemark_user reader;
    /* 0 text; others are your own. */
    uint32_t kind;
    const void *content;
    size_t content_bytes;
    tidemark_stamp stamp;
} tidemark_message;
/* A message to an account of another network. To be answered with one of tidemark_route_done and tidemark_route_retry. At least
 * once: after a stop in between it comes again, with the same id. */
typedef struct tidemark_route tidemark_route;

enum { TIDEMARK_LOG_DEBUG = 1, TIDEMARK_LOG_INFO = 2, TIDEMARK_LOG_WARNING = 3, TIDEMARK_LOG_ERROR = 4 };

/* What you are asked and told. Any may be NULL: then the server does without. */
typedef struct tidemark_callbacks {
    size_t size;
    /* Passed to all of them. */
    void *context;
    void (*login)(void *context, const tidemark_login_attempt *attempt, tidemark_login *login);
    void (*authorize)(void *context, const tidemark_proposed_write *proposed, tidemark_write *write);
    /* How a user is seen from now on: of each the latest, one call after the other. */
    void (*presence)(void *context, const tidemark_presence *presence);
    void (*wake)(void *context, const tidemark_wake *wake);
    /* Messages to accounts whose names end in one of `route_suffixes`: of each account one after the other. */
    void (*route)(void *context, const tidemark_message *message, tidemark_route *route);
    /* A line of the server's log, with its metadata. On whatever thread has something to say: it must not wait, and not call
     * the library. */
    void (*log)(void *context, int32_t level, const char *line);
} tidemark_callbacks;
#define TIDEMARK_CALLBACKS_INIT { sizeof(tidemark_callbacks), 0, 0, 0, 0, 0, 0, 0 }

/* ── A server ─────────────────────────────────────────────────────────────────────────────────────────────────────────────── */

enum { TIDEMARK_ROSTER_APPROVAL = 0, TIDEMARK_ROSTER_OPEN = 1, TIDEMARK_ROSTER_ADMINISTERED = 2 };

typedef struct tidemark_options {
    size_t size;
    /* Made where it does not exist; one server at a time. Not NULL. */
    const char *data_directory;
    /* "127.0.0.1:8433", "[::1]:8433", "tls:0.0.0.0:8434", "unix:/run/tidemark.sock"; port 0 takes a free one. None: nobody but
     * this process uses it. */
    const char *const *listen;
    size_t listen_count;
    /* PEM files; for addresses with TLS. `client_authority` may be NULL. */
    const char *certificate;
    const char *private_key;
    const char *client_authority;
    /* The keys that tickets are checked and given with, as `tidemark-server` makes it; NULL: no tickets. */
    const char *ticket_key_file;
    /* Listens beyond this machine without TLS, if not 0. */
    int32_t insecure;
    /* Event loops, 1 to 256, each a thread; 0: one for each core. */
    uint32_t loops;
    /* Who says whom a user has as a contact. */
    int32_t roster_policy;
    /* Ends of names: "@sms". */
    const char *const *route_suffixes;
    size_t route_suffix_count;
    /* NULL: nobody is asked or told. */
    const tidemark_callbacks *callbacks;
} tidemark_options;
#define TIDEMARK_OPTIONS_INIT { sizeof(tidemark_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

typedef struct tidemark_server tidemark_server;

/* Opens the data, loads, listens, and returns when clients can connect. Takes no signal, and never ends the process. NULL where it
 * cannot; nothing is left then. */
tidemark_server *tidemark_server_start(const tidemark_options *options, tidemark_error *error);

/* Answers what was accepted, commits, closes, and returns when all is on disk. Calls that wait on other threads end with
 * TIDEMARK_STOPPED, and so does every later one. No callback comes after it, so it must not be called from one. */
tidemark_status tidemark_server_stop(tidemark_server *server, tidemark_error *error);

/* Stops it where it was not, and gives up the handle: no other call may have it any more. */
void tidemark_server_release(tidemark_server *server);

/* Where it listens, with the port that was taken: one of those of the options, by its place there, as text. Returns how many
 * bytes that has, without the zero byte, and writes as many as there is room for; 0 where there is none of that place. */
size_t tidemark_server_address(tidemark_server *server, size_t place, char *text, size_t capacity);

/* What it has done since it started. */
typedef struct tidemark_statistics {
    size_t size;
    uint64_t users_loaded, entries_loaded;
    /* Accepted; of these, gone again. */
    uint64_t connections, closed;
    /* Pages answered; of these with nothing new, and of a full sync. */
    uint64_t syncs, up_to_date, full;
    uint64_t pushes, messages, writes, errors;
} tidemark_statistics;
#define TIDEMARK_STATISTICS_INIT { sizeof(tidemark_statistics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
tidemark_status tidemark_server_statistics(tidemark_server *server, tidemark_statistics *statistics, tidemark_error *error);

/* ── Answers to what was asked: each handle once, after which it is gone ──────────────────────────────────────────────────── */

/* As the account of that name, which has to be there: tidemark_account_create may make it. */
void tidemark_login_accept(tidemark_login *login, const char *name);
/* `detail` is told to the client; NULL for the usual words. It counts as a failed login of its address. */
void tidemark_login_refuse(tidemark_login *login, const char *detail);
/* Nothing can be said now: the client is to come again. */
void tidemark_login_later(tidemark_login *login, uint32_t retry_after_ms);

void tidemark_write_allow(tidemark_write *write);
void tidemark_write_refuse(tidemark_write *write, const char *detail);

void tidemark_route_done(tidemark_route *route);
void tidemark_route_retry(tidemark_route *route, uint32_t after_ms);

/* ── Accounts, details, contacts, messages ────────────────────────────────────────────────────────────────────────────────── */

/* Makes an account: a name of 1 to 64 bytes without spaces. TIDEMARK_NOT_ALLOWED where it is taken. */
tidemark_status tidemark_account_create(tidemark_server *server, const char *name, tidemark_user *user,
                                        tidemark_error *error);
/* The number of the account of that name. */
tidemark_status tidemark_account_find(tidemark_server *server, const char *name, tidemark_user *user, tidemark_error *error);
/* Closes an account for now (not 0), or opens it again. */
tidemark_status tidemark_account_disable(tidemark_server *server, tidemark_user user, int32_t is_disabled, tidemark_error *error);
/* Deletes it for good, with all that it has; it goes from every roster. */
tidemark_status tidemark_account_delete(tidemark_server *server, tidemark_user user, tidemark_error *error);

/* Sets details, up to 64, each number once; others stay. `stamp` (may be NULL) is the change's; 0 when all was so already. */
tidemark_status tidemark_profile_set(tidemark_server *server, tidemark_user user, const tidemark_field *fields,
                                     size_t field_count, tidemark_stamp *stamp, tidemark_error *error);

/* Details of one user of many. */
typedef struct tidemark_profile {
    tidemark_user user;
    /* Numbers rising. */
    const tidemark_field *fields;
    size_t field_count;
} tidemark_profile;
typedef struct tidemark_upsert_report {
    size_t size;
    uint64_t changed, unchanged, refused;
    /* The place of the first that was refused, and why; where none was, SIZE_MAX and TIDEMARK_OK. */
    size_t first_refused;
    tidemark_status first_status;
    tidemark_stamp newest_stamp;
} tidemark_upsert_report;
#define TIDEMARK_UPSERT_REPORT_INIT { sizeof(tidemark_upsert_report), 0, 0, 0, SIZE_MAX, TIDEMARK_OK, 0 }
/* Sets details of many users, each as a change of its own, in no order among one another; what is so already is no change.
 * TIDEMARK_OK also where some were refused: `report` says so. */
tidemark_status tidemark_profiles_upsert(tidemark_server *server, const tidemark_profile *profiles, size_t count,
                                         tidemark_upsert_report *report, tidemark_error *error);

/* Puts a contact into a roster; under TIDEMARK_ROSTER_APPROVAL it is asked, and a contact once it agrees. `alias` may be NULL. */
tidemark_status tidemark_contact_add(tidemark_server *server, tidemark_user owner, tidemark_user contact, const char *alias,
                                     tidemark_stamp *stamp, tidemark_error *error);
tidemark_status tidemark_contact_remove(tidemark_server *server, tidemark_user owner, tidemark_user contact,
                                        tidemark_stamp *stamp, tidemark_error *error);

/* Sends a message, up to 8192 bytes, in a user's name. The same id twice is one message. */
tidemark_status tidemark_message_send(tidemark_server *server, tidemark_user sender, tidemark_user reader,
                                      const uint8_t id[16], const void *content, size_t content_bytes, tidemark_stamp *stamp,
                                      tidemark_error *error);

/* ── Syncs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* Syncs of several users, and their answers. One thread's at a time. Keeps its memory: use it again. */
typedef struct tidemark_batch tidemark_batch;
enum { TIDEMARK_UP_TO_DATE = 0, TIDEMARK_DELTA = 1, TIDEMARK_FULL = 2, TIDEMARK_SYNC_NO_SUCH_USER = 3, TIDEMARK_SYNC_STOPPED = 4 };

/* NULL without memory. */
tidemark_batch *tidemark_batch_make(void);
void tidemark_batch_release(tidemark_batch *batch);
/* Takes all out. */
void tidemark_batch_clear(tidemark_batch *batch);
/* Adds one, up to 65536: the next page of what is new to whoever has `token`, of up to 32 bytes; all, without one. */
tidemark_status tidemark_batch_add(tidemark_batch *batch, tidemark_user user, const void *token, size_t token_bytes);
/* Answers all of them: some microseconds, and never a wait for the disk. */
tidemark_status tidemark_sync(tidemark_server *server, tidemark_batch *batch, tidemark_error *error);
/* By its place; -1 where there is none of that place. Valid until the batch is used again, as what follows. */
int32_t tidemark_batch_outcome(const tidemark_batch *batch, size_t place);
/* The answer, as it is on the wire behind its header (Protocol/SPEC.md, syncPage), and the token to ask with next. NULL where
 * there is none. `token` has room for 32 bytes; either may be NULL. */
const void *tidemark_batch_page(const tidemark_batch *batch, size_t place, size_t *page_bytes, uint8_t *token,
                                size_t *token_bytes);

/* ── What is committed ────────────────────────────────────────────────────────────────────────────────────────────────────── */

enum {
    TIDEMARK_CHANGE_ACCOUNT_CREATED = 1,
    TIDEMARK_CHANGE_ACCOUNT_DELETED = 2,
    /* A password, a signing out, or whether the account is closed for now. */
    TIDEMARK_CHANGE_ACCESS = 3,
    TIDEMARK_CHANGE_PROFILE = 4,
    TIDEMARK_CHANGE_CONTACT_SET = 5,
    TIDEMARK_CHANGE_CONTACT_REMOVED = 6,
    TIDEMARK_CHANGE_BLOCKED = 7,
    TIDEMARK_CHANGE_UNBLOCKED = 8,
    TIDEMARK_CHANGE_MESSAGE_SENT = 9,
    TIDEMARK_CHANGE_MESSAGES_ACKNOWLEDGED = 10,
    TIDEMARK_CHANGE_LAST_SEEN = 11
};

/* A change that is on disk. */
typedef struct tidemark_change {
    size_t size;
    tidemark_stamp stamp;
    int32_t kind;
    /* Whose it is: the account, the roster's owner, the message's sender, or whoever has acknowledged. */
    tidemark_user user;
    /* Whom it is about: the contact, who is blocked, or the message's reader; 0 for none, or for a name that is nobody's. */
    tidemark_user other;
    /* Of an account that was made, or of a contact that was added by a name that is nobody's; else NULL. */
    const char *name;
    /* Of a profile: those that others see, and behind them those that only the user does. */
    const tidemark_field *fields;
    size_t field_count, private_count;
    /* Of a contact: what the owner notes, and whether it has still to agree. */
    const char *alias;
    const char *const *groups;
    size_t group_count;
    int32_t is_favourite, is_pending;
    /* Of access: whether the account is closed for now. */
    int32_t is_disabled;
    /* Of a message; NULL else. */
    const tidemark_message *message;
    /* Acknowledged is all up to there. */
    tidemark_stamp through;
} tidemark_change;

typedef struct tidemark_observer tidemark_observer;

/* Follows what is committed, in stamp order, from where the observer of that name stands: a new one from here on, one that is known
 * from what it has passed. At least once: what was not passed comes again after a restart. `changed` is called on a thread of the
 * observer's own. `ended` (may be NULL) is called once and last: TIDEMARK_STOPPED, TIDEMARK_START_OVER or TIDEMARK_FAILED.
 * NULL where it cannot; one observer of a name at a time. */
tidemark_observer *tidemark_observe(tidemark_server *server, const char *name,
                                    void (*changed)(void *context, const tidemark_change *change),
                                    void (*ended)(void *context, tidemark_status status), void *context,
                                    tidemark_error *error);
/* All up to there is taken over, and does not come again. A commit of its own: once a second, or for each thousand changes, is
 * enough. */
tidemark_status tidemark_observer_advance(tidemark_observer *observer, tidemark_stamp stamp, tidemark_error *error);
/* Ends it; where it stands is kept, and so is what it has not passed. No callback of it comes after that, so it must not be called
 * from one of its own. Before or after the server's stop. */
void tidemark_observer_release(tidemark_observer *observer);
/* Nothing is kept any more for the observer of that name, which must not be running. */
tidemark_status tidemark_observer_forget(tidemark_server *server, const char *name, tidemark_error *error);

#ifdef __cplusplus
}
#endif

#endif
