import CFaultyDisk
import Foundation

/// A directory on a disk in memory, for SQLite; its power can be cut, and its operations fail when told to. What a cut
/// and a failure leave is written in CFaultyDisk.h.
///
/// There is a real directory of the same path, for what does not go through SQLite, such as a lock file. A database
/// file in it is not the one that SQLite sees.
///
/// For every n-th operation: 1 is the next one, 0 is none any more. A fault that `lasts` strikes from then on.
final class FaultyDisk: Sendable {
    let path: String
    private nonisolated(unsafe) let disk: OpaquePointer

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "tidemark-disk-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        // An empty one would look as if it had been cut.
        try Data("SQLite sees another".utf8).write(to: URL(filePath: path + "/tidemark.db"))
        disk = fd_disk_new(path)!
    }

    deinit {
        fd_disk_free(disk)
        try? FileManager.default.removeItem(atPath: path)
    }

    // MARK: power

    /// Every open connection is dead after it; close those before others open the same files. Returns how many
    /// unsynced changes did not arrive whole.
    @discardableResult
    func cutPower(seed: UInt64) -> Int { Int(fd_power_cut(disk, seed)) }

    /// The same, where nothing unsynced survives.
    @discardableResult
    func cutPowerDropping() -> Int { Int(fd_power_cut_dropping(disk)) }

    /// The same, where all survives, as when only the process ends.
    func cutPowerKeeping() { fd_power_cut_keeping(disk) }

    /// Cuts the power just before the n-th write or sync. Nothing opens until it is on again.
    func turnPowerOff(at n: Int, seed: UInt64) { fd_power_off_at(disk, UInt64(n), seed) }

    /// False when the n-th operation has not come, and now will not cut the power any more.
    func turnPowerOn() -> Bool { fd_power_on(disk) == 1 }

    // MARK: faults

    /// SQLITE_IOERR_WRITE, or SQLITE_IOERR_TRUNCATE for a truncate.
    func failWrite(_ n: Int, lasts: Bool = false) { fd_fail_write(disk, UInt64(n), lasts ? 1 : 0) }

    /// SQLITE_FULL, after half of the bytes.
    func shortenWrite(_ n: Int, lasts: Bool = false) { fd_shorten_write(disk, UInt64(n), lasts ? 1 : 0) }

    /// SQLITE_IOERR_FSYNC; what was to be synced never will be.
    func failSync(_ n: Int, lasts: Bool = false) { fd_fail_sync(disk, UInt64(n), lasts ? 1 : 0) }

    /// SQLITE_CANTOPEN.
    func failOpen(_ n: Int, lasts: Bool = false) { fd_fail_open(disk, UInt64(n), lasts ? 1 : 0) }

    /// The disk's size in bytes, beyond which writes fail with SQLITE_FULL; `UInt64.max` for no limit.
    var capacity: UInt64 {
        get { fd_get_capacity(disk) }
        set { fd_set_capacity(disk, newValue) }
    }

    func setReadOnly(_ isReadOnly: Bool) { fd_set_read_only(disk, isReadOnly ? 1 : 0) }

    /// As a new disk: no fault, no limit, not read-only.
    func clearFaults() { fd_clear_faults(disk) }

    // MARK: looking

    /// What was asked of the disk since it was made; what failed counts too.
    struct Counts: Equatable {
        var writes: Int
        var syncs: Int
        var opens: Int
        var bytesWritten: Int
    }

    var counts: Counts {
        let counts = fd_get_counts(disk)
        return Counts(
            writes: Int(counts.writes),
            syncs: Int(counts.syncs),
            opens: Int(counts.opens),
            bytesWritten: Int(counts.bytes_written)
        )
    }

    /// Bytes that count against the capacity.
    var used: UInt64 { fd_get_used(disk) }

    /// Changes that a power cut could take.
    var unsynced: Int { Int(fd_get_unsynced(disk)) }
}
