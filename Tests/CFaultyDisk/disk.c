/* The disks, their faults and counters: what a test calls. */

#include "disk.h"

#include <stdlib.h>
#include <string.h>

pthread_mutex_t fd_mutex = PTHREAD_MUTEX_INITIALIZER;

static fd_disk *disks;

/* MARK: finding */

static bool is_below(const char *path, const char *prefix, size_t length) {
    return strncmp(path, prefix, length) == 0 && path[length] == '/';
}

fd_disk *fd_disk_of(const char *path) {
    if (!path) return NULL;
    fd_disk *disk = disks;
    while (disk && !is_below(path, disk->prefix, disk->prefix_length)) disk = disk->next;
    return disk;
}

struct fd_file *fd_disk_find(const fd_disk *disk, const char *path) {
    struct fd_file *file = disk->files;
    while (file && !(file->is_linked && strcmp(file->path, path) == 0)) file = file->next;
    return file;
}

void fd_disk_add(fd_disk *disk, struct fd_file *file) {
    struct fd_file **end = &disk->files;
    while (*end) end = &(*end)->next;
    *end = file;
}

/* MARK: a disk's life */

static bool is_free(const char *prefix, size_t length) {
    for (const fd_disk *disk = disks; disk; disk = disk->next) {
        size_t common = length < disk->prefix_length ? length : disk->prefix_length;
        if (strncmp(prefix, disk->prefix, common) != 0) continue;
        char behind = length < disk->prefix_length ? disk->prefix[common] : prefix[common];
        if (length == disk->prefix_length || behind == '/') return false;
    }
    return true;
}

static void clear_faults(fd_disk *disk) {
    struct fd_fault none = {0};
    disk->write_fault = disk->short_fault = disk->sync_fault = disk->open_fault = none;
    disk->capacity = UINT64_MAX;
    disk->is_read_only = false;
}

fd_disk *fd_disk_new(const char *prefix) {
    size_t length = strlen(prefix);
    while (length > 0 && prefix[length - 1] == '/') length--;
    if (length == 0 || prefix[0] != '/') return NULL;
    fd_vfs_register();
    pthread_mutex_lock(&fd_mutex);
    fd_disk *disk = NULL;
    if (is_free(prefix, length)) {
        disk = fd_allocate(sizeof *disk);
        *disk = (fd_disk){.next = disks, .prefix = fd_copy_string(prefix), .prefix_length = length};
        disk->prefix[length] = 0;
        clear_faults(disk);
        disks = disk;
    }
    pthread_mutex_unlock(&fd_mutex);
    return disk;
}

void fd_disk_free(fd_disk *disk) {
    pthread_mutex_lock(&fd_mutex);
    fd_disk **link = &disks;
    while (*link != disk) link = &(*link)->next;
    *link = disk->next;
    /* Leaves only files that nobody has open. */
    fd_disk_cut(disk, FD_CUT_KEEPING, 0);
    for (struct fd_file *file = disk->files, *next; file; file = next) {
        next = file->next;
        fd_file_free(file);
    }
    free(disk->prefix);
    free(disk);
    pthread_mutex_unlock(&fd_mutex);
}

/* MARK: power */

static uint64_t cut(fd_disk *disk, enum fd_cut kind, uint64_t seed) {
    pthread_mutex_lock(&fd_mutex);
    uint64_t lost = fd_disk_cut(disk, kind, seed);
    disk->is_off = false;
    pthread_mutex_unlock(&fd_mutex);
    return lost;
}

uint64_t fd_power_cut(fd_disk *disk, uint64_t seed) { return cut(disk, FD_CUT_RANDOM, seed); }

uint64_t fd_power_cut_dropping(fd_disk *disk) { return cut(disk, FD_CUT_DROPPING, 0); }

uint64_t fd_power_cut_keeping(fd_disk *disk) { return cut(disk, FD_CUT_KEEPING, 0); }

void fd_power_off_at(fd_disk *disk, uint64_t n, uint64_t seed) {
    pthread_mutex_lock(&fd_mutex);
    disk->power_fault = (struct fd_fault){.countdown = n};
    disk->power_seed = seed;
    pthread_mutex_unlock(&fd_mutex);
}

bool fd_disk_loses_power(fd_disk *disk) {
    if (!fd_fault_strikes(&disk->power_fault)) return false;
    fd_disk_cut(disk, FD_CUT_RANDOM, disk->power_seed);
    disk->is_off = true;
    return true;
}

int fd_power_on(fd_disk *disk) {
    pthread_mutex_lock(&fd_mutex);
    int was_off = disk->is_off;
    disk->is_off = false;
    disk->power_fault = (struct fd_fault){0};
    pthread_mutex_unlock(&fd_mutex);
    return was_off;
}

/* MARK: faults */

bool fd_fault_strikes(struct fd_fault *fault) {
    if (fault->countdown == 0) return false;
    if (fault->countdown > 1) {
        fault->countdown--;
        return false;
    }
    if (!fault->is_sticky) fault->countdown = 0;
    return true;
}

static void set(struct fd_fault *fault, uint64_t n, int sticky) {
    pthread_mutex_lock(&fd_mutex);
    *fault = (struct fd_fault){.countdown = n, .is_sticky = sticky != 0};
    pthread_mutex_unlock(&fd_mutex);
}

void fd_fail_write(fd_disk *disk, uint64_t n, int sticky) { set(&disk->write_fault, n, sticky); }

void fd_shorten_write(fd_disk *disk, uint64_t n, int sticky) { set(&disk->short_fault, n, sticky); }

void fd_fail_sync(fd_disk *disk, uint64_t n, int sticky) { set(&disk->sync_fault, n, sticky); }

void fd_fail_open(fd_disk *disk, uint64_t n, int sticky) { set(&disk->open_fault, n, sticky); }

void fd_set_capacity(fd_disk *disk, uint64_t bytes) {
    pthread_mutex_lock(&fd_mutex);
    disk->capacity = bytes;
    pthread_mutex_unlock(&fd_mutex);
}

uint64_t fd_get_capacity(const fd_disk *disk) {
    pthread_mutex_lock(&fd_mutex);
    uint64_t capacity = disk->capacity;
    pthread_mutex_unlock(&fd_mutex);
    return capacity;
}

void fd_set_read_only(fd_disk *disk, int is_read_only) {
    pthread_mutex_lock(&fd_mutex);
    disk->is_read_only = is_read_only != 0;
    pthread_mutex_unlock(&fd_mutex);
}

void fd_clear_faults(fd_disk *disk) {
    pthread_mutex_lock(&fd_mutex);
    clear_faults(disk);
    pthread_mutex_unlock(&fd_mutex);
}

/* MARK: looking */

struct fd_counts fd_get_counts(const fd_disk *disk) {
    pthread_mutex_lock(&fd_mutex);
    struct fd_counts counts = disk->counts;
    pthread_mutex_unlock(&fd_mutex);
    return counts;
}

/* A deleted file takes its room until the last handle is closed. */
uint64_t fd_disk_used(const fd_disk *disk) {
    uint64_t used = 0;
    for (const struct fd_file *file = disk->files; file; file = file->next) {
        if (file->is_linked || file->handles) used += file->now.size;
        used += (uint64_t)file->region_count * (uint64_t)file->region_size;
    }
    return used;
}

uint64_t fd_get_used(const fd_disk *disk) {
    pthread_mutex_lock(&fd_mutex);
    uint64_t used = fd_disk_used(disk);
    pthread_mutex_unlock(&fd_mutex);
    return used;
}

uint64_t fd_get_unsynced(const fd_disk *disk) {
    pthread_mutex_lock(&fd_mutex);
    uint64_t unsynced = 0;
    for (const struct fd_file *file = disk->files; file; file = file->next)
        for (const struct fd_change *change = file->changes; change; change = change->next)
            unsynced += change->state != FD_SYNCED;
    pthread_mutex_unlock(&fd_mutex);
    return unsynced;
}
