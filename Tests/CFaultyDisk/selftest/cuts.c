/* Power cuts under SQLite: what was acknowledged is there, where SQLite promises so, and is not, where it does not. */

#include "selftest.h"

#define WAL_FULL "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0"
#define WAL_NORMAL "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0"
#define WAL_OFF "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0"
#define DELETE_EXTRA "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA"

struct outcome {
    int cuts, losing, damaged;
};

/* Commits, checkpoints and a transaction under way, with a cache so small that it spills. */
static void work(struct ledger *ledger, uint64_t seed) {
    for (uint64_t step = 0; step < 3 + seed % 9; step++) {
        if (ledger_commit(ledger) != SQLITE_OK) return;
        if (step % 4 == seed % 5) ledger_exec(ledger, "PRAGMA wal_checkpoint(PASSIVE)");
        if (step % 6 == seed % 7) ledger_exec(ledger, "PRAGMA wal_checkpoint(TRUNCATE)");
    }
    if (seed % 2 == 0) ledger_exec(ledger, "PRAGMA cache_size=2; BEGIN; UPDATE row SET bytes = zeroblob(8000)");
}

static void judge(struct ledger *ledger, struct outcome *outcome) {
    int rows = ledger_recover(ledger);
    outcome->cuts++;
    if (rows < 0) outcome->damaged++;
    if (rows >= 0 && rows < ledger->acknowledged) outcome->losing++;
    REQUIRE(rows <= ledger->attempted);
    if (ledger->db) ledger_close(ledger);
}

/* After the work is done. */
static struct outcome cut_after(const char *settings) {
    struct outcome outcome = {0};
    for (uint64_t seed = 0; seed < seed_count; seed++) {
        struct ledger ledger = {.disk = fd_disk_new(DISK), .settings = settings};
        REQUIRE(ledger_open(&ledger) == SQLITE_OK);
        work(&ledger, seed);
        fd_power_cut(ledger.disk, seed);
        judge(&ledger, &outcome);
        fd_disk_free(ledger.disk);
    }
    return outcome;
}

/* Before each write and sync of the work, creating the file included, with a few seeds each. */
static struct outcome cut_at_each(const char *settings) {
    struct outcome outcome = {0};
    int was_off = 1;
    for (uint64_t n = 1; was_off; n++) {
        for (uint64_t seed = 0; seed < 1 + seed_count / 100; seed++) {
            struct ledger ledger = {.disk = fd_disk_new(DISK), .settings = settings};
            fd_power_off_at(ledger.disk, n, n * 1000 + seed);
            if (ledger_open(&ledger) == SQLITE_OK) work(&ledger, 8);
            if (ledger.db) ledger_close(&ledger);
            was_off = fd_power_on(ledger.disk);
            judge(&ledger, &outcome);
            fd_disk_free(ledger.disk);
        }
    }
    return outcome;
}

static void report(const char *name, struct outcome outcome, bool may_lose, bool may_damage) {
    printf("%-34s %6d cuts, %5d lost what was acknowledged, %5d damaged\n", name, outcome.cuts, outcome.losing,
           outcome.damaged);
    REQUIRE(may_lose ? outcome.losing + outcome.damaged > outcome.cuts / 20 : outcome.losing == 0);
    REQUIRE(may_damage || outcome.damaged == 0);
}

void test_cuts(void) {
    report("WAL, FULL, cut after commits:", cut_after(WAL_FULL), false, false);
    report("WAL, NORMAL, cut after commits:", cut_after(WAL_NORMAL), true, false);
    report("WAL, OFF, cut after commits:", cut_after(WAL_OFF), true, true);
    report("journal, EXTRA, cut after commits:", cut_after(DELETE_EXTRA), false, false);
    report("WAL, FULL, cut at each operation:", cut_at_each(WAL_FULL), false, false);
    report("journal, EXTRA, at each operation:", cut_at_each(DELETE_EXTRA), false, false);
}
