/* The VFS: paths below a disk's prefix are that disk's, all others go to the VFS that was the default before. */

#include "disk.h"

#include <stdlib.h>
#include <string.h>

static sqlite3_vfs *wrapped;
static sqlite3_vfs vfs;

/* MARK: opening */

static void attach(struct fd_handle *handle, struct fd_file *file, bool is_read_only) {
    *handle = (struct fd_handle){
        .base.pMethods = &fd_handle_methods,
        .file = file,
        .next = file->handles,
        .is_read_only = is_read_only,
    };
    file->handles = handle;
}

static int open_on(fd_disk *disk, const char *path, struct fd_handle *handle, int flags, int *flags_out) {
    disk->counts.opens++;
    bool fails = fd_fault_strikes(&disk->open_fault);
    if (fails || disk->is_off) return SQLITE_CANTOPEN;
    struct fd_file *file = fd_disk_find(disk, path);
    if (file && (flags & SQLITE_OPEN_EXCLUSIVE)) return SQLITE_CANTOPEN;
    if (!file) {
        if (disk->is_read_only || !(flags & SQLITE_OPEN_CREATE)) return SQLITE_CANTOPEN;
        file = fd_file_new(disk, path);
        fd_disk_add(disk, file);
    }
    /* As the unix VFS does: what cannot be opened for writing is opened for reading. */
    if (disk->is_read_only)
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    attach(handle, file, flags & SQLITE_OPEN_READONLY);
    if (flags_out) *flags_out = flags;
    return SQLITE_OK;
}

static int open_path(sqlite3_vfs *self, const char *path, sqlite3_file *base, int flags, int *flags_out) {
    (void)self;
    base->pMethods = NULL;
    pthread_mutex_lock(&fd_mutex);
    fd_disk *disk = fd_disk_of(path);
    int code = disk ? open_on(disk, path, (struct fd_handle *)base, flags, flags_out) : SQLITE_OK;
    pthread_mutex_unlock(&fd_mutex);
    /* The wrapped VFS puts its own methods into the handle: we do not see that file again. */
    return disk ? code : wrapped->xOpen(wrapped, path, base, flags, flags_out);
}

/* MARK: names */

static int delete_on(fd_disk *disk, const char *path, int syncs) {
    if (disk->is_off) return SQLITE_IOERR_DELETE;
    if (syncs) disk->counts.syncs++;
    if (syncs && fd_disk_loses_power(disk)) return SQLITE_IOERR_DELETE;
    bool fails = syncs && fd_fault_strikes(&disk->sync_fault);
    if (disk->is_read_only) return SQLITE_IOERR_DELETE;
    struct fd_file *file = fd_disk_find(disk, path);
    if (!file) return SQLITE_IOERR_DELETE_NOENT;
    file->is_linked = false;
    if (fails) return SQLITE_IOERR_DIR_FSYNC;
    if (syncs) fd_names_made_durable(disk);
    return SQLITE_OK;
}

static int delete_path(sqlite3_vfs *self, const char *path, int syncs) {
    (void)self;
    pthread_mutex_lock(&fd_mutex);
    fd_disk *disk = fd_disk_of(path);
    int code = disk ? delete_on(disk, path, syncs) : SQLITE_OK;
    pthread_mutex_unlock(&fd_mutex);
    return disk ? code : wrapped->xDelete(wrapped, path, syncs);
}

static int access_on(const fd_disk *disk, const char *path, int flags, int *result) {
    if (disk->is_off) return SQLITE_IOERR_ACCESS;
    const struct fd_file *file = fd_disk_find(disk, path);
    /* An empty file does not count as existing, as in the unix VFS: an empty journal is none. */
    if (flags == SQLITE_ACCESS_EXISTS)
        *result = file && file->now.size > 0;
    else
        *result = file && !(flags == SQLITE_ACCESS_READWRITE && disk->is_read_only);
    return SQLITE_OK;
}

static int access_path(sqlite3_vfs *self, const char *path, int flags, int *result) {
    (void)self;
    pthread_mutex_lock(&fd_mutex);
    fd_disk *disk = fd_disk_of(path);
    int code = disk ? access_on(disk, path, flags, result) : SQLITE_OK;
    pthread_mutex_unlock(&fd_mutex);
    return disk ? code : wrapped->xAccess(wrapped, path, flags, result);
}

/* A disk's path is full as it is: resolving links on the way to it would lead away from its prefix. */
static int full_path(sqlite3_vfs *self, const char *path, int size, char *full) {
    (void)self;
    pthread_mutex_lock(&fd_mutex);
    fd_disk *disk = fd_disk_of(path);
    pthread_mutex_unlock(&fd_mutex);
    if (!disk) return wrapped->xFullPathname(wrapped, path, size, full);
    size_t length = strlen(path) + 1;
    if (length > (size_t)size) return SQLITE_CANTOPEN;
    memcpy(full, path, length);
    return SQLITE_OK;
}

/* MARK: registering */

/* A copy of the wrapped VFS: clock, randomness and the rest work as they did. */
static void register_once(void) {
    if (sqlite3_initialize() != SQLITE_OK) abort();
    wrapped = sqlite3_vfs_find(NULL);
    vfs = *wrapped;
    vfs.pNext = NULL;
    vfs.zName = "faulty-disk";
    if (vfs.szOsFile < (int)sizeof(struct fd_handle)) vfs.szOsFile = sizeof(struct fd_handle);
    vfs.xOpen = open_path;
    vfs.xDelete = delete_path;
    vfs.xAccess = access_path;
    vfs.xFullPathname = full_path;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK) abort();
}

void fd_vfs_register(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_once);
}
