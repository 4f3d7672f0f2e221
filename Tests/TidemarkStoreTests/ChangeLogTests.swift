import Foundation
import GRDB
import Synchronization
import Testing
import TidemarkDirectory
import TidemarkWire

@testable import TidemarkStore

@Suite("The change log") struct ChangeLogTests {
    static func log(_ directory: TestDirectory, inboxes: [GroupInbox]) throws -> ChangeLog {
        let store = try directory.open()
        _ = try store.loadDirectory()
        return ChangeLog(store: store, inboxes: inboxes, clock: { 1_000 }, failed: { Issue.record("\($0)") })
    }

    @Test("publishes to every shard, in order, what was appended, and keeps it") func publishes() throws {
        let directory = try TestDirectory()
        let inboxes = [GroupInbox(wake: {}), GroupInbox(wake: {})]
        let log = try Self.log(directory, inboxes: inboxes)
        for user in 1...200 as ClosedRange<UserID> {
            var batch = [Submission(change: .accountCreated(user: user, name: "u\(user)"), origin: Int(user % 2))]
            if user % 10 == 0 { batch.append(Submission(change: nil, origin: 1)) }
            #expect(log.append(batch))
        }
        log.close()
        for inbox in inboxes {
            var users: [UserID] = []
            var last: Stamp = 0
            var unchanged = 0
            for group in inbox.take() {
                group.forEach { submission, stamp in
                    guard let stamp else {
                        unchanged += 1
                        return
                    }
                    #expect(stamp > last)
                    last = stamp
                    if case .accountCreated(let user, _) = submission.change { users.append(user) }
                }
            }
            #expect(users == Array(1...200))
            #expect(unchanged == 20)
            #expect(inbox.take().isEmpty)
        }
        #expect(!log.append([Submission(change: nil, origin: 0)]), "closed")
        let store = try directory.open()
        let loaded = try store.loadDirectory()
        #expect(loaded.userCount == 200)
        try store.close()
    }

    @Test("a jump of the clock is on disk with the first change that has the new time, until it is confirmed")
    func clockJump() throws {
        let directory = try TestDirectory()
        let day: UInt64 = 86_400_000_000
        let time = Atomic<UInt64>(10 * day)
        var user: UserID = 0
        /// A log's life, with one change in it; what it says of the clock, and what the file does.
        func run(
            confirms: Bool = false,
            writes: Bool = true
        ) throws -> (before: UInt64?, after: UInt64?, stored: UInt64?) {
            let store = try directory.open()
            _ = try store.loadDirectory()
            let clock: WallClock = { time.load(ordering: .relaxed) }
            let log = ChangeLog(store: store, inboxes: [], clock: clock, failed: { Issue.record("\($0)") })
            let before = log.lookAtClock().jump
            if confirms { log.confirmClock() }
            if writes {
                user += 1
                #expect(log.append([Submission(change: .accountCreated(user: user, name: "u\(user)"), origin: 0)]))
            }
            let after = log.lookAtClock().jump
            log.close()
            let stored = try directory.sql { try Int64.fetchOne($0, sql: "SELECT clockJump FROM kept") }
            return (before, after, stored.map { UInt64($0) })
        }
        #expect(try run() == (nil, nil, nil))
        time.store(30 * day, ordering: .relaxed)
        #expect(try run() == (20 * day, 20 * day, 20 * day))
        // The newest change has the new time by now.
        time.add(1, ordering: .relaxed)
        #expect(try run() == (20 * day, 20 * day, 20 * day))
        #expect(try run(confirms: true) == (20 * day, nil, nil))
        #expect(try run() == (nil, nil, nil))
        // Found, and then confirmed, while nobody writes.
        time.store(60 * day, ordering: .relaxed)
        #expect(try run(writes: false) == (30 * day - 3, 30 * day - 3, 30 * day - 3))
        #expect(try run(confirms: true, writes: false) == (30 * day - 3, nil, nil))
        time.store(60 * day + day / 2, ordering: .relaxed)
        #expect(try run(writes: false) == (nil, nil, nil))
        time.store(61 * day, ordering: .relaxed)
        #expect(try run() == (nil, nil, nil), "it was looked at half a day ago")
    }

    @Test("waits for a shard that does not read, refuses writes meanwhile, and goes on when it does") func slowShard()
        throws
    {
        let directory = try TestDirectory()
        let store = try directory.open()
        _ = try store.loadDirectory()
        var configuration = ChangeLogConfiguration()
        configuration.groupMax = 5
        configuration.appliedLagMax = 20
        configuration.queuedMax = 40
        let (quick, slow) = (GroupInbox(wake: {}), GroupInbox(wake: {}))
        let log = ChangeLog(
            store: store,
            inboxes: [quick, slow],
            clock: { 1 },
            configuration: configuration,
            failed: { Issue.record("\($0)") }
        )
        var appended: UserID = 0
        func appendUntilRefused(atMost limit: UserID) {
            let end = appended + limit
            while appended < end, log.append([change(appended + 1)]) {
                appended += 1
                _ = quick.take()
            }
        }
        func change(_ user: UserID) -> Submission {
            Submission(change: .accountCreated(user: user, name: "u\(user)"), origin: 0)
        }
        // What is published may pass the bound by a group; what waits behind it, its own.
        for _ in 0..<20 {
            appendUntilRefused(atMost: 1_000)
            Thread.sleep(forTimeInterval: 0.002)
        }
        #expect(appended >= 40 && appended <= 20 + 2 * 5 + 40)
        var read = slow.take().reduce(0) { $0 + $1.changeCount }
        #expect(read <= 20 + 2 * 5)
        while appended < 500 {
            appendUntilRefused(atMost: 10)
            read += slow.take().reduce(0) { $0 + $1.changeCount }
        }
        // One that has gone is not waited for.
        slow.leave()
        while appended < 2_000 { appendUntilRefused(atMost: 100) }
        log.close()
        #expect(read <= 500 && !log.hasFailed)
        let reopened = try directory.open()
        #expect(try reopened.loadDirectory().userCount == Int(appended))
        try reopened.close()
    }

    @Test("waits out a full disk, while committing and while folding, and loses nothing") func fullDisk() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        _ = try store.loadDirectory()
        var configuration = ChangeLogConfiguration()
        configuration.fullRetryMS = 1
        configuration.quietMS = 1
        configuration.stepRows = 8
        let disk = store.database
        let inbox = GroupInbox(wake: {})
        let log = ChangeLog(
            store: store,
            inboxes: [inbox],
            clock: { 1 },
            configuration: configuration,
            failed: { Issue.record("\($0)") }
        )
        var appended: UserID = 0
        for round in 1...6 {
            // A database that may not grow is a disk that is full.
            let pages = try disk.writeWithoutTransaction { db in
                try Int.fetchOne(db, sql: "PRAGMA page_count")! + round % 3
            }
            try disk.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = \(pages)") }
            var wasRefused = false
            while !wasRefused {
                let user = appended + 1
                let name = String(repeating: "n", count: 40) + String(user)
                wasRefused = !log.append([Submission(change: .accountCreated(user: user, name: name), origin: 0)])
                if !wasRefused { appended = user }
                #expect(appended < 100_000, "a full disk refuses writes at some time")
            }
            try disk.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
            while !log.hasRoom { Thread.sleep(forTimeInterval: 0.001) }
        }
        log.close()
        #expect(!log.hasFailed)
        let published = inbox.take().reduce(0) { $0 + $1.changeCount }
        #expect(published == Int(appended))
        let reopened = try directory.open()
        let loaded = try reopened.loadDirectory()
        #expect(loaded.userCount == Int(appended))
        try reopened.close()
    }

    @Test("refuses what would not fit its queue") func bounded() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        _ = try store.loadDirectory()
        var configuration = ChangeLogConfiguration()
        configuration.queuedMax = 10
        let log = ChangeLog(
            store: store,
            inboxes: [],
            clock: { 1 },
            configuration: configuration,
            failed: { Issue.record("\($0)") }
        )
        #expect(!log.append([Submission](repeating: Submission(change: nil, origin: 0), count: 11)))
        #expect(log.append([Submission](repeating: Submission(change: nil, origin: 0), count: 10)))
        log.close()
    }
}
