//  A scripted life of a store, on a disk that fails: for every n, the n-th write or sync is where the power goes, or an
//  error comes, or the disk is full. After each, what was acknowledged is there, nothing is half there, and the file is
//  sound. The script commits, folds in steps, trims, checkpoints, and opens the store anew; an observer follows the log,
//  and now and then somebody else reads the file meanwhile.

import Foundation
import GRDB
import Testing
import TidemarkDirectory
import TidemarkTesting
import TidemarkWire

@testable import TidemarkStore

@Suite("The store on a disk that fails") struct FaultTests {
    /// How many places a script is broken at, at most; all of them with TIDEMARK_LONG.
    static let isLong = ProcessInfo.processInfo.environment["TIDEMARK_LONG"] != nil
    static let placesMax = isLong ? Int.max : 120

    /// Breaks a script at each of its operations, or at some that are spread over them.
    private static func forEachPlace(of count: Int, _ body: (Int) throws -> Void) rethrows -> Int {
        let stride = isLong ? 1 : max(1, count / placesMax)
        var places = 0
        for n in Swift.stride(from: 1, through: count, by: stride) {
            try body(n)
            places += 1
        }
        return places
    }

    @Test("the power goes at every write and sync") func powerCuts() throws {
        var (cuts, acknowledged, forgotten) = (0, 0, 0)
        for script in 0..<(Self.isLong ? 8 : 2) as Range<UInt64> {
            let whole = try ScriptedStore(seed: script)
            try whole.run()
            let count = whole.disk.counts.writes + whole.disk.counts.syncs
            cuts += try Self.forEachPlace(of: count) { n in
                let store = try ScriptedStore(seed: script)
                store.disk.turnPowerOff(at: n, seed: UInt64(n) &* 31 &+ script)
                try store.runUntilFailure()
                _ = store.disk.turnPowerOn()
                try store.checkRecovery("power cut at \(n) of script \(script)")
                acknowledged += store.acknowledged
                forgotten += store.forgotten
            }
        }
        #expect(forgotten > cuts, "accounts are forgotten in each script")
        print("power cuts: \(cuts) survived, \(acknowledged) acknowledged changes, 0 lost")
    }

    @Test("the power goes at the end, whatever was not synced") func powerCutAtEnd() throws {
        for seed in 0..<(Self.isLong ? 400 : 40) as Range<UInt64> {
            let store = try ScriptedStore(seed: seed)
            try store.run(closing: false)
            if seed % 3 == 0 { store.disk.cutPowerDropping() } else { store.disk.cutPower(seed: seed) }
            try store.checkRecovery("power cut at the end, seed \(seed)")
        }
    }

    @Test("every write fails once, and is done again", arguments: [false, true])
    func failedWrites(isShort: Bool) throws {
        let whole = try ScriptedStore(seed: 11)
        try whole.run()
        var retries = 0
        let faults = try Self.forEachPlace(of: whole.disk.counts.writes) { n in
            let store = try ScriptedStore(seed: 11)
            if isShort { store.disk.shortenWrite(n) } else { store.disk.failWrite(n) }
            try store.runUntilFailure()
            retries += store.retries
            try store.checkRecovery("\(isShort ? "short" : "failed") write \(n)")
        }
        #expect(retries > 0)
        print("write faults: \(faults) survived, \(retries) commits and steps done again, 0 changes lost")
    }

    @Test("every sync fails once: the store stops, and what it reads back is what was acknowledged") func failedSyncs()
        throws
    {
        let whole = try ScriptedStore(seed: 12)
        try whole.run()
        var stops = 0
        let faults = try Self.forEachPlace(of: whole.disk.counts.syncs) { n in
            let store = try ScriptedStore(seed: 12)
            store.disk.failSync(n)
            try store.runUntilFailure()
            if store.hasStopped { stops += 1 }
            // Half of the times only the process ends, and the cache of the system shows what never reached the disk.
            if stops % 2 == 0 { store.disk.cutPower(seed: UInt64(n)) } else { store.disk.cutPowerKeeping() }
            try store.checkRecovery("failed sync \(n)")
            // What was promised since then has to be on the disk, and not only in the cache.
            store.disk.cutPowerDropping()
            try store.checkRecovery("failed sync \(n), then the power")
        }
        #expect(stops == faults, "a sync that failed is not tried again")
        print("sync faults: \(faults) survived, \(stops) stops, 0 changes lost")
    }

    @Test("every opening of a file fails once") func failedOpens() throws {
        let whole = try ScriptedStore(seed: 13)
        try whole.run()
        for n in 1...whole.disk.counts.opens {
            let store = try ScriptedStore(seed: 13)
            store.disk.failOpen(n)
            try store.runUntilFailure()
            try store.checkRecovery("failed open \(n)")
        }
    }

    @Test("the disk is full at every size, and has room again") func fullDisk() throws {
        var (retries, sizes) = (0, 0)
        for room in stride(from: 0, to: 400_000, by: Self.isLong ? 1_024 : 8_192) {
            let store = try ScriptedStore(seed: 14)
            store.roomOnceOpen = room
            try store.runUntilFailure()
            #expect(!store.hasStopped, "a full disk is waited out")
            retries += store.retries
            sizes += 1
            try store.checkRecovery("a disk with room for \(room) bytes")
        }
        #expect(retries > sizes, "most of these disks are full several times")
        print("full disks: \(sizes) survived, \(retries) commits and steps done again, 0 changes lost")
    }

    @Test("a store that cannot be made for want of room says so, and can be made later") func fullAtFirst() throws {
        let store = try ScriptedStore(seed: 15)
        store.disk.capacity = 20_000
        #expect(throws: StoreError.full(path: store.disk.path + "/tidemark.db")) { try store.run() }
        try store.checkRecovery("a disk of 20,000 bytes")
    }
}

/// One seeded life of a store, and what it acknowledged.
final class ScriptedStore {
    let disk: FaultyDisk
    private(set) var acknowledged = 0
    private(set) var retries = 0
    /// An error came that is not tried again.
    private(set) var hasStopped = false
    /// The disk has so much room left once the store is open, and without limit after two failures; then again so much.
    var roomOnceOpen: Int?

    private var random: Seed
    private var source: ChangeSource
    private var store: Store?
    /// What was acknowledged, applied.
    private var applied = Directory(epochs: EpochHistory(current: 1))
    /// Committed when the failure came: it may be there, whole, or not.
    private var inDoubt: [Change] = []
    private var clock: UInt64 = 1_000
    /// All that `applied` is made of, by stamp.
    private var history: [Logged] = []
    /// Where the observer was put, and acknowledged; and where it was being put when the failure came.
    private var cursor: (acknowledged: Stamp, inDoubt: Stamp)?
    private var reader: SnapshotReader?
    /// What the log said of its clock, acknowledged; and with the group that is in doubt.
    private var record = (acknowledged: ClockWatch.Record(), inDoubt: ClockWatch.Record())
    /// Deleted accounts that were forgotten.
    private(set) var forgotten = 0

    struct Logged: Equatable {
        var stamp: Stamp
        var change: Change
    }

    init(seed: UInt64) throws {
        disk = try FaultyDisk()
        random = Seed(default: seed)
        source = ChangeSource(Seed(default: seed &+ 1_000))
    }

    deinit {
        reader = nil
        try? store?.abandon()
    }

    // MARK: the script

    func run(closing: Bool = true) throws {
        try open()
        for round in 0..<24 {
            source.round = round
            var changes = (0..<random.below(12) + 1).map { _ in source.next() }
            // Somebody whom nobody had, to be forgotten at the next opening.
            let passing = UserID(500 + round)
            if round % 5 == 0 { changes.append(.accountCreated(user: passing, name: "passing\(round)")) }
            if round % 5 == 0 { changes.append(.accountDeleted(user: passing)) }
            try commit(changes, rowsMax: random.chance(50) ? random.below(20) + 1 : 0)
            source.follow(&applied)
            if round % 5 == 2 { store!.beginFold() }
            if random.chance(30) { try again { try $0.step(rowsMax: 8) } }
            if round % 7 == 1 { try observe() }
            if round % 11 == 3 { reader = try SnapshotReader(disk.path) }
            if round % 11 == 7 {
                try reader?.checkUnchanged()
                reader = nil
            }
            if round % 6 == 5 { try again { try $0.checkpointIfDue(framesMin: 1) } }
            if round % 11 == 10 {
                try again { try $0.close() }
                store = nil
                try open()
            }
        }
        if closing {
            try again { try $0.close() }
            store = nil
        }
    }

    /// Until an error that a change log does not wait out. A store that was stopped by one stays open, as the change log leaves it:
    /// were it closed, SQLite would delete what is left of its log, over pages that a failed sync has lost.
    func runUntilFailure() throws {
        do {
            try run()
        } catch is DatabaseError {
            hasStopped = true
        } catch is StoreError {
            hasStopped = true
        }
        if !hasStopped { letGo() }
    }

    private func letGo() {
        reader = nil
        try? store?.abandon()
        store = nil
    }

    /// Registers, or moves on to what was committed last.
    private func observe() throws {
        let place = applied.published
        cursor = (cursor?.acknowledged ?? 0, place)
        if cursor!.acknowledged == 0 {
            try again { try $0.register(observer: "mirror") }
        } else {
            try again { try $0.advance(observer: "mirror", to: place) }
        }
        cursor!.acknowledged = place
    }

    private func open() throws {
        // A store is not opened on a full disk.
        if roomOnceOpen != nil { disk.capacity = .max }
        store = try Store(directory: disk.path, epoch: .random(in: 1 ... .max, using: &random))
        _ = try store!.loadDirectory()
        forgotten += store!.forgottenAccounts
        limitRoom()
    }

    private func limitRoom() {
        if let roomOnceOpen { disk.capacity = disk.used + UInt64(roomOnceOpen) }
    }

    private func commit(_ changes: [Change], rowsMax: Int) throws {
        inDoubt = changes
        var group: Group?
        clock += UInt64(random.below(100))
        if random.chance(20) {
            let jump = random.chance(50) ? UInt64(random.below(1_000)) : nil
            record.inDoubt = ClockWatch.Record(jump: jump, believed: clock)
        }
        try again { store in
            group = try store.commit(
                changes.map { Submission(change: $0, origin: 0) },
                now: clock,
                clock: record.inDoubt,
                rowsMax: rowsMax
            )
        }
        inDoubt = []
        record.acknowledged = record.inDoubt
        group!.forEach { submission, stamp in apply(submission.change!, at: stamp!) }
        acknowledged += changes.count
    }

    private func apply(_ change: Change, at stamp: Stamp) {
        applied.apply(change, at: stamp)
        history.append(Logged(stamp: stamp, change: change))
    }

    /// As the change log does with what may pass.
    private func again(_ body: (Store) throws -> Void) throws {
        var failures = 0
        while true {
            do {
                try body(store!)
                if failures > 0 { limitRoom() }
                return
            } catch let error as DatabaseError where error.mayPass {
                retries += 1
                failures += 1
                if failures >= 2 { disk.capacity = .max }
                // A fault that strikes once has struck.
                if failures > 100 { throw error }
            }
        }
    }

    // MARK: afterwards

    func checkRecovery(_ what: String) throws {
        // The process is gone, and nothing of it closes a file.
        if hasStopped { disk.cutPowerKeeping() }
        letGo()
        roomOnceOpen = nil
        disk.clearFaults()
        try open()
        var loaded = try store!.loadDirectory()
        loaded.checkInvariants()
        if loaded.published > applied.published, !inDoubt.isEmpty {
            let first = loaded.published - UInt64(inDoubt.count) + 1
            #expect(first > applied.published, "\(what): half a group")
            for (offset, change) in inDoubt.enumerated() { apply(change, at: first + UInt64(offset)) }
            record.acknowledged = record.inDoubt
        }
        inDoubt = []
        record.inDoubt = record.acknowledged
        #expect(store!.clock == record.acknowledged, "\(what): the clock's record goes with its group")
        #expect(loaded.newestUser == applied.newestUser, "\(what): ids are not given out again")
        #expect(loaded.published == applied.published, "\(what)")
        let isSame = loaded.picture() == applied.picture()
        #expect(isSame, "\(what): what was acknowledged is not what is there")
        let sound = try store!.database.read { try String.fetchAll($0, sql: "PRAGMA integrity_check") }
        #expect(sound == ["ok"], "\(what)")
        try checkObserver(what)
        // It goes on, with stamps above all before.
        let next = [Change.accountCreated(user: applied.newestUser + 1, name: "later\(applied.newestUser)")]
        let before = applied.published
        try commit(next, rowsMax: 0)
        #expect(applied.published > before, "\(what)")
        try store!.close()
        store = nil
        #expect(try StoreReader(directory: disk.path).check().findings == [], "\(what)")
    }

    /// It is where it was put, and the log has all that it has not seen.
    private func checkObserver(_ what: String) throws {
        guard let cursor else { return }
        let place = store!.logRows.observers["mirror"]
        if place == nil {
            #expect(cursor.acknowledged == 0, "\(what): an observer is not registered any more")
            self.cursor = nil
            return
        }
        #expect(place == cursor.acknowledged || place == cursor.inDoubt, "\(what): where an observer is")
        var later: [Logged] = []
        for group in try store!.groups(after: place!, bytesMax: .max) {
            group.forEach { submission, stamp in later.append(Logged(stamp: stamp!, change: submission.change!)) }
        }
        let isWhole = later.filter { $0.stamp > place! } == history.filter { $0.stamp > place! }
        #expect(isWhole, "\(what): what an observer is told of")
    }
}

/// Somebody who reads the file while the store writes it, and sees one moment of it.
private final class SnapshotReader {
    private let queue: DatabaseQueue
    private let seen: [Int64?]
    private static let look =
        "SELECT max(last) FROM log UNION ALL SELECT stamp FROM folded UNION ALL SELECT count(*) FROM field"

    init(_ directory: String) throws {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.allowsUnsafeTransactions = true
        configuration.busyMode = .timeout(5)
        queue = try DatabaseQueue(path: directory + "/tidemark.db", configuration: configuration)
        seen = try queue.inDatabase { db in
            try db.execute(sql: "BEGIN")
            return try Optional<Int64>.fetchAll(db, sql: Self.look)
        }
    }

    deinit {
        try? queue.inDatabase { try $0.execute(sql: "COMMIT") }
        try? queue.close()
    }

    func checkUnchanged() throws {
        let now = try queue.inDatabase { try Optional<Int64>.fetchAll($0, sql: Self.look) }
        #expect(now == seen)
    }
}
