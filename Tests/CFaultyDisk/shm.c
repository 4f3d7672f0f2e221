/* The WAL's shared memory: regions that all handles of a file see, and eight slots that each may be locked by many
 * handles shared or by one exclusively. The memory lives as long as a handle maps it, dead ones included, since SQLite
 * reads it without asking. */

#include "disk.h"

#include <stdlib.h>
#include <string.h>

static int add_region(struct fd_file *file, int size) {
    if (file->disk->is_read_only) return SQLITE_CANTOPEN;
    uint64_t used = fd_disk_used(file->disk);
    if (used + (uint64_t)size > file->disk->capacity) return SQLITE_IOERR_SHMSIZE;
    file->regions = fd_reallocate(file->regions, (size_t)(file->region_count + 1) * sizeof *file->regions);
    file->regions[file->region_count++] = memset(fd_allocate((size_t)size), 0, (size_t)size);
    file->region_size = size;
    return SQLITE_OK;
}

int fd_shm_map(sqlite3_file *base, int region, int size, int extends, void volatile **memory) {
    struct fd_handle *handle = (struct fd_handle *)base;
    struct fd_file *file = handle->file;
    pthread_mutex_lock(&fd_mutex);
    int code = file->disk ? SQLITE_OK : SQLITE_IOERR;
    if (code == SQLITE_OK) handle->is_mapping = true;
    while (code == SQLITE_OK && extends && file->region_count <= region) code = add_region(file, size);
    *memory = code == SQLITE_OK && region < file->region_count ? file->regions[region] : NULL;
    pthread_mutex_unlock(&fd_mutex);
    return code;
}

static bool is_free_for(const struct fd_handle *handle, uint16_t slots, bool is_exclusive) {
    for (const struct fd_handle *other = handle->file->handles; other; other = other->next) {
        uint16_t taken = is_exclusive ? other->shared | other->exclusive : other->exclusive;
        if (other != handle && (taken & slots)) return false;
    }
    return true;
}

static int change_slots(struct fd_handle *handle, uint16_t slots, int flags) {
    if (!handle->file->disk) return SQLITE_IOERR;
    uint16_t *held = flags & SQLITE_SHM_EXCLUSIVE ? &handle->exclusive : &handle->shared;
    if (flags & SQLITE_SHM_UNLOCK) {
        *held &= (uint16_t)~slots;
        return SQLITE_OK;
    }
    if (!is_free_for(handle, slots, flags & SQLITE_SHM_EXCLUSIVE)) return SQLITE_BUSY;
    *held |= slots;
    return SQLITE_OK;
}

int fd_shm_lock(sqlite3_file *base, int offset, int count, int flags) {
    uint16_t slots = (uint16_t)(((1u << count) - 1) << offset);
    pthread_mutex_lock(&fd_mutex);
    int code = change_slots((struct fd_handle *)base, slots, flags);
    pthread_mutex_unlock(&fd_mutex);
    return code;
}

/* The mutex is the barrier. */
void fd_shm_barrier(sqlite3_file *base) {
    (void)base;
    pthread_mutex_lock(&fd_mutex);
    pthread_mutex_unlock(&fd_mutex);
}

int fd_shm_unmap(sqlite3_file *base, int deletes) {
    /* With or without: on a real disk the next one to map the file alone empties it. */
    (void)deletes;
    struct fd_handle *handle = (struct fd_handle *)base;
    pthread_mutex_lock(&fd_mutex);
    fd_shm_leave(handle);
    int code = handle->file->disk ? SQLITE_OK : SQLITE_IOERR;
    pthread_mutex_unlock(&fd_mutex);
    return code;
}

void fd_shm_leave(struct fd_handle *handle) {
    handle->is_mapping = false;
    handle->shared = handle->exclusive = 0;
    for (const struct fd_handle *other = handle->file->handles; other; other = other->next)
        if (other->is_mapping) return;
    fd_shm_free(handle->file);
}

void fd_shm_free(struct fd_file *file) {
    for (int region = 0; region < file->region_count; region++) free(file->regions[region]);
    free(file->regions);
    file->regions = NULL;
    file->region_count = 0;
}
