/*
 * A backend in C with a Tidemark server in it.
 *
 *     cc host.c $(pkg-config --cflags --libs tidemark) -o host
 *     ./host DIRECTORY [ADDRESS]
 *
 * Whoever logs in with the token "secret:NAME" is NAME. It sets a detail of Ada's itself, prints each change as it is committed,
 * and ends when its input does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tidemark.h>

static void fail(const char *what, const tidemark_error *error) {
    fprintf(stderr, "host: %s: %s\n", what, error->message);
    exit(1);
}

/* An answer may be given here, or later on any thread. */
static void login(void *context, const tidemark_login_attempt *attempt, tidemark_login *login) {
    const char prefix[] = "secret:";
    const size_t prefix_bytes = sizeof prefix - 1;
    char name[65] = "";
    (void)context;
    if (attempt->bearer_bytes <= prefix_bytes || attempt->bearer_bytes - prefix_bytes >= sizeof name ||
        memcmp(attempt->bearer, prefix, prefix_bytes) != 0) {
        tidemark_login_refuse(login, "this token is none of ours");
        return;
    }
    memcpy(name, (const char *)attempt->bearer + prefix_bytes, attempt->bearer_bytes - prefix_bytes);
    printf("login of %s from %s\n", name, attempt->peer);
    tidemark_login_accept(login, name);
}

static void presence(void *context, const tidemark_presence *presence) {
    (void)context;
    printf("user %llu is %s\n", (unsigned long long)presence->user, presence->state ? "online" : "offline");
}

static void changed(void *context, const tidemark_change *change) {
    tidemark_stamp *last = context;
    printf("change of kind %d, user %llu\n", (int)change->kind, (unsigned long long)change->user);
    *last = change->stamp;
}

static tidemark_user account(tidemark_server *server, const char *name) {
    tidemark_error error;
    tidemark_user user;
    if (tidemark_account_find(server, name, &user, NULL) == TIDEMARK_OK) return user;
    if (tidemark_account_create(server, name, &user, &error) != TIDEMARK_OK) fail(name, &error);
    return user;
}

int main(int count, char **arguments) {
    tidemark_callbacks callbacks = TIDEMARK_CALLBACKS_INIT;
    tidemark_options options = TIDEMARK_OPTIONS_INIT;
    tidemark_error error;
    const char *listen[] = {count > 2 ? arguments[2] : "127.0.0.1:0"};
    if (count < 2) {
        fprintf(stderr, "usage: host DIRECTORY [ADDRESS]\n");
        return 64;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    callbacks.login = login;
    callbacks.presence = presence;
    options.data_directory = arguments[1];
    options.listen = listen;
    options.listen_count = 1;
    options.roster_policy = TIDEMARK_ROSTER_OPEN;
    options.callbacks = &callbacks;
    tidemark_server *server = tidemark_server_start(&options, &error);
    if (!server) fail("cannot start", &error);

    char address[128];
    tidemark_server_address(server, 0, address, sizeof address);
    printf("listening on %s\n", address);

    tidemark_stamp last = 0;
    tidemark_observer *observer = tidemark_observe(server, "example", changed, NULL, &last, &error);
    if (!observer) fail("cannot observe", &error);

    tidemark_user ada = account(server, "ada"), bob = account(server, "bob");
    if (tidemark_contact_add(server, bob, ada, NULL, NULL, &error) != TIDEMARK_OK) fail("bob's contact", &error);
    const char title[] = "Countess";
    tidemark_field field = {TIDEMARK_FIELD_TITLE, title, sizeof title - 1};
    if (tidemark_profile_set(server, ada, &field, 1, NULL, &error) != TIDEMARK_OK) fail("ada's details", &error);

    tidemark_batch *batch = tidemark_batch_make();
    tidemark_batch_add(batch, bob, NULL, 0);
    if (tidemark_sync(server, batch, &error) != TIDEMARK_OK) fail("a sync", &error);
    size_t bytes;
    tidemark_batch_page(batch, 0, &bytes, NULL, NULL);
    printf("bob would get %s%zu bytes\n", tidemark_batch_outcome(batch, 0) == TIDEMARK_FULL ? "all, " : "", bytes);
    tidemark_batch_release(batch);

    while (getchar() != EOF) continue;
    /* What it has taken over does not come again. A host that stays does this once in a while. */
    if (last && tidemark_observer_advance(observer, last, &error) != TIDEMARK_OK) fail("cannot advance", &error);
    if (tidemark_server_stop(server, &error) != TIDEMARK_OK) fail("cannot stop", &error);
    tidemark_observer_release(observer);
    tidemark_server_release(server);
    printf("stopped; the last change was at %llu\n", (unsigned long long)last);
    return 0;
}
