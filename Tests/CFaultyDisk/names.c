/* Which names a power cut can still change. A file is
 *
 *     linked  ──names durable──▶  linked, durable  ──delete──▶  unlinked  ──names durable──▶  gone
 *        └──────────────────────────delete──────────────────────────▲
 *
 * An unlinked file keeps its bytes: until it is gone, a cut may bring it back. */

#include "disk.h"

static void take_from_disk(struct fd_file *file) {
    for (struct fd_file **link = &file->disk->files; *link; link = &(*link)->next) {
        if (*link != file) continue;
        *link = file->next;
        return;
    }
}

void fd_file_free_if_unreachable(struct fd_file *file) {
    if (file->handles || (file->disk && !file->is_gone)) return;
    if (file->disk) take_from_disk(file);
    fd_file_free(file);
}

void fd_names_made_durable(fd_disk *disk) {
    for (struct fd_file *file = disk->files, *next; file; file = next) {
        next = file->next;
        file->is_durable = file->is_linked;
        file->is_gone = !file->is_linked;
        fd_file_free_if_unreachable(file);
    }
}
