#include "selftest.h"

int ledger_exec(struct ledger *ledger, const char *sql) {
    int code = sqlite3_exec(ledger->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? code : sqlite3_extended_errcode(ledger->db);
}

int ledger_open(struct ledger *ledger) {
    int code = sqlite3_open_v2(DISK "/db", &ledger->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (code == SQLITE_OK) code = ledger_exec(ledger, ledger->settings);
    if (code == SQLITE_OK) code = ledger_exec(ledger, "CREATE TABLE IF NOT EXISTS row(id INTEGER PRIMARY KEY, bytes)");
    if (code != SQLITE_OK) ledger_close(ledger);
    return code;
}

void ledger_close(struct ledger *ledger) {
    sqlite3_close(ledger->db);
    ledger->db = NULL;
}

int ledger_commit(struct ledger *ledger) {
    char sql[200];
    int id = ledger->attempted = ledger->acknowledged + 1;
    snprintf(sql, sizeof sql, "REPLACE INTO row VALUES (%d, zeroblob(%d))", id, id * 977 % 9000);
    int code = ledger_exec(ledger, sql);
    if (code == SQLITE_OK) ledger->acknowledged++;
    return code;
}

static int answer(struct ledger *ledger, const char *sql) {
    sqlite3_stmt *statement = NULL;
    int result = -1;
    if (sqlite3_prepare_v2(ledger->db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        result = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return result;
}

int ledger_recover(struct ledger *ledger) {
    if (ledger->db) ledger_close(ledger);
    if (ledger_open(ledger) != SQLITE_OK) return -1;
    if (answer(ledger, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") != 1) return -1;
    if (answer(ledger, "SELECT count(*) FROM row WHERE length(bytes) != id * 977 % 9000") != 0) return -1;
    int rows = answer(ledger, "SELECT count(*) FROM row");
    return answer(ledger, "SELECT ifnull(max(id), 0) FROM row") == rows ? rows : -1;
}
