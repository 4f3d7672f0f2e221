import Foundation
import GRDB
import Testing
import TidemarkDirectory
import TidemarkTesting
import TidemarkWire

@testable import TidemarkStore

@Suite("Observers of the log") struct ObserverTests {
    private static func account(_ user: UserID) -> Change { .accountCreated(user: user, name: "user\(user)") }

    /// All changes of groups that are later than `stamp`, with their stamps.
    private static func later(than stamp: Stamp, in groups: [Group]) -> [Stamp] {
        var stamps: [Stamp] = []
        for group in groups { group.forEach { _, at in if let at, at > stamp { stamps.append(at) } } }
        return stamps
    }

    @Test("see every change once it is committed, in order, over restarts, crashes and folds") func everyChange() throws
    {
        var random = Seed(anyFor: "everyChange")
        let seed = random
        var directory = try TestDirectory()
        var store = try directory.open()
        _ = try store.loadDirectory()
        try store.register(observer: "mirror")
        var (seen, committed): ([Stamp], [Stamp]) = ([], [])
        var place: Stamp = 0
        for _ in 0..<300 {
            switch random.below(10) {
            case 0..<5:
                let users = (0..<random.below(5) + 1).map { UserID(committed.count + $0 + 1) }
                try store.commit(users.map(Self.account), rowsMax: random.below(20))
                    .forEach { _, stamp in committed.append(stamp!) }
            case 5: try store.foldSome(rowsMax: random.below(40) + 1)
            case 6..<9:
                let new = Self.later(than: place, in: try store.groups(after: place, bytesMax: random.below(200) + 1))
                seen += new
                place = new.last ?? place
                if random.chance(70) { try store.advance(observer: "mirror", to: place) }
            default:
                // A crash: what it had read and not said is read again.
                let copy = try directory.copy()
                try store.abandon()
                (directory, store) = (copy, try copy.open())
                _ = try store.loadDirectory()
                place = try store.register(observer: "mirror")
                seen.removeAll { $0 > place }
            }
        }
        while true {
            let new = Self.later(than: place, in: try store.groups(after: place, bytesMax: 1_000))
            if new.isEmpty { break }
            seen += new
            place = new.last!
        }
        #expect(seen == committed, "\(seed)")
        #expect(committed.count > 200)
        // Passed and folded, the rows go.
        try store.advance(observer: "mirror", to: place)
        try store.foldAll()
        #expect(try store.database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM log") } == 0)
        try store.close()
    }

    @Test("who falls behind the bound starts over, and holds up nobody") func bound() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        _ = try store.loadDirectory()
        store.logRows.keptBytesMax = 2_000
        try store.register(observer: "slow")
        for user in 1...200 as ClosedRange<UserID> {
            try store.commit([Self.account(user)])
            try store.foldAll()
        }
        let kept = try store.database.read { try Int.fetchOne($0, sql: "SELECT sum(length(bytes)) FROM log") ?? 0 }
        #expect(kept <= 2_000)
        let trimmed = store.logRows.trimmed
        #expect(throws: ObserverError.startOver(trimmed: trimmed)) { try store.groups(after: 0, bytesMax: 1_000) }
        #expect(throws: ObserverError.beyondEnd(stamp: 201, newest: 200)) {
            try store.groups(after: 201, bytesMax: 1_000)
        }
        #expect(throws: ObserverError.beyondEnd(stamp: 201, newest: 200)) {
            try store.advance(observer: "slow", to: 201)
        }
        #expect(throws: ObserverError.notRegistered(name: "nobody")) { try store.advance(observer: "nobody", to: 1) }
        // Registering again is starting over: it has read the state.
        #expect(try store.register(observer: "slow") == 200)
        #expect(try store.groups(after: 200, bytesMax: 1_000).isEmpty)
        try store.close()
        let again = try directory.open()
        #expect(throws: ObserverError.self) { try again.groups(after: 0, bytesMax: 1_000) }
        try again.remove(observer: "slow")
        try again.close()
    }

    @Test("an import has observers start over") func imports() throws {
        let directory = try TestDirectory()
        let store = try directory.open()
        _ = try store.loadDirectory()
        try store.commit([Self.account(1)])
        try store.register(observer: "mirror")
        try store.foldAll()
        try store.commitAtOnce([Self.account(2), Self.account(3)], first: store.stamper.last + 1)
        #expect(throws: ObserverError.startOver(trimmed: 3)) { try store.groups(after: 1, bytesMax: 1_000) }
        try store.close()
    }

    @Test("a running log gives what it commits to whoever follows it", .timeLimit(.minutes(1)))
    func running() async throws {
        let directory = try TestDirectory()
        let inbox = GroupInbox(wake: {})
        let log = try ChangeLogTests.log(directory, inboxes: [inbox])
        let follower = try await log.follow(as: "mirror")
        #expect(follower.position == 0)
        for user in 1...50 as ClosedRange<UserID> {
            #expect(log.append([Submission(change: Self.account(user), origin: 0)]))
        }
        var place: Stamp = 0
        var count = 0
        while count < 50 {
            let new = Self.later(than: place, in: try #require(try await follower.next()))
            count += new.count
            place = new.last ?? place
            try await follower.advance(to: place)
        }
        #expect(count == 50)
        log.close()
        #expect(try await follower.next() == nil)
        await #expect(throws: ChangeLogClosed.self) { try await log.follow(as: "late") }
    }
}
