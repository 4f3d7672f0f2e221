/* A disk in memory under the real SQLite, whose power can be cut. Ending a process cannot test fsync: what was written
 * is in the kernel's cache and arrives all the same. Here written and synced bytes are kept apart.
 *
 *     SQLite ──▶ VFS "faulty-disk", the default ──path below a disk's prefix──▶ that disk, in memory
 *                                               ──any other path─────────────▶ the default VFS of before
 *
 *     a file:   synced image ◀──sync── changes since (writes, truncates, in order)      both together: what reads see
 *                      ▲                   │
 *                      └── power cut: each change kept, dropped, or torn
 *
 * What a cut leaves of a file. Each unsynced write is kept, dropped, or torn: of a torn write any subset of its
 * 512-byte sectors arrives, and no byte outside of the write is touched (SQLITE_IOCAP_POWERSAFE_OVERWRITE, which the
 * unix VFS promises too). A truncate is kept or dropped. Each change's fate is its own: a later write may arrive
 * without an earlier one. Of two writes to the same bytes the older never replaces the newer, as the kernel does not
 * have two writes of a page under way. Within one cut some files lose nothing and others all, so that not every cut is
 * a salad.
 *
 * What a cut leaves of a name. The names of a disk, created and deleted, become durable together: at the first
 * successful sync of a new file, and when SQLite deletes a file and asks for its directory to be synced. (ext4 commits
 * the new file's entry with its inode, and all earlier entries with that; SQLite's own VFS syncs the directory in both
 * places besides, except for new databases.) Until then a cut leaves any one of the files that had the name since, or
 * none.
 *
 * What a failed sync leaves. Linux marks the pages clean, although they were not written: reads go on showing them, no
 * later sync writes them, and a cut may drop them. So here, byte by byte; Linux would write the rest of a page along
 * when a later write dirties it again, but that is luck.
 *
 * Locks and the WAL's shared memory are those of one process. The shared memory counts as used space, as its file does
 * on a real disk, but is never written to: it is gone with its last handle, or with the power.
 *
 * Not modelled: a rename, a disk that lies about syncing, bytes that rot, failing reads, and two processes.
 *
 * One lock around everything: any function here may be called on any thread, also while SQLite is using the disk. The
 * same seed after the same operations gives the same bytes. Where memory runs out, the program ends: this is for tests.
 */
#pragma once

#include <stdint.h>

/* A disk; of its faults and counters none is shared with other disks. */
typedef struct fd_disk fd_disk;

/* What was asked of a disk since it was made; what failed counts too. */
struct fd_counts {
    uint64_t writes; /* xWrite and xTruncate */
    uint64_t syncs;  /* xSync, and each xDelete that syncs the directory */
    uint64_t opens;  /* xOpen */
    uint64_t bytes_written;
};

/* MARK: a disk's life */

/* Makes an empty disk of all paths below the absolute path `prefix`, whatever real files there may be; the first disk
 * also registers the VFS, for good. Connections that are open already keep the VFS that they have.
 *
 * Returns NULL when the prefix is not an absolute path other than "/", equals another disk's, or is inside or around
 * it. */
fd_disk *fd_disk_new(const char *prefix);

/* Takes the disk and its files away. Handles that are still open go dead, as in a power cut, and may be closed
 * later. */
void fd_disk_free(fd_disk *disk);

/* MARK: power
 *
 * After a cut every open handle is dead: all but closing it fails with SQLITE_IOERR. Close the old connections before
 * new ones open the same files: SQLite deletes journals by their name, which a dead handle does not prevent. Faults,
 * capacity and counters stay as they are. */

/* Cuts the power and turns it on again; `seed` decides what survives of the unsynced changes.
 *
 * Returns how many unsynced changes did not arrive whole, names that vanished or came back included. */
uint64_t fd_power_cut(fd_disk *disk, uint64_t seed);

/* The same, where nothing unsynced survives. */
uint64_t fd_power_cut_dropping(fd_disk *disk);

/* The same, where all survives, as when only the process ends. Returns 0. */
uint64_t fd_power_cut_keeping(fd_disk *disk);

/* Cuts the power just before the n-th write or sync from now (1: the next one; 0: not any more), and leaves it off:
 * nothing can be opened, looked up or deleted until fd_power_on. A deletion that syncs counts as a sync. */
void fd_power_off_at(fd_disk *disk, uint64_t n, uint64_t seed);

/* Turns the power on, and forgets about fd_power_off_at.
 *
 * Returns 1 when it was off, 0 when the n-th operation had not come yet. */
int fd_power_on(fd_disk *disk);

/* MARK: faults
 *
 * The n-th operation from now fails (1: the next one; 0: none any more). `sticky` is 0 for that one alone, 1 for all
 * from then on, until the fault is set anew or cleared. */

/* xWrite fails with SQLITE_IOERR_WRITE, xTruncate with SQLITE_IOERR_TRUNCATE; the bytes stay as they were. */
void fd_fail_write(fd_disk *disk, uint64_t n, int sticky);

/* xWrite writes the first half of its bytes and fails with SQLITE_FULL. A truncate counts, but succeeds. */
void fd_shorten_write(fd_disk *disk, uint64_t n, int sticky);

/* xSync fails with SQLITE_IOERR_FSYNC, and xDelete, if it was to sync, with SQLITE_IOERR_DIR_FSYNC once it has deleted
 * the file. The file's unsynced changes can never be synced again. */
void fd_fail_sync(fd_disk *disk, uint64_t n, int sticky);

/* xOpen fails with SQLITE_CANTOPEN. */
void fd_fail_open(fd_disk *disk, uint64_t n, int sticky);

/* The disk's size in bytes; UINT64_MAX, as at first, for no limit. A write that would grow a file beyond it writes what
 * has room and fails with SQLITE_FULL; shared memory beyond it fails with SQLITE_IOERR_SHMSIZE. */
void fd_set_capacity(fd_disk *disk, uint64_t bytes);

/* Returns that size. */
uint64_t fd_get_capacity(const fd_disk *disk);

/* 1: writes, truncates, deletions and syncs of unsynced changes fail, files open for reading only, new ones do not
 * open. 0: as usual. */
void fd_set_read_only(fd_disk *disk, int is_read_only);

/* As a new disk: no fault, no limit, not read-only. What a failed sync left stays so. */
void fd_clear_faults(fd_disk *disk);

/* MARK: looking */

/* Returns the counters as they are now. */
struct fd_counts fd_get_counts(const fd_disk *disk);

/* Returns the bytes that count against the capacity. */
uint64_t fd_get_used(const fd_disk *disk);

/* Returns the unsynced changes that a power cut could take: writes, truncates, those of failed syncs included. */
uint64_t fd_get_unsynced(const fd_disk *disk);
