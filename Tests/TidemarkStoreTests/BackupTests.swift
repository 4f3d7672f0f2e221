import Foundation
import GRDB
import Synchronization
import Testing
import TidemarkDirectory
import TidemarkTesting
import TidemarkWire

@testable import TidemarkStore

/// A store and the directory that it must come to, changed at random.
final class ChangingStore {
    let store: Store
    private(set) var applied: Directory
    private var source: ChangeSource
    private(set) var rounds = 0
    let seed: Seed

    init(_ directory: TestDirectory, _ test: String) throws {
        store = try directory.open()
        applied = try store.loadDirectory()
        seed = Seed(anyFor: test)
        source = ChangeSource(seed)
    }

    func below(_ bound: Int) -> Int { source.random.below(bound) }

    func change() throws {
        source.round = rounds
        let changes = (0..<below(40) + 1).map { _ in source.next() }
        let group = try store.commit(changes, now: UInt64(rounds * 50))
        group.forEach { submission, stamp in applied.apply(submission.change!, at: stamp!) }
        source.follow(&applied)
        rounds += 1
    }

    func picture() -> [[UInt8]] { applied.picture() }
}

extension TestDirectory {
    var files: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

    /// What a server would load from it.
    func picture() throws -> [[UInt8]] {
        let store = try open()
        var loaded = try store.loadDirectory()
        let picture = loaded.picture()
        try store.close()
        return picture
    }

    static func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }
}

@Suite("A backup") struct BackupTests {
    private func copy(_ store: Store, to path: String, pagesAStep: Int, pagesMax: Int? = nil) throws -> BackupCopy {
        try store.database.writeWithoutTransaction {
            try BackupCopy(of: $0, to: path, pagesAStep: pagesAStep, destinationPagesMax: pagesMax)
        }
    }

    private func step(_ copy: BackupCopy, _ store: Store) throws -> BackupCopy.Step {
        try store.database.writeWithoutTransaction { try copy.step($0) }
    }

    @Test("made while commits, folds and checkpoints go on, it is the state at its stamp", arguments: [1, 2, 5])
    func underLoad(pagesAStep: Int) throws {
        let directory = try TestDirectory()
        let world = try ChangingStore(directory, "underLoad")
        for round in 0..<80 {
            try world.change()
            if round % 7 == 0 { try world.store.foldSome(rowsMax: 400) }
        }
        let target = try TestDirectory()
        let copy = try copy(world.store, to: target.database, pagesAStep: pagesAStep)
        var steps = 0
        var carriedOver = 0
        while true {
            let step = try step(copy, world.store)
            if case .finished(let report) = step {
                #expect(report.newestStamp == world.applied.published, "\(world.seed)")
                #expect(report.path == target.database)
                let size = try FileManager.default.attributesOfItem(atPath: target.database)[.size] as? UInt64
                #expect(report.bytes == size)
                break
            }
            #expect(target.files.contains("tidemark.db.part") && !target.files.contains("tidemark.db"))
            steps += 1
            // Not for ever: a file that grows by a page a step would never be copied at a page a step.
            guard carriedOver < 60 else { continue }
            carriedOver += 1
            try world.change()
            switch world.below(6) {
            case 0, 1: try world.store.foldSome(rowsMax: world.below(200) + 1)
            case 2: try world.store.checkpointIfDue(framesMin: 1)
            default: break
            }
        }
        #expect(steps > 0 && carriedOver > 0, "nothing happened meanwhile")
        #expect(target.files == ["tidemark.db"])
        #expect(try TestDirectory.mode(target.database) == 0o600)
        let isSame = try target.picture() == world.picture()
        #expect(isSame, "\(world.seed)")
        let check = try StoreReader(directory: target.path).check()
        #expect(check.findings == [], "\(world.seed)")
        // The source has gone its way.
        try world.change()
        let expected = world.picture()
        try world.store.close()
        #expect(try directory.picture() == expected, "\(world.seed)")
    }

    @Test("given up half-way, it leaves nothing, and the store goes on") func aborted() throws {
        let directory = try TestDirectory()
        let world = try ChangingStore(directory, "aborted")
        for _ in 0..<60 { try world.change() }
        let target = try TestDirectory()
        let copy = try copy(world.store, to: target.database, pagesAStep: 1)
        for _ in 0..<5 { _ = try step(copy, world.store) }
        #expect(target.files == ["tidemark.db.part"])
        copy.abort()
        #expect(target.files == [])
        try world.change()
        try world.store.foldAll()
        try world.store.close()
    }

    @Test("a disk that fills up on the way is told, and nothing is left; at the end too", arguments: [1, 64])
    func fullDisk(pagesAStep: Int) throws {
        let directory = try TestDirectory()
        let world = try ChangingStore(directory, "fullDisk")
        for _ in 0..<60 { try world.change() }
        try world.store.foldAll()
        let target = try TestDirectory()
        let pages = try world.store.database.read { try Int.fetchOne($0, sql: "PRAGMA page_count")! }
        for room in [1, 2, pages / 2, pages - 1] {
            let copy = try copy(world.store, to: target.database, pagesAStep: pagesAStep, pagesMax: room)
            #expect(throws: BackupError.diskFull) {
                while true { if case .finished = try step(copy, world.store) { break } }
            }
            #expect(target.files == [], "\(room) of \(pages) pages")
        }
        // Also where it is filled up by what is carried over.
        let copy = try copy(world.store, to: target.database, pagesAStep: 1, pagesMax: pages)
        #expect(throws: BackupError.diskFull) {
            while true {
                if case .finished = try step(copy, world.store) { break }
                for _ in 0..<20 { try world.change() }
            }
        }
        #expect(target.files == [])
        try world.store.close()
    }

    @Test("replaces nothing, and says what is in the way") func refused() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        let target = try TestDirectory()
        func attempt(_ path: String) throws { _ = try copy(store, to: path, pagesAStep: 64) }
        #expect(throws: BackupError.notAbsolute) { try attempt("backup.db") }
        #expect(throws: BackupError.notAbsolute) { try attempt("") }
        #expect(throws: BackupError.notAbsolute) { try attempt("/tmp/a\0b") }
        #expect(throws: BackupError.exists) { try attempt(directory.database) }
        #expect(throws: BackupError.exists) { try attempt(target.path) }
        try FileManager.default.createSymbolicLink(atPath: target.path + "/link", withDestinationPath: "/nonexistent/x")
        #expect(throws: BackupError.exists) { try attempt(target.path + "/link") }
        try Data("theirs".utf8).write(to: URL(filePath: target.database + ".part"))
        #expect(throws: BackupError.unfinished) { try attempt(target.database) }
        #expect(try Data(contentsOf: URL(filePath: target.database + ".part")) == Data("theirs".utf8))
        #expect(throws: BackupError.cannotWrite(operation: "open", code: ENOENT)) { try attempt("/nonexistent/x") }
        #expect(throws: BackupError.cannotWrite(operation: "open", code: ENOTDIR)) {
            try attempt(directory.database + "/x")
        }
        try store.close()
        #expect(target.files == ["link", "tidemark.db.part"])
    }

    @Test("a file that appears meanwhile stays, and the backup fails") func raced() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        let target = try TestDirectory()
        let copy = try copy(store, to: target.database, pagesAStep: 1)
        try Data("theirs".utf8).write(to: URL(filePath: target.database))
        #expect(throws: BackupError.exists) {
            while true { if case .finished = try step(copy, store) { break } }
        }
        #expect(target.files == ["tidemark.db"])
        #expect(try Data(contentsOf: URL(filePath: target.database)) == Data("theirs".utf8))
        try store.close()
    }
}

@Suite("Backups of the change log") struct ChangeLogBackupTests {
    /// One result, waited for.
    private final class Outcome: Sendable {
        private let result = Mutex<Result<BackupReport, BackupError>?>(nil)
        private let isThere = DispatchSemaphore(value: 0)

        func put(_ result: Result<BackupReport, BackupError>) {
            self.result.withLock {
                #expect($0 == nil, "told twice")
                $0 = result
            }
            isThere.signal()
        }

        func wait() throws -> BackupReport {
            isThere.wait()
            return try result.withLock { $0! }.get()
        }
    }

    /// A log over some accounts, and the means to hold up its thread.
    private struct World {
        let directory: TestDirectory
        let target: TestDirectory
        let inbox = GroupInbox(wake: {})
        let log: ChangeLog
        let database: DatabaseQueue
        let users: UserID = 3_000

        init() throws {
            directory = try TestDirectory()
            target = try TestDirectory()
            let store = try directory.open()
            _ = try store.loadDirectory()
            try store.commitAtOnceForTest((1...users).map { .accountCreated(user: $0, name: "user\($0)") })
            database = store.database
            var configuration = ChangeLogConfiguration()
            configuration.backupStep = 2
            configuration.fullRetryMS = 1
            log = ChangeLog(
                store: store,
                inboxes: [inbox],
                clock: { 1_000_000 },
                configuration: configuration,
                failed: { Issue.record("\($0)") }
            )
        }

        func backup(_ path: String? = nil) -> Outcome {
            let outcome = Outcome()
            log.backup(to: path ?? target.database) { outcome.put($0) }
            return outcome
        }

        /// Does something while the log's thread cannot get at its database.
        func holdingUp(_ body: () throws -> Void) rethrows {
            let isHeld = DispatchSemaphore(value: 0)
            let isDone = DispatchSemaphore(value: 0)
            let ended = DispatchSemaphore(value: 0)
            Thread.detachNewThread { [database] in
                database.writeWithoutTransaction { _ in
                    isHeld.signal()
                    isDone.wait()
                }
                ended.signal()
            }
            isHeld.wait()
            defer {
                isDone.signal()
                ended.wait()
            }
            try body()
        }
    }

    @Test("under load, acknowledgements go on, and the copy has all changes up to its stamp and none after it")
    func underLoad() throws {
        let world = try World()
        let first = world.backup()
        var user = world.users
        var publishedMeanwhile = 0
        // One after the other, each waited for, as a client would.
        while !world.target.files.contains("tidemark.db") {
            user += 1
            #expect(world.log.append([Submission(change: .accountCreated(user: user, name: "user\(user)"), origin: 0)]))
            var published = 0
            while published == 0 {
                published = world.inbox.take().reduce(0) { $0 + $1.changeCount }
                if published == 0 { Thread.sleep(forTimeInterval: 0.000_05) }
            }
            publishedMeanwhile += published
        }
        let report = try first.wait()
        #expect(publishedMeanwhile > 5)
        // At rest too.
        let second = try world.backup(world.target.path + "/second").wait()
        world.log.close()
        #expect(second.newestStamp >= report.newestStamp)

        let store = try world.target.open()
        let copy = try store.loadDirectory()
        #expect(copy.published == report.newestStamp)
        // Users have rising numbers, in the order of their stamps.
        let whole = copy.newestUser
        #expect(copy.userCount == Int(whole) && whole >= world.users && whole <= user)
        #expect(copy.index(of: whole) != nil)
        try store.close()
        let original = try world.directory.open()
        let loaded = try original.loadDirectory()
        #expect(loaded.userCount == Int(user))
        try original.close()
    }

    @Test("one at a time; the next may come when it is done") func oneAtATime() throws {
        let world = try World()
        var outcomes: [Outcome] = []
        world.holdingUp { outcomes = [world.backup(), world.backup(world.target.path + "/other")] }
        #expect(throws: BackupError.underWay) { try outcomes[1].wait() }
        _ = try outcomes[0].wait()
        _ = try world.backup(world.target.path + "/other").wait()
        #expect(world.target.files == ["other", "tidemark.db"])
        // A refusal leaves room as well.
        #expect(throws: BackupError.exists) { try world.backup().wait() }
        _ = try world.backup(world.target.path + "/third").wait()
        world.log.close()
        #expect(throws: BackupError.stopping) { try world.backup(world.target.path + "/fourth").wait() }
    }

    @Test("a log that closes gives it up, tells, and leaves nothing of it") func closing() throws {
        let world = try World()
        let ended = DispatchSemaphore(value: 0)
        var outcome: Outcome?
        world.holdingUp {
            outcome = world.backup()
            Thread.detachNewThread { [log = world.log] in
                log.close()
                ended.signal()
            }
            while world.log.hasRoom { Thread.sleep(forTimeInterval: 0.000_1) }
        }
        #expect(throws: BackupError.stopping) { try outcome!.wait() }
        ended.wait()
        #expect(world.target.files == [])
    }

    @Test("a full disk of the server's own goes before a backup") func givingWay() throws {
        let world = try World()
        let pages = try world.database.writeWithoutTransaction { db in
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count")!
            try db.execute(sql: "PRAGMA max_page_count = \(pages)")
            return pages
        }
        #expect(pages > 20)
        let outcome = world.backup()
        // The first commits may find free pages.
        var user = world.users
        while world.log.hasRoom, user < 100_000 {
            user += 1
            let name = String(repeating: "n", count: 50) + String(user)
            _ = world.log.append([Submission(change: .accountCreated(user: user, name: name), origin: 0)])
        }
        // It may have been quicker than the disk was full.
        do {
            _ = try outcome.wait()
            #expect(world.target.files == ["tidemark.db"])
        } catch {
            #expect(error as? BackupError == .gaveWay)
            #expect(world.target.files == [])
        }
        try world.database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
        while !world.log.hasRoom { Thread.sleep(forTimeInterval: 0.001) }
        world.log.close()
        #expect(!world.log.hasFailed)
    }

    @Test("a full disk of the server's own ends a backup that is under way") func givingWayHalfWay() throws {
        let world = try World()
        let slot = BackupSlot(pagesAStep: 1)
        let outcome = Outcome()
        #expect(slot.ask(BackupSlot.Order(path: world.target.database) { outcome.put($0) }) == nil)
        for _ in 0..<3 { #expect(slot.advance(world.database)) }
        #expect(world.target.files == ["tidemark.db.part"])
        slot.giveWay(to: DatabaseError(resultCode: .SQLITE_BUSY))
        #expect(slot.advance(world.database), "somebody's lock is no full disk")
        slot.giveWay(to: DatabaseError(resultCode: .SQLITE_FULL))
        #expect(throws: BackupError.gaveWay) { try outcome.wait() }
        #expect(world.target.files == [])
        #expect(!slot.advance(world.database))
        world.log.close()
    }
}
