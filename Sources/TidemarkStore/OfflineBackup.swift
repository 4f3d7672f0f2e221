import Foundation
import GRDB

/// A backup of a data directory that no server holds. Begins no epoch and brings no schema up: the directory stays as it
/// is, but for what SQLite does to read it.
public enum OfflineBackup {
    /// `progress` is told of pages copied, and how many there are. Throws `StoreError` for the directory and
    /// `BackupError` for the file.
    public static func run(
        directory: String,
        to path: String,
        progress: (_ pages: Int, _ of: Int) -> Void = { _, _ in }
    ) throws -> BackupReport {
        // Before the lock, which makes a file.
        let database = directory + "/tidemark.db"
        guard FileManager.default.fileExists(atPath: database) else { throw StoreError.missing(path: database) }
        let lock = try DataDirectoryLock(directory: directory)
        defer { withExtendedLifetime(lock) {} }
        return try StoreReader(directory: directory).database.read { db in
            guard try Int32.fetchOne(db, sql: "PRAGMA application_id") == Schema.applicationID else {
                throw StoreError.notTidemark(path: database)
            }
            let copy = try BackupCopy(of: db, to: path)
            while true {
                switch try copy.step(db) {
                case .copied(let pages, let total): progress(pages, total)
                case .finished(let report): return report
                }
            }
        }
    }
}
