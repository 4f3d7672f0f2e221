//  A copy of an open database, in a new file, made by the database's own connection in steps between which it goes on
//  with its work:
//
//      FILE.part, exclusive ──▶ step ──▶ step ──▶ … ──▶ fsync ──▶ rename to FILE ──▶ fsync of the directory
//                                 │
//                                 └──▶ an error, or nobody wants it any more: FILE.part goes
//
//  SQLite carries over what the connection writes meanwhile, so the copy is of the moment of its last step. A second
//  connection to the database would do without steps, and must not be: docs/decisions/sqlite.md.

import Foundation
import GRDB
import GRDBSQLite
import TidemarkWire

/// What a backup holds.
public struct BackupReport: Codable, Equatable, Sendable {
    public var path: String
    /// The file's size.
    public var bytes: UInt64
    /// Of the last change in it; it has all changes up to this one. 0 where nothing has changed yet.
    public var newestStamp: Stamp

    public init(path: String, bytes: UInt64, newestStamp: Stamp) {
        self.path = path
        self.bytes = bytes
        self.newestStamp = newestStamp
    }
}

final class BackupCopy {
    enum Step: Equatable {
        case copied(pages: Int, of: Int)
        case finished(BackupReport)
    }

    /// Pages of one step: 256 KB of the usual ones, read and written in a fraction of a millisecond.
    static let pagesAStep = 128
    /// So often the file goes to the disk on the way, that no fsync has much to write: the last one would hold up the
    /// commits of a server for as long as the whole file takes.
    private static let stepsASync = 4

    private let path: String
    private let pagesAStep: Int
    private var file: PartFile
    private var destination: OpaquePointer?
    private var backup: OpaquePointer?
    private var stepsSinceSync = 0

    private var part: String { file.path }

    /// Makes FILE.part, and copies nothing yet. `db` is outside a transaction, as in each step, and its connection stays
    /// open until this is finished or aborted. `destinationPagesMax` is for tests: a disk that is full after so many.
    init(
        of db: GRDB.Database,
        to path: String,
        pagesAStep: Int = BackupCopy.pagesAStep,
        destinationPagesMax: Int? = nil
    ) throws(BackupError) {
        self.path = path
        self.pagesAStep = pagesAStep
        file = try PartFile(for: path, bytes: Self.bytes(of: db))
        guard sqlite3_open_v2(file.path, &destination, SQLITE_OPEN_READWRITE, nil) == SQLITE_OK else {
            let error = failure(SQLITE_CANTOPEN)
            abort()
            throw error
        }
        // Until it has its name it is nobody's database: what a crash leaves of it is thrown away, not rolled back.
        // A small cache, so that its pages reach the file as they are copied.
        var settings = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = \(pagesAStep);"
        if let destinationPagesMax { settings += "PRAGMA max_page_count = \(destinationPagesMax);" }
        let code = sqlite3_exec(destination, settings, nil, nil, nil)
        if code == SQLITE_OK { backup = sqlite3_backup_init(destination, "main", db.sqliteConnection, "main") }
        guard backup != nil else {
            let error = failure(code == SQLITE_OK ? sqlite3_errcode(destination) : code)
            abort()
            throw error
        }
    }

    deinit { abort() }

    private static func bytes(of db: GRDB.Database) throws(BackupError) -> UInt64 {
        do {
            let pages = try UInt64.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            return try pages * (UInt64.fetchOne(db, sql: "PRAGMA page_size") ?? 0)
        } catch {
            throw .unreadable(reason: "\(error)")
        }
    }

    /// Copies some pages more; with the last ones the file gets its name, and is on disk. After an error nothing of it
    /// is left.
    func step(_ db: GRDB.Database) throws(BackupError) -> Step {
        do throws(BackupError) {
            let code = sqlite3_backup_step(backup, Int32(pagesAStep))
            switch code {
            case SQLITE_OK:
                stepsSinceSync += 1
                if stepsSinceSync == Self.stepsASync {
                    try file.sync()
                    stepsSinceSync = 0
                }
                let pages = Int(sqlite3_backup_pagecount(backup))
                return .copied(pages: pages - Int(sqlite3_backup_remaining(backup)), of: pages)
            case SQLITE_DONE:
                return .finished(try finish(db))
            default:
                throw failure(code)
            }
        } catch {
            abort()
            throw error
        }
    }

    private func finish(_ db: GRDB.Database) throws(BackupError) -> BackupReport {
        let stamp: Stamp
        do {
            stamp = try Store.lastStamp(db)
        } catch {
            throw .unreadable(reason: "\(error)")
        }
        let code = closeDestination()
        guard code == SQLITE_OK else { throw failure(code) }
        return BackupReport(path: path, bytes: try file.keep(), newestStamp: stamp)
    }

    /// Leaves nothing behind, unless it is finished.
    func abort() {
        _ = closeDestination()
        file.drop()
    }

    private func closeDestination() -> Int32 {
        let finished = sqlite3_backup_finish(backup)
        let closed = sqlite3_close(destination)
        backup = nil
        destination = nil
        return finished == SQLITE_OK ? closed : finished
    }

    private func failure(_ code: Int32) -> BackupError {
        switch code & 0xFF {
        case SQLITE_FULL: .diskFull
        case SQLITE_CANTOPEN, SQLITE_READONLY: .cannotWrite(operation: "open", code: EACCES)
        case SQLITE_IOERR where Self.writing.contains(code):
            .cannotWrite(operation: "write", code: sqlite3_system_errno(destination))
        default: .unreadable(reason: String(cString: sqlite3_errstr(code)))
        }
    }

    /// What only the copy can be the cause of: of the database, steps read.
    private static let writing = [
        SQLITE_IOERR | (3 << 8), SQLITE_IOERR | (4 << 8), SQLITE_IOERR | (6 << 8),  // write, fsync, truncate
    ]
}
