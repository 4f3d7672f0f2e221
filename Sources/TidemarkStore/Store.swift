//  The change log's rows and the state folded behind them, in one SQLite file:
//
//      commit(group) ──▶ log row ──┐
//                                  ├── one transaction, FULL ──▶ (published, acknowledged)
//      a step of the fold ─────────┘
//
//      fold: unfolded changes, coalesced ──▶ account, field, entry … in steps ──▶ `folded` moves ──▶ log rows trimmed
//      open: the state tables, and over them what the log says after `folded`, are the directory
//
//  Used from one thread at a time; all through one connection.

import Foundation
import GRDB
import Synchronization
import TidemarkDirectory
import TidemarkWire

public final class Store {
    public let path: String
    /// Of this store alone, random, and kept as long as it: for what has to look random and stay the same.
    public let secret: [UInt8]
    /// Of this opening, and of those before it.
    public let epochs: EpochHistory
    let database: DatabaseQueue
    /// Let go of when the store is closed.
    private var lock: DataDirectoryLock?
    /// Likewise.
    private var statements: StateStatements?
    public private(set) var stamper: Stamper

    /// What the file's log held when it was opened, until the directory is loaded.
    private var tail: LogTail?
    /// Committed, and not yet in the state tables: what is on its way there, and what is not.
    private var fold: Fold?
    private var preparation: FoldPreparation?
    private var batch: FoldBatch
    /// The log's rows, and how far they are needed no more.
    var logRows: LogRows
    private let checkpoint: Checkpoint
    /// What is known of the clock, as the file has it.
    private(set) var clock: ClockWatch.Record
    /// A transaction failed in a way that does not pass, so the file stays open: see `leaveOpen`.
    private var hasFailed = false

    /// Opens, or makes, the store of a data directory, which must exist, and begins a new epoch. Throws `StoreError`
    /// for what is wrong with the directory or the file in it.
    public init(directory: String, epoch: Epoch) throws {
        let path = directory + "/tidemark.db"
        let lock = try DataDirectoryLock(directory: directory)
        let database = try Self.openDatabase(path)
        do {
            let tail: LogTail
            (epochs, tail, statements, logRows, clock, secret) = try database.write { db in
                try Schema.create(db)
                let tail = try LogTail(db)
                let epochs = try Self.beginEpoch(epoch, after: tail.newest, db)
                return (
                    epochs, tail, try StateStatements(db), try LogRows(tail, db), try Self.clock(db),
                    try Self.secret(db)
                )
            }
            checkpoint = Checkpoint(database)
            // What an earlier process could not sync may be in the cache of the system and not on the disk: written to the
            // database and synced now, before anything is promised that rests on it. Whoever reads is waited for.
            try checkpoint.runAtStart()
            stamper = Stamper(last: tail.newest)
            batch = tail.batch
            self.tail = tail
        } catch {
            throw try StoreError(error, path: path)
        }
        self.path = path
        self.database = database
        self.lock = lock
    }

    private static func openDatabase(_ path: String) throws -> DatabaseQueue {
        let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
        if size == 0, !hasLog(path) { throw StoreError.empty(path: path) }
        // SQLite would make a new database, and delete what the log of the one before has.
        if size == nil, hasLog(path) { throw StoreError.orphaned(path: path) }
        // Made here, so that it is its owner's alone; SQLite gives the files beside it the same mode.
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
        }
        do {
            return try DatabaseQueue(path: path, configuration: Schema.configuration(path: path))
        } catch {
            throw try StoreError(error, path: path)
        }
    }

    /// Whether there is something in its write-ahead file.
    static func hasLog(_ path: String) -> Bool {
        let size = try? FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int
        return size ?? 0 > 0
    }

    /// Records where the opening before this one ended. What a restored or copied file never had is beyond that end.
    private static func beginEpoch(_ epoch: Epoch, after last: Stamp, _ db: GRDB.Database) throws -> EpochHistory {
        try db.execute(sql: "UPDATE epoch SET last = ? WHERE last IS NULL", arguments: [Int64(bitPattern: last)])
        // A client that was last here so many openings ago pays a full sync.
        try db.execute(
            sql: "DELETE FROM epoch WHERE sequence <= (SELECT max(sequence) FROM epoch) - ?",
            arguments: [epochsMax]
        )
        var ends: [Epoch: Stamp] = [:]
        for row in try Row.fetchAll(db, sql: "SELECT epoch, last FROM epoch") {
            guard let known = row[0] as? Int64, let end = row[1] as? Int64 else {
                throw StateReader.Inconsistency(description: "an epoch's number or its end is not valid")
            }
            ends[UInt64(bitPattern: known)] = UInt64(bitPattern: end)
        }
        try db.execute(
            sql: "INSERT INTO epoch (epoch, last) VALUES (?, NULL)",
            arguments: [Int64(bitPattern: epoch)]
        )
        return EpochHistory(current: epoch, ends: ends)
    }

    private static func clock(_ db: GRDB.Database) throws -> ClockWatch.Record {
        guard let row = try Row.fetchOne(db, sql: "SELECT clockJump, clockBelieved FROM kept"),
            let believed = row[1] as? Int64, believed >= 0, row[0] == nil || (row[0] as? Int64).map({ $0 >= 0 }) == true
        else { throw StateReader.Inconsistency(description: "'kept' is not one row with times") }
        return ClockWatch.Record(jump: (row[0] as? Int64).map { UInt64($0) }, believed: UInt64(believed))
    }

    private static func secret(_ db: GRDB.Database) throws -> [UInt8] {
        guard let secret = try Data.fetchOne(db, sql: "SELECT secret FROM kept"), secret.count == Schema.secretBytes
        else {
            throw StateReader.Inconsistency(description: "'kept' is not one row with a secret")
        }
        return Array(secret)
    }

    private static func write(_ clock: ClockWatch.Record, _ db: GRDB.Database) throws {
        try db.execute(
            sql: "UPDATE kept SET clockJump = ?, clockBelieved = ?",
            arguments: [clock.jump.map { Int64(clamping: $0) }, Int64(clamping: clock.believed)]
        )
    }

    /// The newest change in a database.
    static func lastStamp(_ db: GRDB.Database) throws -> Stamp {
        let logged = try Int64.fetchOne(db, sql: "SELECT max(last) FROM log") ?? 0
        let folded = try Int64.fetchOne(db, sql: "SELECT stamp FROM folded") ?? 0
        return UInt64(bitPattern: max(logged, folded))
    }

    /// Openings that are remembered.
    static let epochsMax = 10_000

    // MARK: writing

    /// Stamps the submissions and makes their changes durable: when this returns, they may be acknowledged. A step of
    /// about `rowsMax` rows of what there is to fold or to trim goes to the disk with them, and what is known of the clock
    /// that they are stamped by; nil: nothing new.
    func commit(
        _ submissions: [Submission],
        now microseconds: UInt64,
        clock: ClockWatch.Record? = nil,
        rowsMax: Int = 0
    ) throws -> Group {
        let count = submissions.reduce(0) { $0 + ($1.change == nil ? 0 : 1) }
        guard count > 0 else { return Group(first: stamper.last + 1, submissions: submissions) }
        var next = stamper
        let group = Group(first: next.take(count, now: microseconds), submissions: submissions)
        let bytes = group.encoded()
        do {
            try write(group, bytes, clock, rowsMax: rowsMax)
        } catch let error as DatabaseError where error.mayPass && rowsMax > 0 {
            // Perhaps it was the step that the disk had no room for.
            try write(group, bytes, clock, rowsMax: 0)
        }
        // Only now: what failed has used no stamp.
        stamper = next
        batch.add(group)
        logRows.append(LogRow(first: group.first, last: group.last, bytes: bytes.count))
        return group
    }

    /// One transaction. Where it fails, all is as it was.
    private func write(_ group: Group?, _ bytes: [UInt8], _ clock: ClockWatch.Record?, rowsMax: Int) throws {
        let clock = clock ?? self.clock
        let statements = statements!
        adoptPrepared()
        var (fold, rows) = (fold, logRows)
        try database.write { db in
            if let group { try statements.insert(first: group.first, last: group.last, bytes: bytes) }
            if clock != self.clock { try Self.write(clock, db) }
            guard rowsMax > 0 else { return }
            if fold != nil {
                try fold!.step(rowsMax: rowsMax, statements)
            } else if rows.hasToTrim {
                try rows.trim(rowsMax: rowsMax, statements)
            }
        }
        self.clock = clock
        logRows = rows
        self.fold = fold
        if let done = fold, done.isDone {
            (fold, self.fold) = (nil, nil)
            logRows.folded = done.last
            FoldPreparation.free(done)
        }
    }

    // MARK: folding

    /// Changes that the state tables do not have yet, or not yet all of.
    public var foldingLag: Int { batch.changeCount + (preparation?.changeCount ?? fold?.changeCount ?? 0) }
    /// The bytes that their values hold in memory.
    public var foldingLagBytes: Int { batch.valueBytes + (preparation?.valueBytes ?? fold?.valueBytes ?? 0) }
    /// Of these, what no fold has begun with.
    public var waitingChanges: Int { batch.changeCount }
    public var waitingBytes: Int { batch.valueBytes }
    /// Whether there is something to do for `step`.
    public var hasSteps: Bool { fold != nil || preparation?.isReady == true || logRows.hasToTrim }

    /// Takes all that waits, coalesced, to be written step by step. Nothing where a fold is under way.
    public func beginFold() {
        if let prepared = preparation?.take() { (fold, preparation) = (prepared, nil) }
        guard fold == nil, !batch.isEmpty else { return }
        fold = Fold(batch)
        batch = FoldBatch()
    }

    /// The same, without waiting where much waits: `ready` is called on another thread once there are steps.
    public func beginFold(ready: @escaping @Sendable () -> Void) {
        guard fold == nil, preparation == nil else { return }
        guard batch.changeCount > Self.foldedAtOnce else { return beginFold() }
        var taken = FoldBatch()
        swap(&taken, &batch)
        preparation = FoldPreparation(taken, ready: ready)
    }

    /// Half a millisecond.
    private static let foldedAtOnce = 2_048

    private func adoptPrepared() {
        guard let ready = preparation, ready.isReady else { return }
        (fold, preparation) = (ready.take(), nil)
    }

    /// About `rowsMax` rows of the fold under way, or else of trimming.
    public func step(rowsMax: Int) throws {
        if hasSteps { try write(nil, [], nil, rowsMax: rowsMax) }
    }

    /// All that is unfolded, and trims the log behind it.
    public func foldAll(rowsMax: Int = 4_096) throws {
        while foldingLag > 0 || hasSteps {
            beginFold()
            try step(rowsMax: rowsMax)
        }
    }

    /// Commits many changes in one transaction: all of them, or none. For imports. `progress` is called with the changes
    /// done so far; when it throws, nothing is committed.
    /// - Precondition: nothing is unfolded.
    public func commitAtOnce(
        _ changes: [Change],
        first: Stamp,
        progress: (Int) throws -> Void = { _ in }
    ) throws {
        guard !changes.isEmpty else { return }
        precondition(first > stamper.last && foldingLag == 0)
        var next = stamper
        precondition(next.take(changes.count, now: first) == first)
        // Stamped by a clock that nobody has watched.
        let watch = ClockWatch(newest: stamper.last, record: clock, wall: first, at: 0)
        do {
            try database.write { db in try writeAtOnce(changes, first: first, next: next, watch.record, db, progress) }
        } catch let error as DatabaseError where error.mayPass {
            throw try StoreError(error, path: path)
        }
        clock = watch.record
        stamper = next
        logRows.skip(to: next.last)
        // It is committed; a checkpoint that somebody's reading is in the way of can come later.
        do {
            try checkpoint.run(.truncate)
        } catch let error as DatabaseError where error.mayPass {
        }
    }

    private func writeAtOnce(
        _ changes: [Change],
        first: Stamp,
        next: Stamper,
        _ clock: ClockWatch.Record,
        _ db: GRDB.Database,
        _ progress: (Int) throws -> Void
    ) throws {
        let statements = statements!
        let step = 10_000
        for start in stride(from: 0, to: changes.count, by: step) {
            let part = changes[start..<min(start + step, changes.count)]
            var batch = FoldBatch()
            for (offset, change) in part.enumerated() { batch.add(change, at: first + UInt64(start + offset)) }
            var fold = Fold(batch)
            try fold.step(rowsMax: .max, statements)
            try progress(start + part.count)
        }
        // Observers start over: what an import brings is in no row of the log.
        try statements.setTrimmed(next.last)
        try Self.write(clock, db)
    }

    // MARK: checkpoints

    /// Moves the write-ahead file's pages into the database if there are as many as that.
    public func checkpointIfDue(framesMin: Int) throws {
        if checkpoint.isDue(framesMin: framesMin) { try checkpoint.run(.passive) }
    }

    /// Folds what is left, if the disk takes it (the log has it anyway), and closes the file.
    public func close() throws { try close(clock: nil) }

    func close(clock: ClockWatch.Record?) throws {
        if hasFailed { return leaveOpen() }
        do {
            if let clock, clock != self.clock { try write(nil, [], clock, rowsMax: 0) }
            try foldAll()
            try checkpoint.run(.truncate)
        } catch let error as DatabaseError where error.mayPass {
        } catch {
            leaveOpen()
            throw error
        }
        try abandon()
    }

    /// After an error that does not pass: keeps the file open, and the directory locked, for as long as the process is there.
    /// To close it would be to go on, since SQLite makes a checkpoint then, and deletes the log of what may be on no disk.
    public func leaveOpen() {
        nonisolated(unsafe) let store = self
        Self.leftOpen.withLock { $0.stores.append(store) }
    }

    /// Those that are never used again, and never closed.
    private struct LeftOpen: @unchecked Sendable { var stores: [Store] = [] }
    private static let leftOpen = Mutex(LeftOpen())

    /// Closes the file as it is. SQLite makes a checkpoint of its own.
    func abandon() throws {
        statements = nil
        checkpoint.close()
        try database.close()
        lock = nil
    }

    // MARK: reading

    /// Accounts that were deleted and forgotten when the directory was loaded.
    public private(set) var forgottenAccounts = 0

    /// Of accounts that are gone, and that no entry names, nothing stays but that their ids are not given out again. On a
    /// disk that does not take it they stay until the next start.
    private func forget(_ users: [UserID]) throws {
        let users = users.sorted()
        for start in stride(from: 0, to: users.count, by: Self.forgottenMax) {
            let part = users[start..<min(start + Self.forgottenMax, users.count)]
            do {
                try database.write { db in
                    let forget = try PreparedStatement(db, "DELETE FROM deleted WHERE id = ?")
                    for user in part {
                        forget.bind(1, user)
                        try forget.run()
                    }
                    try db.execute(
                        sql: "UPDATE kept SET newestUser = max(newestUser, ?)",
                        arguments: [Int64(bitPattern: part.last!)]
                    )
                }
                forgottenAccounts += part.count
                try checkpoint.run(.passive)
            } catch let error as DatabaseError where error.mayPass {
                return
            } catch {
                hasFailed = true
                leaveOpen()
                throw error
            }
        }
    }

    /// In one transaction.
    private static let forgottenMax = 8_192

    /// The directory as the log has it, for a server of one shard.
    public func loadDirectory(
        options: DirectoryOptions = DirectoryOptions(),
        progress: LoadProgress = { _, _ in }
    ) throws -> Directory {
        try loadDirectories(ShardMap(count: 1), options: options, progress: progress).take(0)
    }

    /// The same for a server of several.
    public func loadDirectories(
        _ map: ShardMap,
        options: DirectoryOptions = DirectoryOptions(),
        progress: LoadProgress = { _, _ in }
    ) throws -> ShardDirectories {
        let directories = ShardDirectories(map, epochs: epochs, options: options)
        defer { tail = nil }
        do {
            let tail = try self.tail ?? database.read { try LogTail($0) }
            let accounts = try database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM account") ?? 0 }
            let unnamed = try DirectoryLoader.load(
                into: directories,
                tail,
                from: database,
                accounts: accounts,
                progress: progress
            )
            // What is not folded yet may rely on any of them.
            if tail.batch.isEmpty { try forget(unnamed) }
        } catch {
            throw try StoreError(error, path: path)
        }
        return directories
    }
}
