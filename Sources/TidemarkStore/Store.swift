//  The change log's rows and the state folded behind them, in one SQLite file:
//
//      commit(group) ──▶ log row, FULL ──▶ (published, acknowledged)
//                            │
//                        fold, behind ──▶ account, field, entry ──▶ log row trimmed
//
//      open: state tables + the log's rows after `folded` = the directory
//
//  Used from one thread at a time; all through one connection.

import Foundation
import GRDB
import TidemarkDirectory
import TidemarkWire

public final class Store {
    public let path: String
    /// Of this opening, and of those before it.
    public let epochs: EpochHistory
    let database: DatabaseQueue
    /// Let go of when the store is closed.
    private var lock: DataDirectoryLock?
    public private(set) var stamper: Stamper

    /// Committed, and not yet in the state tables.
    private var unfolded: [Group] = []
    private var unfoldedChanges = 0
    private var unfoldedBytes = 0
    private var foldedSinceCheckpoint = 0

    /// Opens, or makes, the store of a data directory, which must exist, and begins a new epoch. Throws `StoreError`
    /// for what is wrong with the directory or the file in it.
    public init(directory: String, epoch: Epoch) throws {
        lock = try DataDirectoryLock(directory: directory)
        path = directory + "/tidemark.db"
        database = try Self.openDatabase(path)
        (epochs, stamper) = try database.write { db in
            try Schema.create(db)
            return try Self.beginEpoch(epoch, db)
        }
    }

    private static func openDatabase(_ path: String) throws -> DatabaseQueue {
        // Made here, so that it is its owner's alone; SQLite gives the files beside it the same mode.
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
        }
        do {
            return try DatabaseQueue(path: path, configuration: Schema.configuration(path: path))
        } catch let error as DatabaseError where error.resultCode == .SQLITE_NOTADB {
            throw StoreError.damaged(path: path, findings: ["it is not an SQLite database"])
        } catch let error as DatabaseError {
            throw StoreError.cannotOpen(path: path, reason: error.message ?? error.description)
        }
    }

    /// Records where the opening before this one ended. What a restored or copied file never had is beyond that end.
    private static func beginEpoch(_ epoch: Epoch, _ db: GRDB.Database) throws -> (EpochHistory, Stamper) {
        let last = try lastStamp(db)
        try db.execute(sql: "UPDATE epoch SET last = ? WHERE last IS NULL", arguments: [Int64(bitPattern: last)])
        var ends: [Epoch: Stamp] = [:]
        for row in try Row.fetchAll(db, sql: "SELECT epoch, last FROM epoch") {
            ends[UInt64(bitPattern: row[0])] = UInt64(bitPattern: row[1])
        }
        try db.execute(
            sql: "INSERT INTO epoch (epoch, last) VALUES (?, NULL)",
            arguments: [Int64(bitPattern: epoch)]
        )
        return (EpochHistory(current: epoch, ends: ends), Stamper(last: last))
    }

    static func lastStamp(_ db: GRDB.Database) throws -> Stamp {
        let logged = try Int64.fetchOne(db, sql: "SELECT max(last) FROM log") ?? 0
        let folded = try Int64.fetchOne(db, sql: "SELECT stamp FROM folded") ?? 0
        return UInt64(bitPattern: max(logged, folded))
    }

    // MARK: writing

    /// Stamps the submissions and makes their changes durable: when this returns, they may be acknowledged.
    public func commit(_ submissions: [Submission], now microseconds: UInt64) throws -> Group {
        let count = submissions.reduce(0) { $0 + ($1.change == nil ? 0 : 1) }
        guard count > 0 else { return Group(first: stamper.last + 1, submissions: submissions) }
        var next = stamper
        let group = Group(first: next.take(count, now: microseconds), submissions: submissions)
        try database.write { db in
            try Self.insert(group, db)
        }
        // Only now: a group that failed is retried with the stamps it would have had.
        stamper = next
        unfolded.append(group)
        unfoldedChanges += count
        unfoldedBytes += group.valueBytes
        return group
    }

    private static func insert(_ group: Group, _ db: GRDB.Database) throws {
        try db.cachedStatement(sql: "INSERT INTO log (first, last, bytes) VALUES (?, ?, ?)").execute(
            arguments: [
                Int64(bitPattern: group.first), Int64(bitPattern: group.last), Data(group.encoded()),
            ])
    }

    /// Changes that the state tables do not have yet.
    public var foldingLag: Int { unfoldedChanges }
    /// The bytes that their values hold in memory.
    public var foldingLagBytes: Int { unfoldedBytes }

    /// Brings the state tables forward by whole groups, about `changesMax` changes, and trims the log behind them.
    public func fold(changesMax: Int) throws {
        guard !unfolded.isEmpty else { return }
        var batch = FoldBatch()
        var groups = 0
        var changes = 0
        for group in unfolded {
            if groups > 0, changes + group.changeCount > changesMax { break }
            group.forEach { submission, stamp in
                if let change = submission.change, let stamp { batch.add(change, at: stamp) }
            }
            groups += 1
            changes += group.changeCount
        }
        let last = unfolded[groups - 1].last
        try database.write { db in
            try batch.write(to: db)
            try Self.setFolded(last, db)
        }
        unfoldedBytes -= unfolded.prefix(groups).reduce(0) { $0 + $1.valueBytes }
        unfolded.removeFirst(groups)
        unfoldedChanges -= changes
        foldedSinceCheckpoint += changes
    }

    private static func setFolded(_ stamp: Stamp, _ db: GRDB.Database) throws {
        try db.execute(sql: "UPDATE folded SET stamp = ?", arguments: [Int64(bitPattern: stamp)])
        try db.execute(sql: "DELETE FROM log WHERE last <= ?", arguments: [Int64(bitPattern: stamp)])
    }

    /// Commits many changes in one transaction: all of them, or none. For imports. `progress` is called with the changes
    /// done so far; when it throws, nothing is committed.
    public func commitAtOnce(
        _ changes: [Change],
        first: Stamp,
        progress: (Int) throws -> Void = { _ in }
    ) throws {
        guard !changes.isEmpty else { return }
        precondition(first > stamper.last && unfolded.isEmpty)
        var next = stamper
        precondition(next.take(changes.count, now: first) == first)
        try database.write { db in
            let step = 10_000
            for start in stride(from: 0, to: changes.count, by: step) {
                let part = changes[start..<min(start + step, changes.count)]
                let group = Group(
                    first: first + UInt64(start),
                    submissions: part.map { Submission(change: $0, origin: 0) }
                )
                try Self.insert(group, db)
                var batch = FoldBatch()
                group.forEach { submission, stamp in batch.add(submission.change!, at: stamp!) }
                try batch.write(to: db)
                try Self.setFolded(group.last, db)
                try progress(start + part.count)
            }
        }
        stamper = next
        try checkpoint("TRUNCATE")
    }

    /// Moves the write-ahead file's pages into the database once enough has been folded since the last time.
    public func checkpointIfDue(changesMin: Int) throws {
        guard foldedSinceCheckpoint >= changesMin else { return }
        try checkpoint("PASSIVE")
        foldedSinceCheckpoint = 0
    }

    private func checkpoint(_ mode: String) throws {
        try database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(\(mode))") }
    }

    /// Folds what is left, if the disk takes it (the log has it anyway), and closes the file.
    public func close() throws {
        do {
            try fold(changesMax: .max)
            try checkpoint("TRUNCATE")
        } catch let error as DatabaseError where error.mayPass {
        }
        try database.close()
        lock = nil
    }

    // MARK: reading

    /// The directory as the log has it.
    public func loadDirectory(options: DirectoryOptions = DirectoryOptions()) throws -> Directory {
        let epochs = epochs
        let path = path
        // The closure of `read` cannot return what is not copyable.
        var loaded: Directory?
        var tail: [Group] = []
        try database.read { db in
            var directory = Directory(epochs: epochs, options: options)
            do {
                try StateReader.load(into: &directory, from: db)
                tail = try StateReader.replayTail(into: &directory, from: db)
            } catch let error as StateReader.Inconsistency {
                throw StoreError.damaged(path: path, findings: [error.description])
            }
            loaded = consume directory
        }
        unfolded = tail
        unfoldedChanges = tail.reduce(0) { $0 + $1.changeCount }
        unfoldedBytes = tail.reduce(0) { $0 + $1.valueBytes }
        return loaded.take()!
    }
}
