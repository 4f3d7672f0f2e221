// What the process that a server runs in asks of it without a socket: the answers that a session gets, and the same errors.

import Foundation
import Synchronization
import Testing
import TidemarkClient
import TidemarkServer
import TidemarkTesting
import TidemarkWire

@Suite("In process", .timeLimit(.minutes(2))) struct InProcessTests {
    private static let users: UserID = 40

    private func server(
        loops: Int,
        _ adjust: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in }
    )
        throws -> TestServer
    {
        let everybody = 1...Self.users
        let rosters = everybody.flatMap { user in World.roster(user, everybody.filter { $0 != user }) }
        return try TestServer(World.accounts(Self.users) + rosters) {
            $0.loops = loops
            adjust(&$0)
        }
    }

    private final class Count: Sendable {
        let value = Atomic<Int>(0)
    }

    private func refusal(_ body: () async throws -> Void) async -> ErrorCode? {
        do {
            try await body()
            return nil
        } catch CallError.refused(let error) {
            return ErrorCode(rawValue: error.code)
        } catch {
            return nil
        }
    }

    @Test("a sync is answered as a session's is: all, nothing new, what changed", arguments: [1, 3])
    func syncs(loops: Int) async throws {
        let server = try server(loops: loops)
        for user in [1, 7, 40] as [UserID] {
            let full = try await server.server.sync(.id(user))
            let asked = Sync(options: [.asides])
            let (page, again) = try await server.session(user) { connection in
                let page = try await connection.page(asked)
                return (page, try await connection.page(Sync(token: .init(page.token), options: [.asides])))
            }
            #expect(full.answer == .full && full.items == page.items && full.token == page.token)
            let nothing = try await server.server.sync(.name("user\(user)"), token: full.token)
            #expect(nothing.answer == .upToDate && nothing.token == again.token && nothing.items.isEmpty)
            let other = user == 1 ? UserID(2) : 1
            let title = FieldChange(.title, text: "Since \(user)")
            let stamp = try await server.server.setProfile(of: .id(other), ProfileSet(fields: [title]))
            #expect(stamp > 0)
            let delta = try await server.server.sync(.id(user), token: full.token, options: [.asides, .explain])
            #expect(delta.answer == .delta && delta.items.count == 1 && delta.explanation != nil)
            #expect(try await server.server.setProfile(of: .id(other), ProfileSet(fields: [title])) == 0)
        }
    }

    @Test("a batch holds many users' answers, in their order, and is used again", arguments: [1, 3])
    func batches(loops: Int) async throws {
        let server = try server(loops: loops)
        let batch = SyncBatch()
        await server.server.sync(batch)
        for user in 1...Self.users { batch.add(user: user, token: .init()) }
        batch.add(user: 4_711, token: .init())
        batch.add(user: 0, token: .init())
        server.server.syncAndWait(batch)
        var tokens: [UserID: [UInt8]] = [:]
        for user in 1...Self.users {
            let at = Int(user) - 1
            #expect(batch.outcome(at: at) == .full)
            let page = try #require(batch.page(at: at))
            #expect(page.items.count == Int(Self.users))
            #expect(page.items.contains { if case .own("user\(user)", _, _) = $0.content { true } else { false } })
            tokens[user] = page.token
        }
        for at in [batch.count - 1, batch.count - 2] {
            #expect(batch.outcome(at: at) == .noSuchUser && batch.page(at: at) == nil)
        }
        try await server.server.setProfile(of: .id(3), ProfileSet(fields: [FieldChange(.title, text: "Pilot")]))
        batch.removeAll()
        for _ in 0..<50 { for user in 1...Self.users { batch.add(user: user, token: .init(tokens[user]!)) } }
        await server.server.sync(batch)
        for at in 0..<batch.count {
            #expect(batch.outcome(at: at) == .delta)
            #expect(batch.page(at: at)?.items.count == 1)
        }
    }

    @Test("threads ask at the same time, each with a batch of its own, while users write", arguments: [1, 2])
    func threads(loops: Int) async throws {
        let server = try server(loops: loops)
        let first = try await server.server.sync(.id(1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<4 {
                group.addTask {
                    let batch = SyncBatch()
                    for round in 0..<200 {
                        batch.removeAll()
                        for user in 1...Self.users { batch.add(user: user, token: .init(first.token)) }
                        if (round + worker) % 2 == 0 {
                            server.server.syncAndWait(batch)
                        } else {
                            await server.server.sync(batch)
                        }
                        for at in 0..<batch.count {
                            let outcome = batch.outcome(at: at)
                            #expect(outcome == .upToDate || outcome == .delta)
                        }
                    }
                }
            }
            group.addTask {
                for round in 0..<100 {
                    let fields = [FieldChange(.note, text: "\(round)")]
                    try await server.server.setProfile(of: .id(UserID(1 + round % 40)), ProfileSet(fields: fields))
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("what is written is told to sessions as it happens, and kept", arguments: [1, 3])
    func writes(loops: Int) async throws {
        let server = try server(loops: loops)
        let book = try AddressBook.inMemory()
        let (connection, _) = try await server.login(1, book)
        var updates = connection.updates(to: book).makeAsyncIterator()
        _ = try await updates.next()
        try await server.server.setProfile(of: .id(2), ProfileSet(fields: [FieldChange(.title, text: "Pilot")]))
        while try await book.contact(user: 2)?.text(.title) != "Pilot" { _ = try await updates.next() }
        let dora = try await server.server.createAccount(named: "dora")
        let added = try await server.server.addContact(RosterAdd(contact: .name("dora")), for: .id(1))
        #expect(added.contact == dora)
        while try await book.contact(user: dora) == nil { _ = try await updates.next() }
        let message = MessageSend(reader: 1, id: MessageID(low: 2, high: 1), kind: .text, content: Array("Hello".utf8))
        try await server.server.addContact(RosterAdd(contact: .id(1)), for: .id(dora))
        #expect(try await server.server.send(message, for: .name("dora")) > 0)
        let waiting = try await server.server.messages(for: .id(1), MessageFetch())
        #expect(waiting.messages.map(\.id) == [message.id])
        #expect(try await server.server.acknowledge(MessageAcknowledge(token: waiting.token), for: .id(1)) == 0)
        try await server.server.removeContact(RosterRemove(contact: 2), for: .id(1))
        try await server.server.deleteAccount(.name("dora"))
        while try await book.contact(user: dora) != nil { _ = try await updates.next() }
        await connection.close()
        try server.restart()
        let page = try await server.server.sync(.id(1))
        #expect(page.items.count == Int(Self.users) - 1)
    }

    @Test("what a session may not do, the process may not either") func refusals() async throws {
        let server = try server(loops: 2)
        let own = server.server
        #expect(await refusal { _ = try await own.sync(.id(99)) } == .noSuchUser)
        #expect(await refusal { _ = try await own.sync(.id(0)) } == .noSuchUser)
        #expect(await refusal { _ = try await own.sync(.name("nobody")) } == .noSuchUser)
        #expect(
            await refusal { _ = try await own.sync(.id(1), token: [UInt8](repeating: 1, count: 33)) } == .invalidValue
        )
        let strange = try await own.sync(.id(1), token: [1, 2, 3])
        #expect(strange.answer == .full && strange.reason == .tokenUnreadable)
        let bad: [[FieldChange]] = [
            [],
            [FieldChange(.note, text: "a\u{7}b")],
            [FieldChange(.note, [UInt8](repeating: 0x61, count: Limits.fieldBytesMax + 1))],
            [FieldChange(.note, text: "a"), FieldChange(.note, text: "b")],
            [FieldChange(FieldNumber(rawValue: 0), text: "a")],
        ]
        for fields in bad {
            let code = await refusal { try await own.setProfile(of: .id(1), ProfileSet(fields: fields)) }
            #expect(code == .invalidValue)
            let report = try await own.upsert([ProfileUpsert(user: 1, fields: fields)])
            #expect(report.refused == 1 && report.refusals[0]?.code == ErrorCode.invalidValue.rawValue)
        }
        #expect(await refusal { _ = try await own.createAccount(named: "user1") } == .notAllowed)
        #expect(await refusal { _ = try await own.createAccount(named: "a b") } == .invalidValue)
        #expect(await refusal { _ = try await own.addContact(RosterAdd(contact: .id(0)), for: .id(1)) } == .noSuchUser)
        #expect(await refusal { try await own.removeContact(RosterRemove(contact: 0), for: .id(1)) } == .invalidValue)
        let condition = ProfileSet(fields: [FieldChange(.note, text: "x")], unchangedSince: 1)
        #expect(await refusal { try await own.setProfile(of: .id(1), condition) } == .changedSince)
        #expect(await refusal { try await own.setDisabled(.id(99), true) } == .noSuchUser)
    }

    @Test("details of many are set at once: what is so already is no change", arguments: [1, 3])
    func upserts(loops: Int) async throws {
        let users: UserID = 3_000
        let server = try TestServer(World.accounts(users) + World.roster(1, 2...1_000)) {
            $0.loops = loops
            // Few at a time, so that they have to wait for the disk.
            $0.changeLog.queuedMax = 300
        }
        let before = try await server.server.sync(.id(1))
        func titles(_ text: String) -> [ProfileUpsert] {
            (1...users).map { ProfileUpsert(user: $0, fields: [FieldChange(.title, text: "\(text) \($0)")]) }
        }
        var report = try await server.server.upsert(
            titles("Pilot") + [ProfileUpsert(user: 99_999, fields: [.init(.note, nil)])]
        )
        #expect(report.changed == Int(users) && report.unchanged == 0 && report.refused == 1)
        #expect(report.refusals[Int(users)]?.code == ErrorCode.noSuchUser.rawValue)
        report = try await server.server.upsert(titles("Pilot"))
        #expect(report.changed == 0 && report.unchanged == Int(users) && report.newestStamp == 0)
        try server.restart()
        let book = try AddressBook.inMemory()
        _ = try await server.visit(1, book)
        for user in 2...1_000 as ClosedRange<UserID> {
            #expect(try await book.contact(user: user)?.text(.title) == "Pilot \(user)")
        }
        let delta = try await server.server.sync(.id(1), token: before.token)
        #expect(delta.answer == .delta)
    }

    @Test("who asks a server that stops is told so, or answered; nobody waits for ever", arguments: [1, 3])
    func stopping(loops: Int) async throws {
        for _ in 0..<5 {
            let server = try server(loops: loops)
            let own = server.server
            let answered = Count()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        let batch = SyncBatch()
                        var round = 0
                        while true {
                            round += 1
                            // The others want a thread too.
                            await Task.yield()
                            do {
                                switch worker {
                                case 0: _ = try await own.sync(.id(UserID(1 + round % 40)))
                                case 1:
                                    let fields = [FieldChange(.note, text: "\(round)")]
                                    try await own.setProfile(
                                        of: .id(UserID(1 + round % 40)),
                                        ProfileSet(fields: fields)
                                    )
                                case 2:
                                    let fields = [FieldChange(.title, text: "\(round)")]
                                    let all = (1...Self.users).map { ProfileUpsert(user: $0, fields: fields) }
                                    _ = try await own.upsert(all)
                                default:
                                    batch.removeAll()
                                    for user in 1...Self.users { batch.add(user: user, token: .init()) }
                                    own.syncAndWait(batch)
                                    if batch.outcome(at: 0) == .stopped { return }
                                }
                                answered.value.add(1, ordering: .relaxed)
                            } catch CallError.refused(let error) {
                                // On its way down.
                                #expect(error.code == ErrorCode.retryLater.rawValue)
                            } catch CallError.stopped {
                                return
                            }
                        }
                    }
                }
                while answered.value.load(ordering: .relaxed) < 50 { try await Task.sleep(for: .milliseconds(1)) }
                try server.stop()
                try await group.waitForAll()
            }
        }
    }
}
