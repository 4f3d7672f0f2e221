/* The power cut: which file a name leads to afterwards, and which bytes it has.
 *
 *     for each name:    one of the files that had it since the directory was durable, or none
 *     for that file:    synced image + fate(change) for each change, in the order of the writes
 *     old files:        dead, until their handles are closed */

#include "disk.h"

#include <stdlib.h>
#include <string.h>

enum { SECTOR_BYTES = 512 };

struct cut {
    enum fd_cut kind;
    uint64_t random; /* the generator's state */
    uint64_t lost;
    uint64_t loss_in_4; /* of the present file's changes, so many in 4 do not arrive whole */
};

/* SplitMix64 (Steele, Lea, Flood 2014): the same numbers from the same seed everywhere. */
static uint64_t draw(struct cut *cut) {
    uint64_t mixed = cut->random += 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

/* MARK: bytes */

static void tear(const struct fd_change *change, struct fd_bytes *image, struct cut *cut) {
    bool is_whole = true;
    for (size_t done = 0; done < change->size;) {
        size_t piece = SECTOR_BYTES - (change->offset + done) % SECTOR_BYTES;
        if (piece > change->size - done) piece = change->size - done;
        if (draw(cut) % 2 == 0)
            fd_bytes_put(image, change->offset + done, change->bytes + done, piece);
        else
            is_whole = false;
        done += piece;
    }
    if (!is_whole) cut->lost++;
}

static bool arrives_whole(const struct fd_change *change, struct cut *cut) {
    if (change->state == FD_SYNCED || cut->kind == FD_CUT_KEEPING) return true;
    return cut->kind == FD_CUT_RANDOM && draw(cut) % 4 >= cut->loss_in_4;
}

static struct fd_bytes image_after(const struct fd_file *file, struct cut *cut) {
    struct fd_bytes image = fd_bytes_copy(&file->synced);
    /* From nothing to everything, so that a file's whole end arriving or vanishing is as likely as a mixture. */
    cut->loss_in_4 = draw(cut) % 5;
    for (const struct fd_change *change = file->changes; change; change = change->next) {
        if (arrives_whole(change, cut))
            fd_change_apply(change, &image);
        else if (cut->kind == FD_CUT_RANDOM && !change->is_truncate && draw(cut) % 2 == 0)
            tear(change, &image, cut);
        else
            cut->lost++;
    }
    return image;
}

/* MARK: names */

static bool has_name_of(const struct fd_file *other, const struct fd_file *file) {
    return !other->is_gone && strcmp(other->path, file->path) == 0;
}

static bool is_first_of_its_name(const fd_disk *disk, const struct fd_file *file) {
    const struct fd_file *first = disk->files;
    while (first != file && !has_name_of(first, file)) first = first->next;
    return first == file;
}

static bool is_certain(const struct fd_file *file, const struct cut *cut) {
    switch (cut->kind) {
    case FD_CUT_KEEPING: return file->is_linked;
    case FD_CUT_DROPPING: return file->is_durable;
    case FD_CUT_RANDOM: return file->is_linked && file->is_durable;
    }
    return false;
}

/* One of the files with the name of `first`, or NULL, each as likely. */
static struct fd_file *drawn(struct fd_file *first, struct cut *cut) {
    uint64_t candidates = 1;
    for (const struct fd_file *file = first; file; file = file->next) candidates += has_name_of(file, first);
    uint64_t number = draw(cut) % candidates;
    for (struct fd_file *file = first; file; file = file->next)
        if (has_name_of(file, first) && number-- == 0) return file;
    return NULL;
}

/* The file that the name leads to after the cut, or NULL. `first` is the oldest one that has it. */
static struct fd_file *survivor(struct fd_file *first, struct cut *cut) {
    struct fd_file *linked = NULL, *chosen = NULL;
    for (struct fd_file *file = first; file; file = file->next) {
        if (!has_name_of(file, first)) continue;
        if (file->is_linked) linked = file;
        if (is_certain(file, cut)) chosen = file;
    }
    if (!chosen && cut->kind == FD_CUT_RANDOM) chosen = drawn(first, cut);
    if (chosen != linked) cut->lost++;
    return chosen;
}

static struct fd_file *file_after(const struct fd_file *old, struct cut *cut) {
    struct fd_file *file = fd_file_new(old->disk, old->path);
    file->synced = image_after(old, cut);
    file->now = fd_bytes_copy(&file->synced);
    file->is_durable = true;
    return file;
}

/* MARK: the disk */

static void bury(struct fd_file *files) {
    for (struct fd_file *file = files, *next; file; file = next) {
        next = file->next;
        file->disk = NULL;
        fd_file_free_if_unreachable(file);
    }
}

uint64_t fd_disk_cut(fd_disk *disk, enum fd_cut kind, uint64_t seed) {
    struct cut cut = {.kind = kind, .random = seed};
    struct fd_file *survivors = NULL, **end = &survivors;
    for (struct fd_file *file = disk->files; file; file = file->next) {
        if (file->is_gone || !is_first_of_its_name(disk, file)) continue;
        struct fd_file *chosen = survivor(file, &cut);
        if (!chosen) continue;
        *end = file_after(chosen, &cut);
        end = &(*end)->next;
    }
    bury(disk->files);
    disk->files = survivors;
    return cut.lost;
}
