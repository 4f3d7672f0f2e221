/* Locks, shared memory and threads: several connections to a file, several disks at a time. */

#include "selftest.h"

#include <pthread.h>

static sqlite3 *connection(const char *path) {
    sqlite3 *db;
    REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
    sqlite3_busy_timeout(db, 0);
    return db;
}

static int exec(sqlite3 *db, const char *sql) { return sqlite3_exec(db, sql, NULL, NULL, NULL); }

static int number(sqlite3 *db, const char *sql) {
    sqlite3_stmt *statement;
    REQUIRE(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    REQUIRE(sqlite3_step(statement) == SQLITE_ROW, "%s", sqlite3_errmsg(db));
    int result = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return result;
}

static void journal_locks(void) {
    fd_disk *disk = fd_disk_new(DISK);
    sqlite3 *a = connection(DISK "/db"), *b = connection(DISK "/db");
    REQUIRE(exec(a, "CREATE TABLE t(x); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)") == SQLITE_OK);
    REQUIRE(exec(b, "BEGIN IMMEDIATE") == SQLITE_BUSY);
    REQUIRE(number(b, "SELECT count(*) FROM t") == 0);
    REQUIRE(exec(b, "BEGIN; SELECT * FROM t") == SQLITE_OK);
    REQUIRE(exec(a, "COMMIT") == SQLITE_BUSY, "a reader is there");
    sqlite3 *c = connection(DISK "/db");
    REQUIRE(exec(c, "SELECT * FROM t") == SQLITE_BUSY, "the writer waits for the readers");
    REQUIRE(exec(b, "COMMIT") == SQLITE_OK && exec(a, "COMMIT") == SQLITE_OK);
    REQUIRE(number(c, "SELECT count(*) FROM t") == 1);
    sqlite3_close(a), sqlite3_close(b), sqlite3_close(c);
    fd_disk_free(disk);
}

static void wal_locks(void) {
    fd_disk *disk = fd_disk_new(DISK);
    sqlite3 *a = connection(DISK "/db"), *b = connection(DISK "/db");
    REQUIRE(exec(a, "PRAGMA journal_mode=WAL; CREATE TABLE t(x)") == SQLITE_OK);
    REQUIRE(exec(b, "BEGIN") == SQLITE_OK && number(b, "SELECT count(*) FROM t") == 0);
    REQUIRE(exec(a, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1); COMMIT") == SQLITE_OK, "beside a reader");
    REQUIRE(number(b, "SELECT count(*) FROM t") == 0, "the reader's snapshot stays");
    REQUIRE(number(a, "PRAGMA wal_checkpoint(RESTART)") == 1, "busy: a reader is in the way");
    REQUIRE(exec(b, "COMMIT") == SQLITE_OK && number(b, "SELECT count(*) FROM t") == 1);
    REQUIRE(exec(a, "BEGIN IMMEDIATE") == SQLITE_OK && exec(b, "BEGIN IMMEDIATE") == SQLITE_BUSY);
    REQUIRE(exec(a, "COMMIT") == SQLITE_OK && number(a, "PRAGMA wal_checkpoint(TRUNCATE)") == 0);
    /* Dead connections keep the memory that they map. */
    REQUIRE(number(b, "SELECT count(*) FROM t") == 1);
    fd_power_cut_dropping(disk);
    REQUIRE(exec(b, "SELECT * FROM t") == SQLITE_IOERR && exec(a, "INSERT INTO t VALUES (2)") == SQLITE_IOERR);
    sqlite3 *c = connection(DISK "/db");
    REQUIRE(number(c, "SELECT count(*) FROM t") == 1);
    REQUIRE(sqlite3_close(a) == SQLITE_OK && sqlite3_close(b) == SQLITE_OK);
    REQUIRE(exec(c, "INSERT INTO t VALUES (3)") == SQLITE_OK);
    sqlite3_close(c);
    fd_disk_free(disk);
}

/* MARK: threads */

enum { INSERTS = 100 };

static void *insert(void *path) {
    sqlite3 *db = connection(path);
    sqlite3_busy_timeout(db, 20000);
    for (int i = 0; i < INSERTS; i++)
        REQUIRE(exec(db, "INSERT INTO t VALUES (1)") == SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
    return NULL;
}

/* Two disks, two threads on each. */
static void threads(void) {
    char *paths[] = {"/faulty/one/db", "/faulty/two/db"};
    fd_disk *disks[] = {fd_disk_new("/faulty/one"), fd_disk_new("/faulty/two")};
    pthread_t running[4];
    for (int i = 0; i < 2; i++) {
        sqlite3 *db = connection(paths[i]);
        REQUIRE(exec(db, "PRAGMA journal_mode=WAL; CREATE TABLE t(x)") == SQLITE_OK);
        sqlite3_close(db);
    }
    for (int i = 0; i < 4; i++) pthread_create(&running[i], NULL, insert, paths[i % 2]);
    for (int i = 0; i < 4; i++) pthread_join(running[i], NULL);
    for (int i = 0; i < 2; i++) {
        fd_power_cut_dropping(disks[i]);
        sqlite3 *db = connection(paths[i]);
        REQUIRE(number(db, "SELECT count(*) FROM t") == 2 * INSERTS);
        sqlite3_close(db);
        fd_disk_free(disks[i]);
    }
}

/* MARK: a cut while somebody writes */

struct writer {
    sqlite3 *db;
    int acknowledged;
};

static void *insert_until_dead(void *argument) {
    struct writer *writer = argument;
    while (exec(writer->db, "INSERT INTO t VALUES (1)") == SQLITE_OK) writer->acknowledged++;
    return NULL;
}

static void cut_under_a_writer(void) {
    for (uint64_t seed = 0; seed < 1 + seed_count / 20; seed++) {
        fd_disk *disk = fd_disk_new(DISK);
        struct writer writer = {.db = connection(DISK "/db")};
        REQUIRE(exec(writer.db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t(x)") == SQLITE_OK);
        pthread_t running;
        pthread_create(&running, NULL, insert_until_dead, &writer);
        while (fd_get_counts(disk).syncs < 5 + seed) continue;
        fd_power_cut(disk, seed);
        pthread_join(running, NULL);
        sqlite3_close(writer.db);
        sqlite3 *db = connection(DISK "/db");
        int rows = number(db, "SELECT count(*) FROM t");
        REQUIRE(rows == writer.acknowledged || rows == writer.acknowledged + 1);
        sqlite3_close(db);
        fd_disk_free(disk);
    }
}

void test_sharing(void) {
    journal_locks();
    wal_locks();
    threads();
    cut_under_a_writer();
    printf("sharing: locks, snapshots, threads, and cuts under a writer\n");
}
