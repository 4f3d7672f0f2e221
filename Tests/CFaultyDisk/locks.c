/* SQLite's five locks on a database file, among the handles of this process (sqlite.org/lockingv3.html). */

#include "disk.h"

static int highest_of_others(const struct fd_handle *handle) {
    int highest = SQLITE_LOCK_NONE;
    for (const struct fd_handle *other = handle->file->handles; other; other = other->next)
        if (other != handle && other->lock > highest) highest = other->lock;
    return highest;
}

static int take(struct fd_handle *handle, int level) {
    if (!handle->file->disk) return SQLITE_IOERR;
    if (handle->lock >= level) return SQLITE_OK;
    int others = highest_of_others(handle);
    if (level == SQLITE_LOCK_SHARED && others >= SQLITE_LOCK_PENDING) return SQLITE_BUSY;
    if (level > SQLITE_LOCK_SHARED && others >= SQLITE_LOCK_RESERVED) return SQLITE_BUSY;
    if (level == SQLITE_LOCK_EXCLUSIVE && others >= SQLITE_LOCK_SHARED) {
        /* Keeps new readers out while the present ones finish. */
        handle->lock = SQLITE_LOCK_PENDING;
        return SQLITE_BUSY;
    }
    handle->lock = level;
    return SQLITE_OK;
}

int fd_lock(sqlite3_file *base, int level) {
    pthread_mutex_lock(&fd_mutex);
    int code = take((struct fd_handle *)base, level);
    pthread_mutex_unlock(&fd_mutex);
    return code;
}

int fd_unlock(sqlite3_file *base, int level) {
    struct fd_handle *handle = (struct fd_handle *)base;
    pthread_mutex_lock(&fd_mutex);
    if (handle->lock > level) handle->lock = level;
    int code = handle->file->disk ? SQLITE_OK : SQLITE_IOERR;
    pthread_mutex_unlock(&fd_mutex);
    return code;
}

int fd_check_reserved_lock(sqlite3_file *base, int *is_reserved) {
    struct fd_handle *handle = (struct fd_handle *)base;
    pthread_mutex_lock(&fd_mutex);
    *is_reserved = handle->lock >= SQLITE_LOCK_RESERVED || highest_of_others(handle) >= SQLITE_LOCK_RESERVED;
    int code = handle->file->disk ? SQLITE_OK : SQLITE_IOERR;
    pthread_mutex_unlock(&fd_mutex);
    return code;
}
