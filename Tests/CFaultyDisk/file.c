/* A file's two faces: what reads see, and the synced image with the changes that are to come on top of it.
 *
 * Synced changes fold into the image from the front of the list. One that is behind a stranded change waits there, so
 * that a cut which lets the stranded one arrive does not put it over newer bytes. */

#include "disk.h"

#include <stdlib.h>
#include <string.h>

struct fd_file *fd_file_new(fd_disk *disk, const char *path) {
    struct fd_file *file = fd_allocate(sizeof *file);
    *file = (struct fd_file){.disk = disk, .path = fd_copy_string(path), .is_linked = true};
    file->changes_end = &file->changes;
    return file;
}

static void drop_first_change(struct fd_file *file) {
    struct fd_change *first = file->changes;
    file->changes = first->next;
    if (!file->changes) file->changes_end = &file->changes;
    free(first);
}

void fd_file_free(struct fd_file *file) {
    while (file->changes) drop_first_change(file);
    fd_shm_free(file);
    free(file->now.data);
    free(file->synced.data);
    free(file->path);
    free(file);
}

static void append(struct fd_file *file, bool is_truncate, uint64_t offset, const uint8_t *bytes, size_t size) {
    struct fd_change *change = fd_allocate(sizeof *change + size);
    *change = (struct fd_change){.is_truncate = is_truncate, .offset = offset, .size = size};
    if (size > 0) memcpy(change->bytes, bytes, size);
    *file->changes_end = change;
    file->changes_end = &change->next;
    fd_change_apply(change, &file->now);
}

void fd_file_write(struct fd_file *file, uint64_t offset, const uint8_t *bytes, size_t size) {
    if (size > 0) append(file, false, offset, bytes, size);
}

void fd_file_truncate(struct fd_file *file, uint64_t size) {
    if (size != file->now.size) append(file, true, size, NULL, 0);
}

void fd_change_apply(const struct fd_change *change, struct fd_bytes *image) {
    if (change->is_truncate)
        fd_bytes_resize(image, change->offset);
    else
        fd_bytes_put(image, change->offset, change->bytes, change->size);
}

static void mark_unsynced(struct fd_file *file, enum fd_change_state state) {
    for (struct fd_change *change = file->changes; change; change = change->next)
        if (change->state == FD_UNSYNCED) change->state = state;
}

void fd_file_sync(struct fd_file *file) {
    mark_unsynced(file, FD_SYNCED);
    while (file->changes && file->changes->state == FD_SYNCED) {
        fd_change_apply(file->changes, &file->synced);
        drop_first_change(file);
    }
    if (file->is_linked && !file->is_durable) fd_names_made_durable(file->disk);
}

void fd_file_strand(struct fd_file *file) { mark_unsynced(file, FD_STRANDED); }

bool fd_file_has_unsynced(const struct fd_file *file) {
    for (const struct fd_change *change = file->changes; change; change = change->next)
        if (change->state == FD_UNSYNCED) return true;
    return false;
}
