/* What the header promises of bytes and names, seen without SQLite above. */

#include "selftest.h"

enum { BOTH = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB };

static sqlite3_vfs *vfs(void) { return sqlite3_vfs_find(NULL); }

static int open_file(const char *path, int flags, sqlite3_file **file) {
    *file = calloc(1, (size_t)vfs()->szOsFile);
    int code = vfs()->xOpen(vfs(), path, *file, flags, NULL);
    if (code != SQLITE_OK) {
        free(*file);
        *file = NULL;
    }
    return code;
}

static sqlite3_file *opened(const char *path) {
    sqlite3_file *file;
    REQUIRE(open_file(path, BOTH, &file) == SQLITE_OK);
    return file;
}

static void close_file(sqlite3_file *file) {
    file->pMethods->xClose(file);
    free(file);
}

static int put(sqlite3_file *file, char byte, int size, sqlite3_int64 offset) {
    char *bytes = malloc((size_t)size);
    memset(bytes, byte, (size_t)size);
    int code = file->pMethods->xWrite(file, bytes, size, offset);
    free(bytes);
    return code;
}

static int sync_file(sqlite3_file *file) { return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL); }

static char byte_at(sqlite3_file *file, sqlite3_int64 offset) {
    char byte = 0;
    file->pMethods->xRead(file, &byte, 1, offset);
    return byte;
}

static sqlite3_int64 size_of(sqlite3_file *file) {
    sqlite3_int64 size = -1;
    file->pMethods->xFileSize(file, &size);
    return size;
}

/* The first byte of the file of that name, '-' for an empty one, ' ' for none. */
static char content(const char *path) {
    sqlite3_file *file;
    if (open_file(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MAIN_DB, &file) != SQLITE_OK) return ' ';
    char byte = size_of(file) == 0 ? '-' : byte_at(file, 0);
    close_file(file);
    return byte;
}

static void make(const char *path, char byte) {
    sqlite3_file *file = opened(path);
    put(file, byte, 1, 0);
    REQUIRE(sync_file(file) == SQLITE_OK);
    close_file(file);
}

/* MARK: bytes */

static void synced_bytes_stay(void) {
    fd_disk *disk = fd_disk_new(DISK);
    sqlite3_file *file = opened(DISK "/a");
    put(file, 'a', 5000, 0);
    sync_file(file);
    put(file, 'b', 5000, 100);
    file->pMethods->xTruncate(file, 3000);
    REQUIRE(fd_get_unsynced(disk) == 2 && size_of(file) == 3000 && byte_at(file, 100) == 'b');
    REQUIRE(fd_power_cut_dropping(disk) == 2);
    REQUIRE(put(file, 'c', 1, 0) == SQLITE_IOERR && sync_file(file) == SQLITE_IOERR);
    close_file(file);
    file = opened(DISK "/a");
    REQUIRE(size_of(file) == 5000 && byte_at(file, 100) == 'a');
    put(file, 'd', 10, 6000);
    REQUIRE(byte_at(file, 5500) == 0 && fd_power_cut_keeping(disk) == 0);
    close_file(file);
    file = opened(DISK "/a");
    REQUIRE(size_of(file) == 6010 && byte_at(file, 6000) == 'd' && fd_get_unsynced(disk) == 0);
    close_file(file);
    fd_disk_free(disk);
}

/* Each of two writes whole, lost and torn at sectors; the bytes around them untouched; the same again by the seed. */
static void writes_tear_at_sectors(void) {
    int seen[3] = {0}, later_alone = 0;
    char before[8192], after[8192];
    for (uint64_t seed = 0; seed < 400; seed++) {
        fd_disk *disk = fd_disk_new(DISK);
        sqlite3_file *file = opened(DISK "/a");
        put(file, 'a', 8192, 0);
        sync_file(file);
        put(file, 'b', 2000, 1000);
        put(file, 'c', 512, 5120);
        fd_power_cut(disk, seed / 2);
        close_file(file);
        file = opened(DISK "/a");
        REQUIRE(file->pMethods->xRead(file, after, 8192, 0) == SQLITE_OK);
        close_file(file);
        fd_disk_free(disk);
        if (seed % 2) REQUIRE(memcmp(before, after, 8192) == 0, "seed %d", (int)seed / 2);
        memcpy(before, after, 8192);
        int written = 0;
        for (int i = 0; i < 5120; i++) {
            bool is_inside = i >= 1000 && i < 3000;
            REQUIRE(after[i] == 'a' || (is_inside && after[i] == 'b'));
            if (is_inside && i > 1000 && i % 512 != 0) REQUIRE(after[i] == after[i - 1]);
            written += after[i] == 'b';
        }
        seen[written == 0 ? 0 : written == 2000 ? 1 : 2]++;
        later_alone += written == 0 && after[5120] == 'c';
    }
    REQUIRE(seen[0] > 50 && seen[1] > 50 && seen[2] > 50 && later_alone > 5);
}

static void a_failed_sync_strands(void) {
    fd_disk *disk = fd_disk_new(DISK);
    sqlite3_file *file = opened(DISK "/a");
    put(file, 'a', 1024, 0);
    sync_file(file);
    put(file, 'b', 512, 0);
    fd_fail_sync(disk, 1, 0);
    REQUIRE(sync_file(file) == SQLITE_IOERR_FSYNC);
    put(file, 'c', 256, 0);
    REQUIRE(sync_file(file) == SQLITE_OK && byte_at(file, 300) == 'b' && fd_get_unsynced(disk) == 1);
    fd_power_cut_dropping(disk);
    close_file(file);
    file = opened(DISK "/a");
    REQUIRE(byte_at(file, 0) == 'c' && byte_at(file, 255) == 'c' && byte_at(file, 256) == 'a');
    close_file(file);
    fd_disk_free(disk);
}

/* Whatever arrives of what was stranded, it is never put over what was synced later. */
static void stranded_bytes_stay_below(void) {
    int arrived = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        fd_disk *disk = fd_disk_new(DISK);
        sqlite3_file *file = opened(DISK "/a");
        fd_fail_sync(disk, 1, 0);
        put(file, 'b', 1024, 0);
        sync_file(file);
        put(file, 'c', 512, 0);
        sync_file(file);
        fd_power_cut(disk, seed);
        close_file(file);
        file = opened(DISK "/a");
        REQUIRE(byte_at(file, 0) == 'c');
        arrived += byte_at(file, 600) == 'b';
        close_file(file);
        fd_disk_free(disk);
    }
    REQUIRE(arrived > 20 && arrived < 80);
}

/* MARK: names */

static void new_names_need_a_sync(void) {
    int there = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        fd_disk *disk = fd_disk_new(DISK);
        make(DISK "/b", 'b');
        close_file(opened(DISK "/a"));
        fd_power_cut(disk, seed);
        there += content(DISK "/a") == '-';
        REQUIRE(content(DISK "/b") == 'b');
        close_file(opened(DISK "/c"));
        fd_power_cut_dropping(disk);
        REQUIRE(content(DISK "/c") == ' ');
        fd_disk_free(disk);
    }
    REQUIRE(there > 20 && there < 80);
}

static void deleted_names_may_come_back(void) {
    int old = 0, none = 0, new = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        fd_disk *disk = fd_disk_new(DISK);
        make(DISK "/a", 'a');
        vfs()->xDelete(vfs(), DISK "/a", 0);
        REQUIRE(content(DISK "/a") == ' ');
        close_file(opened(DISK "/a"));
        fd_power_cut(disk, seed);
        old += content(DISK "/a") == 'a';
        none += content(DISK "/a") == ' ';
        new += content(DISK "/a") == '-';
        fd_disk_free(disk);
    }
    REQUIRE(old > 20 && none > 20 && new > 20, "%d %d %d", old, none, new);
}

static void deletions_can_be_durable(void) {
    fd_disk *disk = fd_disk_new(DISK);
    make(DISK "/a", 'a');
    make(DISK "/b", 'b');
    close_file(opened(DISK "/c"));
    vfs()->xDelete(vfs(), DISK "/b", 0);
    REQUIRE(vfs()->xDelete(vfs(), DISK "/a", 1) == SQLITE_OK);
    REQUIRE(vfs()->xDelete(vfs(), DISK "/a", 1) == SQLITE_IOERR_DELETE_NOENT);
    fd_power_cut_dropping(disk);
    REQUIRE(content(DISK "/a") == ' ' && content(DISK "/b") == ' ' && content(DISK "/c") == '-');
    /* With a new file that is synced. */
    vfs()->xDelete(vfs(), DISK "/c", 0);
    make(DISK "/d", 'd');
    fd_power_cut_dropping(disk);
    REQUIRE(content(DISK "/c") == ' ');
    make(DISK "/c", 'n');
    fd_fail_sync(disk, 1, 0);
    REQUIRE(vfs()->xDelete(vfs(), DISK "/c", 1) == SQLITE_IOERR_DIR_FSYNC && content(DISK "/c") == ' ');
    fd_power_cut_dropping(disk);
    REQUIRE(content(DISK "/c") == 'n');
    fd_disk_free(disk);
}

static void open_files_outlive_their_names(void) {
    fd_disk *disk = fd_disk_new(DISK);
    sqlite3_file *file = opened(DISK "/a");
    put(file, 'a', 100, 0);
    vfs()->xDelete(vfs(), DISK "/a", 1);
    REQUIRE(byte_at(file, 99) == 'a' && fd_get_used(disk) == 100);
    close_file(file);
    REQUIRE(fd_get_used(disk) == 0);
    file = opened(DISK "/b");
    fd_disk_free(disk);
    REQUIRE(put(file, 'b', 1, 0) == SQLITE_IOERR);
    close_file(file);
}

/* MARK: faults */

static void the_nth_fails(void) {
    fd_disk *disk = fd_disk_new(DISK);
    sqlite3_file *file = opened(DISK "/a"), *other;
    fd_fail_write(disk, 2, 0);
    REQUIRE(put(file, 'a', 10, 0) == SQLITE_OK && put(file, 'b', 10, 0) == SQLITE_IOERR_WRITE);
    REQUIRE(put(file, 'c', 10, 10) == SQLITE_OK && byte_at(file, 0) == 'a');
    fd_fail_write(disk, 1, 1);
    REQUIRE(put(file, 'b', 10, 0) == SQLITE_IOERR_WRITE);
    REQUIRE(file->pMethods->xTruncate(file, 0) == SQLITE_IOERR_TRUNCATE && size_of(file) == 20);
    fd_clear_faults(disk);
    fd_shorten_write(disk, 1, 0);
    REQUIRE(put(file, 'd', 10, 20) == SQLITE_FULL && size_of(file) == 25);
    fd_set_capacity(disk, 30);
    REQUIRE(put(file, 'e', 10, 22) == SQLITE_FULL && size_of(file) == 30);
    REQUIRE(put(file, 'f', 30, 0) == SQLITE_OK && put(file, 'g', 1, 40) == SQLITE_FULL && size_of(file) == 30);
    fd_fail_open(disk, 1, 0);
    REQUIRE(open_file(DISK "/a", BOTH, &other) == SQLITE_CANTOPEN);
    fd_set_read_only(disk, 1);
    REQUIRE(put(file, 'h', 1, 0) == SQLITE_IOERR_WRITE && sync_file(file) == SQLITE_IOERR_FSYNC);
    REQUIRE(open_file(DISK "/b", BOTH, &other) == SQLITE_CANTOPEN);
    struct fd_counts counts = fd_get_counts(disk);
    REQUIRE(counts.writes == 10 && counts.syncs == 1 && counts.opens == 3 &&
                counts.bytes_written == 10 + 10 + 5 + 8 + 30,
            "%d %d", (int)counts.writes, (int)counts.bytes_written);
    close_file(file);
    fd_disk_free(disk);
}

static void power_goes_at_the_nth(void) {
    fd_disk *disk = fd_disk_new(DISK);
    sqlite3_file *file = opened(DISK "/a"), *other;
    put(file, 'a', 1, 0);
    fd_power_off_at(disk, 2, 7);
    REQUIRE(sync_file(file) == SQLITE_OK && put(file, 'b', 1, 0) == SQLITE_IOERR);
    int exists;
    REQUIRE(open_file(DISK "/a", BOTH, &other) == SQLITE_CANTOPEN);
    REQUIRE(vfs()->xDelete(vfs(), DISK "/a", 0) == SQLITE_IOERR_DELETE);
    REQUIRE(vfs()->xAccess(vfs(), DISK "/a", SQLITE_ACCESS_EXISTS, &exists) == SQLITE_IOERR_ACCESS);
    REQUIRE(fd_power_on(disk) == 1 && fd_power_on(disk) == 0 && content(DISK "/a") == 'a');
    close_file(file);
    fd_disk_free(disk);
}

/* MARK: the rest */

static void disks_are_apart(void) {
    fd_disk *disk = fd_disk_new("/faulty/disk/");
    fd_disk *longer = fd_disk_new("/faulty/disk2");
    REQUIRE(disk && longer);
    REQUIRE(!fd_disk_new("/faulty/disk") && !fd_disk_new("/faulty") && !fd_disk_new("/faulty/disk/sub"));
    REQUIRE(!fd_disk_new("relative") && !fd_disk_new("/") && !fd_disk_new(""));
    make("/faulty/disk2/a", 'a');
    fd_power_cut(disk, 1);
    REQUIRE(content("/faulty/disk2/a") == 'a' && content("/faulty/disk/a") == ' ');
    REQUIRE(content("/faulty/disk3/a") == ' ', "not a disk's, and no real file");
    fd_disk_free(disk);
    fd_disk_free(longer);
}

/* So that SQLite does here what it does in production. */
static void looks_like_the_real_one(void) {
    char path[] = "faulty-disk-selftest.tmp";
    fd_disk *disk = fd_disk_new(DISK);
    char full[1024];
    REQUIRE(vfs()->xFullPathname(vfs(), path, sizeof full, full) == SQLITE_OK);
    sqlite3_file *mine = opened(DISK "/a"), *real = opened(full);
    REQUIRE(mine->pMethods != real->pMethods);
    REQUIRE(mine->pMethods->xSectorSize(mine) == real->pMethods->xSectorSize(real));
    REQUIRE(mine->pMethods->xDeviceCharacteristics(mine) == real->pMethods->xDeviceCharacteristics(real));
    close_file(mine);
    close_file(real);
    vfs()->xDelete(vfs(), full, 0);
    fd_disk_free(disk);
}

void test_model(void) {
    disks_are_apart();
    looks_like_the_real_one();
    synced_bytes_stay();
    writes_tear_at_sectors();
    a_failed_sync_strands();
    stranded_bytes_stay_below();
    new_names_need_a_sync();
    deleted_names_may_come_back();
    deletions_can_be_durable();
    open_files_outlive_their_names();
    the_nth_fails();
    power_goes_at_the_nth();
    printf("model: bytes, names, faults and power are as the header says\n");
}
