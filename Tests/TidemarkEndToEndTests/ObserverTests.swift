// Following what a server commits, from within its process: all of it, in order, at least once.

import Foundation
import Synchronization
import Testing
import TidemarkClient
import TidemarkServer
import TidemarkStore
import TidemarkTesting
import TidemarkWire

@Suite("Observing changes", .serialized, .timeLimit(.minutes(2))) struct ObserverTests {
    private static let users: UserID = 20

    private func server(
        loops: Int = 2,
        _ adjust: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> TestServer {
        try TestServer(World.accounts(Self.users) + World.roster(1, 2...Self.users)) {
            $0.loops = loops
            adjust(&$0)
        }
    }

    private func set(_ text: String) -> ProfileSet { ProfileSet(fields: [FieldChange(.note, text: text)]) }

    private func note(_ change: CommittedChange) -> String? {
        guard case .profileChanged(_, let fields, _) = change.kind,
            let field = fields.first(where: { $0.number == .note })
        else { return nil }
        return field.value.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test("what sessions and the host write is told in stamp order, with the stamps that were acknowledged")
    func all() async throws {
        let server = try server()
        let observer = try await server.server.observe(as: "mirror")
        var changes = observer.makeAsyncIterator()
        var stamps: [Stamp] = []
        for round in 0..<30 {
            let user = UserID(1 + round % 20)
            if round % 2 == 0 {
                stamps.append(try await server.server.setProfile(of: .id(user), set("\(round)")))
            } else {
                stamps.append(
                    try await server.session(user) {
                        try await $0.setProfile([FieldChange(.note, text: "\(round)")])
                    }
                )
            }
        }
        let dora = try await server.server.createAccount(named: "dora")
        try await server.server.addContact(RosterAdd(contact: .id(2)), for: .id(dora))
        try await server.server.setBlock(BlockSet(user: dora, isBlocked: true, note: ""), for: .id(3))
        let hello = MessageSend(reader: 2, id: MessageID(low: 1, high: 2), content: Array("Hello".utf8))
        try await server.server.send(hello, for: .id(1))
        try await server.server.deleteAccount(.id(dora))
        var seen: [CommittedChange] = []
        while !seen.contains(where: { $0.kind == .accountDeleted(dora) }) {
            seen += try #require(try await changes.next())
        }
        #expect(zip(seen, seen.dropFirst()).allSatisfy { $0.stamp < $1.stamp })
        #expect(seen.compactMap { note($0) == nil ? nil : $0.stamp } == stamps)
        #expect(seen.compactMap(note) == (0..<30).map { "\($0)" })
        let kinds = seen.map(\.kind)
        #expect(kinds.contains(.accountCreated(dora, name: "dora")))
        #expect(kinds.contains(.contactSet(owner: dora, contact: 2, Annotations(), isPending: false)))
        #expect(kinds.contains(.blocked(owner: 3, user: dora)))
        let content = Array("Hello".utf8)
        #expect(kinds.contains(.messageSent(hello.id, sender: 1, reader: 2, .text, content: content)))
    }

    @Test("what was not passed comes again after a restart, and what was does not") func restarts() async throws {
        let server = try server()
        var observer = try await server.server.observe(as: "mirror")
        _ = try await server.server.observe(as: "other")
        var written: [Stamp] = []
        var passed: Stamp = 0
        var seen: [Stamp] = []
        var random = Seed(anyFor: "observer restarts")
        for round in 0..<12 {
            for step in 0...random.below(6) {
                written.append(
                    try await server.server.setProfile(of: .id(UserID(1 + random.below(20))), set("\(round).\(step)"))
                )
            }
            var changes = observer.makeAsyncIterator()
            while let last = written.last, observer.position < last {
                let batch = try #require(try await changes.next())
                seen += batch.map(\.stamp)
                if random.chance(50) {
                    passed = batch.last!.stamp
                    try await observer.advance(to: passed)
                }
            }
            if random.chance(50) {
                try server.restart()
                observer = try await server.server.observe(as: "mirror")
                #expect(observer.position >= passed && observer.position <= max(passed, written[0] - 1), "\(random)")
                // From there on all of it, again.
                seen.removeAll { $0 > observer.position }
                var changes = observer.makeAsyncIterator()
                while let last = written.last, observer.position < last {
                    seen += try #require(try await changes.next()).map(\.stamp)
                }
            }
            #expect(seen == written, "\(random)")
        }
        try await server.server.stopObserving(as: "mirror")
        let anew = try await server.server.observe(as: "mirror")
        #expect(anew.position >= written.last!)
    }

    @Test(
        "an observer that is slower than the writes reads from the disk, and misses none",
        arguments: [1, 40, 65_536]
    )
    func slow(lag: Int) async throws {
        let server = try server { $0.changeLog.followerLagMax = lag }
        let own = server.server
        let observer = try await own.observe(as: "slow")
        let rounds = 40
        let writing = Task {
            for round in 0..<rounds {
                let fields = [FieldChange(.title, text: "\(round)")]
                let report = try await own.upsert((1...Self.users).map { ProfileUpsert(user: $0, fields: fields) })
                #expect(report.changed == Int(Self.users))
            }
        }
        var seen: [UserID: [String]] = [:]
        var count = 0
        var last: Stamp = 0
        for try await batch in observer {
            for change in batch {
                #expect(change.stamp > last)
                last = change.stamp
                guard case .profileChanged(let user, let fields, _) = change.kind else { continue }
                seen[user, default: []].append(String(decoding: fields[0].value!, as: UTF8.self))
                count += 1
            }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...8)))
            if count == rounds * Int(Self.users) { break }
        }
        try await writing.value
        for user in 1...Self.users { #expect(seen[user] == (0..<rounds).map { "\($0)" }) }
    }

    @Test("who waits is let go when it is cancelled, and when the server stops") func ends() async throws {
        let server = try server()
        let observer = try await server.server.observe(as: "mirror")
        let waiting = Task { () -> Bool in
            var changes = observer.makeAsyncIterator()
            do {
                _ = try await changes.next()
                return false
            } catch is CancellationError {
                return true
            }
        }
        try await Task.sleep(for: .milliseconds(20))
        waiting.cancel()
        #expect(try await waiting.value)
        let again = Task { () -> Bool in
            var changes = observer.makeAsyncIterator()
            return try await changes.next() == nil
        }
        try await Task.sleep(for: .milliseconds(20))
        try server.stop()
        #expect(try await again.value)
        await #expect(throws: ChangeLogClosed.self) { try await observer.advance(to: 1) }
    }

    @Test("what an observer may not say is refused") func refused() async throws {
        let server = try server()
        let observer = try await server.server.observe(as: "mirror")
        await #expect(throws: ObserverError.self) { try await observer.advance(to: .largest) }
        try await server.server.stopObserving(as: "mirror")
        await #expect(throws: ObserverError.notRegistered(name: "mirror")) { try await observer.advance(to: 1) }
    }
}
