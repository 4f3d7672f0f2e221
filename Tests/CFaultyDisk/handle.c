/* SQLite's open file. Every operation first counts, then asks power, handle and faults, and only then touches bytes. */

#include "disk.h"

#include <string.h>

static int close_handle(sqlite3_file *base) {
    struct fd_handle *handle = (struct fd_handle *)base;
    pthread_mutex_lock(&fd_mutex);
    struct fd_file *file = handle->file;
    fd_shm_leave(handle);
    struct fd_handle **link = &file->handles;
    while (*link != handle) link = &(*link)->next;
    *link = handle->next;
    fd_file_free_if_unreachable(file);
    pthread_mutex_unlock(&fd_mutex);
    return SQLITE_OK;
}

static int read_bytes(const struct fd_file *file, uint8_t *target, size_t size, uint64_t offset) {
    if (!file->disk) return SQLITE_IOERR;
    size_t there = offset < file->now.size ? file->now.size - offset : 0;
    if (there > size) there = size;
    if (there > 0) memcpy(target, file->now.data + offset, there);
    memset(target + there, 0, size - there);
    return there < size ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int read_handle(sqlite3_file *base, void *target, int size, sqlite3_int64 offset) {
    pthread_mutex_lock(&fd_mutex);
    int code = read_bytes(((struct fd_handle *)base)->file, target, (size_t)size, (uint64_t)offset);
    pthread_mutex_unlock(&fd_mutex);
    return code;
}

/* MARK: writing */

/* How many of the bytes have room on the disk. */
static size_t fitting(const struct fd_file *file, uint64_t offset, size_t size) {
    uint64_t used = fd_disk_used(file->disk);
    uint64_t free_bytes = file->disk->capacity > used ? file->disk->capacity - used : 0;
    if (offset + size <= file->now.size || offset + size - file->now.size <= free_bytes) return size;
    uint64_t end = file->now.size + free_bytes;
    return end > offset ? (size_t)(end - offset) : 0;
}

static int write_bytes(const struct fd_handle *handle, const uint8_t *source, size_t size, uint64_t offset) {
    fd_disk *disk = handle->file->disk;
    if (!disk) return SQLITE_IOERR;
    disk->counts.writes++;
    if (fd_disk_loses_power(disk)) return SQLITE_IOERR;
    bool fails = fd_fault_strikes(&disk->write_fault);
    bool is_short = fd_fault_strikes(&disk->short_fault);
    if (fails || disk->is_read_only || handle->is_read_only) return SQLITE_IOERR_WRITE;
    size_t room = fitting(handle->file, offset, is_short ? size / 2 : size);
    fd_file_write(handle->file, offset, source, room);
    disk->counts.bytes_written += room;
    return room < size ? SQLITE_FULL : SQLITE_OK;
}

static int write_handle(sqlite3_file *base, const void *source, int size, sqlite3_int64 offset) {
    pthread_mutex_lock(&fd_mutex);
    int code = write_bytes((struct fd_handle *)base, source, (size_t)size, (uint64_t)offset);
    pthread_mutex_unlock(&fd_mutex);
    return code;
}

static int truncate_file(const struct fd_handle *handle, uint64_t size) {
    fd_disk *disk = handle->file->disk;
    if (!disk) return SQLITE_IOERR;
    disk->counts.writes++;
    if (fd_disk_loses_power(disk)) return SQLITE_IOERR;
    bool fails = fd_fault_strikes(&disk->write_fault);
    fd_fault_strikes(&disk->short_fault);
    if (fails || disk->is_read_only || handle->is_read_only) return SQLITE_IOERR_TRUNCATE;
    fd_file_truncate(handle->file, size);
    return SQLITE_OK;
}

static int truncate_handle(sqlite3_file *base, sqlite3_int64 size) {
    pthread_mutex_lock(&fd_mutex);
    int code = truncate_file((struct fd_handle *)base, (uint64_t)size);
    pthread_mutex_unlock(&fd_mutex);
    return code;
}

static int sync_file(struct fd_file *file) {
    fd_disk *disk = file->disk;
    if (!disk) return SQLITE_IOERR;
    disk->counts.syncs++;
    if (fd_disk_loses_power(disk)) return SQLITE_IOERR;
    bool fails = fd_fault_strikes(&disk->sync_fault);
    if (fails || (disk->is_read_only && fd_file_has_unsynced(file))) {
        fd_file_strand(file);
        return SQLITE_IOERR_FSYNC;
    }
    fd_file_sync(file);
    return SQLITE_OK;
}

/* All kinds of sync alike: one for the data alone writes a new size too. */
static int sync_handle(sqlite3_file *base, int flags) {
    (void)flags;
    pthread_mutex_lock(&fd_mutex);
    int code = sync_file(((struct fd_handle *)base)->file);
    pthread_mutex_unlock(&fd_mutex);
    return code;
}

/* MARK: facts */

static int size_of_handle(sqlite3_file *base, sqlite3_int64 *size) {
    pthread_mutex_lock(&fd_mutex);
    const struct fd_file *file = ((struct fd_handle *)base)->file;
    *size = (sqlite3_int64)file->now.size;
    int code = file->disk ? SQLITE_OK : SQLITE_IOERR;
    pthread_mutex_unlock(&fd_mutex);
    return code;
}

static int control_handle(sqlite3_file *base, int operation, void *argument) {
    (void)base, (void)operation, (void)argument;
    return SQLITE_NOTFOUND;
}

/* What the unix VFS says, so that SQLite takes the same paths as in production: without the promise it would pad each
 * commit in the WAL to a sector's end. */
static int sector_size(sqlite3_file *base) {
    (void)base;
    return 4096;
}

static int characteristics(sqlite3_file *base) {
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* Version 2: without memory mapping, in which writes could not be seen. */
const sqlite3_io_methods fd_handle_methods = {
    .iVersion = 2,
    .xClose = close_handle,
    .xRead = read_handle,
    .xWrite = write_handle,
    .xTruncate = truncate_handle,
    .xSync = sync_handle,
    .xFileSize = size_of_handle,
    .xLock = fd_lock,
    .xUnlock = fd_unlock,
    .xCheckReservedLock = fd_check_reserved_lock,
    .xFileControl = control_handle,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = fd_shm_map,
    .xShmLock = fd_shm_lock,
    .xShmBarrier = fd_shm_barrier,
    .xShmUnmap = fd_shm_unmap,
};
