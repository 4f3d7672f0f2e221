//  SQLite's C API by itself, on the tables that the server keeps: the limit that the change log and the loader are held
//  against.
//
//      bare-sqlite upsert FILE SECONDS GROUP FIELD USER...    rows a second, GROUP of them a transaction
//      bare-sqlite scan FILE                                  entries a second; all columns of account, field and entry
//
//  `upsert` changes field FIELD of each USER in turn, 30 bytes, with SQLite's own checkpoints, in WAL with FULL.

#include <inttypes.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void check(sqlite3 *db, int code) {
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return;
    fprintf(stderr, "bare-sqlite: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static sqlite3 *open_database(const char *path) {
    sqlite3 *db;
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    check(db, code);
    // As much cache as the server gives itself.
    check(db, sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536",
                           NULL, NULL, NULL));
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *statement;
    check(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL));
    return statement;
}

static void run(sqlite3 *db, sqlite3_stmt *statement) {
    int code = sqlite3_step(statement);
    check(db, code);
    check(db, sqlite3_reset(statement));
}

static int upsert(int count, char **arguments) {
    if (count < 5) return 64;
    sqlite3 *db = open_database(arguments[0]);
    double duration = atof(arguments[1]);
    int group = atoi(arguments[2]), field = atoi(arguments[3]);
    char **users = arguments + 4;
    int user_count = count - 4;
    sqlite3_stmt *begin = prepare(db, "BEGIN"), *commit = prepare(db, "COMMIT");
    sqlite3_stmt *statement = prepare(db,
        "INSERT INTO field (user, number, stamp, value) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET stamp = excluded.stamp, value = excluded.value");
    uint64_t rows = 0, stamp = (uint64_t)time(NULL) * 1000000;
    double start = seconds(), end;
    do {
        run(db, begin);
        for (int i = 0; i < group; i++) {
            char value[32];
            snprintf(value, sizeof value, "%030" PRIu64, rows);
            check(db, sqlite3_bind_int64(statement, 1, atoll(users[rows % (uint64_t)user_count])));
            check(db, sqlite3_bind_int(statement, 2, field));
            check(db, sqlite3_bind_int64(statement, 3, (int64_t)stamp++));
            check(db, sqlite3_bind_blob(statement, 4, value, 30, SQLITE_STATIC));
            run(db, statement);
            rows++;
        }
        run(db, commit);
        end = seconds();
    } while (end - start < duration);
    printf("%.0f\n", (double)rows / (end - start));
    return 0;
}

static uint64_t read_all(sqlite3 *db, const char *sql, uint64_t *sum) {
    sqlite3_stmt *statement = prepare(db, sql);
    int columns = sqlite3_column_count(statement), code;
    uint64_t rows = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++) {
            switch (sqlite3_column_type(statement, i)) {
            case SQLITE_INTEGER:
                *sum += (uint64_t)sqlite3_column_int64(statement, i);
                break;
            case SQLITE_TEXT:
            case SQLITE_BLOB: {
                const unsigned char *bytes = sqlite3_column_blob(statement, i);
                if (bytes) *sum += bytes[0] + (uint64_t)sqlite3_column_bytes(statement, i);
                break;
            }
            default:
                break;
            }
        }
        rows++;
    }
    check(db, code);
    check(db, sqlite3_finalize(statement));
    return rows;
}

static int scan(int count, char **arguments) {
    if (count != 1) return 64;
    sqlite3 *db = open_database(arguments[0]);
    uint64_t sum = 0;
    double start = seconds();
    read_all(db, "SELECT id, name, created, horizon FROM account ORDER BY id", &sum);
    read_all(db, "SELECT user, number, stamp, value FROM field ORDER BY user, number", &sum);
    uint64_t entries = read_all(db,
        "SELECT owner, contact, number, stamp, removed, favourite, annotations FROM entry ORDER BY owner, contact", &sum);
    double duration = seconds() - start;
    // The sum keeps the compiler from leaving the reading out.
    printf("%" PRIu64 " %.6f %" PRIx64 "\n", entries, duration, sum);
    return 0;
}

int main(int count, char **arguments) {
    int status = 64;
    if (count > 2 && strcmp(arguments[1], "upsert") == 0) status = upsert(count - 2, arguments + 2);
    if (count > 2 && strcmp(arguments[1], "scan") == 0) status = scan(count - 2, arguments + 2);
    if (status == 64) {
        fprintf(stderr, "usage: bare-sqlite upsert FILE SECONDS GROUP FIELD USER... | scan FILE\n");
    }
    return status;
}
