/* The disk's own test, in C, so that it runs in seconds and under the sanitizers: `Tests/CFaultyDisk/selftest/run`. */
#pragma once

#include "CFaultyDisk.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seeds of each random test: 2,000 unless told. */
extern uint64_t seed_count;

/* Ends the program where the condition does not hold; what follows it is printed. */
#define REQUIRE(condition, ...)                                        \
    do {                                                               \
        if (condition) break;                                          \
        fprintf(stderr, "%s:%d: %s:", __FILE__, __LINE__, #condition); \
        fprintf(stderr, " " __VA_ARGS__);                              \
        fprintf(stderr, "\n");                                         \
        exit(1);                                                       \
    } while (0)

/* model.c: the VFS called by hand */
void test_model(void);
/* cuts.c, faults.c, sharing.c: through SQLite */
void test_cuts(void);
void test_faults(void);
void test_sharing(void);

/* MARK: ledger.c: a database whose acknowledged commits are counted */

#define DISK "/faulty/disk"

struct ledger {
    fd_disk *disk;
    sqlite3 *db;
    const char *settings;
    int acknowledged; /* rows whose commit has returned */
    int attempted;
};

/* A result code, extended. Opens, applies `settings` and makes the table. */
int ledger_open(struct ledger *ledger);
void ledger_close(struct ledger *ledger);
/* One row of a size that depends on its number, in a transaction of its own. */
int ledger_commit(struct ledger *ledger);
int ledger_exec(struct ledger *ledger, const char *sql);
/* Opens anew. The rows found, or -1 when integrity_check or a row's content says that the file is damaged. */
int ledger_recover(struct ledger *ledger);
