/* What the files of this target share. Each function below expects that the caller holds fd_mutex.
 *
 *     disk ──▶ files ──▶ changes since the synced image
 *                └─────▶ handles: SQLite's open files, with the locks that each holds
 */
#pragma once

#include "CFaultyDisk.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

extern pthread_mutex_t fd_mutex;

/* MARK: bytes.c */

struct fd_bytes {
    uint8_t *data;
    size_t size, room;
};

/* Like malloc and realloc, but they end the program where these return NULL. */
void *fd_allocate(size_t size);
void *fd_reallocate(void *memory, size_t size);
char *fd_copy_string(const char *string);

/* Bytes between the old end and the new one are zero. */
void fd_bytes_resize(struct fd_bytes *bytes, size_t size);
void fd_bytes_put(struct fd_bytes *bytes, size_t offset, const uint8_t *source, size_t size);
struct fd_bytes fd_bytes_copy(const struct fd_bytes *bytes);

/* MARK: file.c */

enum fd_change_state {
    FD_UNSYNCED, /* waits for a sync */
    FD_STRANDED, /* its sync failed: nothing makes it durable any more */
    FD_SYNCED,   /* durable, but behind a stranded one, over which it goes */
};

struct fd_change {
    struct fd_change *next;
    enum fd_change_state state;
    bool is_truncate;
    uint64_t offset; /* of a truncate: the new size */
    size_t size;
    uint8_t bytes[];
};

struct fd_file {
    struct fd_file *next;
    fd_disk *disk; /* NULL after a power cut: the handles are dead */
    char *path;
    struct fd_bytes now;    /* what reads see */
    struct fd_bytes synced; /* what `changes` come on top of */
    struct fd_change *changes, **changes_end;

    bool is_linked;  /* the name leads here */
    bool is_durable; /* the disk knows the name */
    bool is_gone;    /* no cut brings the name back */

    struct fd_handle *handles;
    void **regions; /* of the WAL's shared memory */
    int region_count, region_size;
};

struct fd_handle {
    sqlite3_file base; /* first, since SQLite sees only this */
    struct fd_file *file;
    struct fd_handle *next;
    bool is_read_only;
    int lock; /* SQLITE_LOCK_… */
    bool is_mapping;
    uint16_t shared, exclusive; /* slots of the shared memory, a bit each */
};

struct fd_file *fd_file_new(fd_disk *disk, const char *path);
void fd_file_free(struct fd_file *file);
void fd_file_write(struct fd_file *file, uint64_t offset, const uint8_t *bytes, size_t size);
void fd_file_truncate(struct fd_file *file, uint64_t size);
void fd_file_sync(struct fd_file *file);
void fd_file_strand(struct fd_file *file);
bool fd_file_has_unsynced(const struct fd_file *file);
void fd_change_apply(const struct fd_change *change, struct fd_bytes *image);

/* MARK: disk.c */

struct fd_fault {
    uint64_t countdown; /* 1: the next one fails; 0: none */
    bool is_sticky;
};

struct fd_disk {
    fd_disk *next;
    char *prefix;
    size_t prefix_length;
    struct fd_file *files; /* oldest first, so that a seed always meets them in the same order */
    struct fd_counts counts;
    struct fd_fault write_fault, short_fault, sync_fault, open_fault, power_fault;
    uint64_t power_seed;
    bool is_off, is_read_only;
    uint64_t capacity;
};

fd_disk *fd_disk_of(const char *path);
struct fd_file *fd_disk_find(const fd_disk *disk, const char *path);
void fd_disk_add(fd_disk *disk, struct fd_file *file);
uint64_t fd_disk_used(const fd_disk *disk);

/* Counts one operation down; true when it is the one that fails. */
bool fd_fault_strikes(struct fd_fault *fault);
/* The same for the power: when true, it has just been cut, and the operation ends with SQLITE_IOERR. */
bool fd_disk_loses_power(fd_disk *disk);

/* MARK: names.c */

void fd_names_made_durable(fd_disk *disk);
/* Frees a file that neither a name, a handle nor a power cut leads to any more. */
void fd_file_free_if_unreachable(struct fd_file *file);

/* MARK: cut.c */

enum fd_cut { FD_CUT_RANDOM, FD_CUT_DROPPING, FD_CUT_KEEPING };

uint64_t fd_disk_cut(fd_disk *disk, enum fd_cut cut, uint64_t seed);

/* MARK: handle.c, locks.c, shm.c, vfs.c: what SQLite calls; these take fd_mutex themselves */

extern const sqlite3_io_methods fd_handle_methods;

int fd_lock(sqlite3_file *base, int level);
int fd_unlock(sqlite3_file *base, int level);
int fd_check_reserved_lock(sqlite3_file *base, int *is_reserved);

int fd_shm_map(sqlite3_file *base, int region, int size, int extends, void volatile **memory);
int fd_shm_lock(sqlite3_file *base, int offset, int count, int flags);
void fd_shm_barrier(sqlite3_file *base);
int fd_shm_unmap(sqlite3_file *base, int deletes);
/* With fd_mutex held. */
void fd_shm_leave(struct fd_handle *handle);
void fd_shm_free(struct fd_file *file);

void fd_vfs_register(void);
