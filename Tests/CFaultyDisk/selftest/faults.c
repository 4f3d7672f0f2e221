/* The n-th operation fails, for every n of a script: the transaction fails or is repeated, and the file is sound. */

#include "selftest.h"

#define SETTINGS "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0"

enum { ROWS = 12, TRIES = 4 };

/* Whether all rows are in before `tries` have failed. After a fault each step is tried again, as by a
 * server that waits out a full disk. */
static bool script(struct ledger *ledger, int tries) {
    while (!ledger->db && tries > 0)
        if (ledger_open(ledger) != SQLITE_OK) tries--;
    while (ledger->db && ledger->acknowledged < ROWS && tries > 0) {
        if (ledger_commit(ledger) != SQLITE_OK) tries--;
        if (ledger->acknowledged % 5 == 4) ledger_exec(ledger, "PRAGMA wal_checkpoint(TRUNCATE)");
    }
    return ledger->acknowledged == ROWS;
}

static struct fd_counts counted(void) {
    struct ledger ledger = {.disk = fd_disk_new(DISK), .settings = SETTINGS};
    REQUIRE(script(&ledger, 1));
    ledger_close(&ledger);
    struct fd_counts counts = fd_get_counts(ledger.disk);
    fd_disk_free(ledger.disk);
    return counts;
}

typedef void fault(fd_disk *disk, uint64_t n, int sticky);

/* Nothing that was acknowledged may be missing, with or without a cut afterwards. */
static void fail_each(const char *name, fault *fail, uint64_t count, int sticky, int tries) {
    int completed = 0;
    for (uint64_t n = 1; n <= count; n++) {
        struct ledger ledger = {.disk = fd_disk_new(DISK), .settings = SETTINGS};
        fail(ledger.disk, n, sticky);
        completed += script(&ledger, tries);
        fd_clear_faults(ledger.disk);
        int rows = ledger_recover(&ledger);
        REQUIRE(rows >= ledger.acknowledged && rows <= ledger.attempted, "%s %d: %d", name, (int)n, rows);
        fd_power_cut(ledger.disk, n);
        rows = ledger_recover(&ledger);
        REQUIRE(rows >= ledger.acknowledged && rows <= ledger.attempted, "%s %d, cut: %d", name, (int)n, rows);
        ledger_close(&ledger);
        fd_disk_free(ledger.disk);
    }
    if (!sticky && tries > 1) REQUIRE(completed == (int)count, "%s: %d of %d", name, completed, (int)count);
    printf("%-34s %6d runs, %5d of them complete\n", name, (int)count, completed);
}

static void fill_up(void) {
    uint64_t needed = 0;
    for (uint64_t capacity = 0; !needed; capacity += 1000) {
        struct ledger ledger = {.disk = fd_disk_new(DISK), .settings = SETTINGS};
        fd_set_capacity(ledger.disk, capacity);
        if (script(&ledger, TRIES)) needed = capacity;
        REQUIRE(fd_get_used(ledger.disk) <= capacity);
        fd_set_capacity(ledger.disk, UINT64_MAX);
        fd_power_cut(ledger.disk, capacity);
        int rows = ledger_recover(&ledger);
        REQUIRE(rows >= ledger.acknowledged && rows <= ledger.attempted, "%d: %d", (int)capacity, rows);
        REQUIRE(script(&ledger, TRIES), "with room again, it goes on");
        ledger_close(&ledger);
        fd_disk_free(ledger.disk);
    }
    printf("full disk: sound at every size below the %d bytes that the script needs\n", (int)needed);
}

/* Commits and checkpoints until the n-th sync has failed, and further when it goes on. */
static void commit_past_failed_sync(struct ledger *ledger, uint64_t n, bool goes_on) {
    REQUIRE(ledger_open(ledger) == SQLITE_OK);
    fd_fail_sync(ledger->disk, n, 0);
    for (int step = 0; step < 30; step++) {
        int code = step % 3 == 2 ? ledger_exec(ledger, "PRAGMA wal_checkpoint(PASSIVE)") : ledger_commit(ledger);
        if (code == SQLITE_IOERR_FSYNC && !goes_on) return;
    }
}

/* A sync that failed, and a power cut: at once, or at some later operation. In FULL, SQLite writes again all that a
 * failed sync left undone, and so even going on is safe; in NORMAL it trusts that an earlier commit's pages are still
 * to be synced, although they never will be. */
static int damaged_after_failed_sync(const char *settings, bool goes_on) {
    int damaged = 0;
    for (uint64_t n = 1; n <= 12; n++) {
        for (uint64_t m = 1; m < 100; m += 2) {
            struct ledger ledger = {.disk = fd_disk_new(DISK), .settings = settings};
            if (goes_on) fd_power_off_at(ledger.disk, 15 + m, n * 1000 + m);
            commit_past_failed_sync(&ledger, n, goes_on);
            if (!fd_power_on(ledger.disk)) fd_power_cut(ledger.disk, n * 1000 + m);
            damaged += ledger_recover(&ledger) < 0;
            if (ledger.db) ledger_close(&ledger);
            fd_disk_free(ledger.disk);
        }
    }
    return damaged;
}

static void going_on_after_failed_sync(void) {
    const char *normal = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0";
    int full = damaged_after_failed_sync(SETTINGS, true);
    int stopped = damaged_after_failed_sync(normal, false), went_on = damaged_after_failed_sync(normal, true);
    printf("a failed sync, 600 runs each: FULL that goes on damages %d, NORMAL that stops %d, that goes on %d\n", full,
           stopped, went_on);
    REQUIRE(full == 0 && stopped == 0 && went_on > 0);
}

static void read_only(void) {
    struct ledger ledger = {.disk = fd_disk_new(DISK), .settings = "PRAGMA journal_mode=DELETE"};
    REQUIRE(ledger_open(&ledger) == SQLITE_OK && ledger_commit(&ledger) == SQLITE_OK);
    fd_set_read_only(ledger.disk, 1);
    REQUIRE(ledger_commit(&ledger) != SQLITE_OK);
    ledger_close(&ledger);
    REQUIRE(ledger_recover(&ledger) == 1 && ledger_commit(&ledger) == SQLITE_READONLY);
    ledger_close(&ledger);
    fd_disk_free(ledger.disk);
}

void test_faults(void) {
    struct fd_counts counts = counted();
    printf("the script: %d writes, %d syncs, %d opens, %d bytes\n", (int)counts.writes, (int)counts.syncs,
           (int)counts.opens, (int)counts.bytes_written);
    fail_each("each write fails once:", fd_fail_write, counts.writes, 0, TRIES);
    fail_each("each write and all after it:", fd_fail_write, counts.writes, 1, TRIES);
    fail_each("each write is short once:", fd_shorten_write, counts.writes, 0, TRIES);
    fail_each("each write and all after it short:", fd_shorten_write, counts.writes, 1, TRIES);
    fail_each("each sync fails once, then stops:", fd_fail_sync, counts.syncs, 0, 1);
    fail_each("each open fails once:", fd_fail_open, counts.opens, 0, TRIES);
    fill_up();
    read_only();
    going_on_after_failed_sync();
}
