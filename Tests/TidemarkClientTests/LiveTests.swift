import Synchronization
import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkClient

/// A followed book against a scripted server, over real sockets.
@Suite(.timeLimit(.minutes(1))) struct LiveTests {
    /// The server's side of a session that has become live.
    struct LivePeer {
        var peer: FakePeer
        var table: TableModel
        var cursor: [UInt8] = []
        private(set) var asked: [Sync] = []

        init(_ peer: FakePeer, _ table: TableModel) {
            self.peer = peer
            self.table = table
        }

        /// Answers syncs up to a last page.
        mutating func answerSync() async throws {
            while true {
                let (request, message) = try await peer.next()
                guard case .sync(let sync) = message else { throw FakePeer.Ended() }
                asked.append(sync)
                let page = table.answer(sync)
                try await peer.send(.syncPage(page), request)
                cursor = page.token
                if page.summary != nil { return }
            }
        }

        /// Pushes what is newer than the cursor, a page each.
        mutating func push(stamps: Bool = false) async throws {
            while true {
                let sync = Sync(token: Sync.TokenBytes(cursor), options: stamps ? .stamps : [])
                let page = table.answer(sync)
                try await peer.send(.pushDelta(PushDelta(from: cursor, page: page)), 0)
                cursor = page.token
                if page.summary != nil { return }
            }
        }

        func push(_ scope: PushPresence.Scope, _ states: (UInt32, PresenceState)...) async throws {
            let contacts = states.map { ContactPresence(number: $0.0, state: $0.1) }
            try await peer.send(.pushPresence(PushPresence(scope: scope, contacts: contacts)), 0)
        }
    }

    private static func run(
        _ table: TableModel,
        _ settings: SyncSettings = .init(),
        _ script: @escaping @Sendable (inout LivePeer) async throws -> Void,
        _ body: (TidemarkConnection, AddressBook, inout BookUpdates.Iterator) async throws -> Void
    ) async throws {
        try await FakeServer.run { peer in
            try await peer.welcome()
            var live = LivePeer(peer, table)
            try await live.answerSync()
            try await script(&live)
            await live.peer.linger()
        } _: { address in
            let book = try AddressBook.inMemory()
            let connection = try await TidemarkConnection.open(
                address,
                as: .ticket([1]),
                configuration: .patient
            )
            var updates = connection.updates(to: book, settings).makeAsyncIterator()
            guard case .synced? = try await updates.next() else {
                Issue.record("following begins with a sync")
                return
            }
            try await body(connection, book, &updates)
            await connection.close()
        }
    }

    private static func table() -> TableModel {
        var table = TableModel()
        table.add(1, user: 100, fields: [1: "Ann"])
        table.add(2, user: 101, fields: [1: "Bob"])
        table.online = [ContactPresence(number: 1, state: .online)]
        return table
    }

    @Test("a push is in the book when the update comes, with its token", arguments: [false, true])
    func changes(stamps: Bool) async throws {
        try await Self.run(Self.table(), SyncSettings(stamps: stamps)) { live in
            #expect(live.asked.allSatisfy { $0.options.contains(.subscribe) && $0.options.contains(.stamps) == stamps })
            live.table.edit(1, 6, "Pilot")
            live.table.remove(2)
            live.table.add(3, user: 102, fields: [1: "Carol"])
            live.table.editOwn(1, "Me")
            try await live.push(stamps: stamps)
        } _: { _, book, updates in
            guard case .changed(let changes)? = try await updates.next() else {
                Issue.record("a change")
                return
            }
            #expect(changes.map(\.item.number) == [1, 2, 3, 0])
            #expect(changes.map(\.contact?.user) == [100, 101, 102, nil])
            #expect(changes[0].item.content == .patch(fields: [FieldChange(.title, text: "Pilot")]))
            #expect(changes[1].contact?.text(.fullName) == "Bob")
            #expect(try await book.contacts().map(\.user).sorted() == [100, 102])
            #expect(try await book.contact(user: 100)?.text(.title) == "Pilot")
            #expect(try await book.ownProfile()?.text(.fullName) == "Me")
        }
    }

    @Test("pushes come a page each, and several changes as one") func pages() async throws {
        var table = Self.table()
        table.itemsPerPage = 2
        try await Self.run(table) { live in
            for round in 0..<5 { for number in [UInt32(1), 2] { live.table.edit(number, 7, "\(round)") } }
            live.table.editOwn(7, "x")
            try await live.push()
        } _: { _, book, updates in
            var items: [UInt32] = []
            while items.count < 3, case .changed(let changes)? = try await updates.next() {
                items += changes.map(\.item.number)
            }
            #expect(items == [1, 2, 0])
            #expect(try await book.contact(user: 101)?.text(.note) == "4")
        }
    }

    @Test("who is seen otherwise than before, and nobody else") func presence() async throws {
        try await Self.run(Self.table()) { live in
            try await live.push(.changes, (1, .online), (2, .busy), (9, .online))
            try await live.push(.changes, (1, .offline))
            try await live.push(.everything, (1, .away))
            try await live.push(.changes, (1, .away))
            try await live.push(.everything)
        } _: { _, _, updates in
            var seen: [String] = []
            for _ in 0..<4 {
                guard case .presence(let contacts)? = try await updates.next() else {
                    Issue.record("a presence")
                    return
                }
                seen.append(contacts.map { "\($0.name) \($0.state)" }.joined(separator: ", "))
            }
            #expect(seen == ["user101 busy", "user100 offline", "user101 offline, user100 away", "user100 offline"])
        }
    }

    @Test("a contact that leaves the book leaves the view") func removed() async throws {
        try await Self.run(Self.table()) { live in
            live.table.remove(1)
            try await live.push()
            live.table.add(1, user: 103)
            try await live.push()
            try await live.push(.changes, (1, .online))
        } _: { _, _, updates in
            _ = try await updates.next()
            _ = try await updates.next()
            guard case .presence(let contacts)? = try await updates.next() else {
                Issue.record("the new one's presence is news, though the number was online before")
                return
            }
            #expect(contacts.map(\.user) == [103])
        }
    }

    @Test("a push from another token is passed over, and the book synced") func superseded() async throws {
        try await Self.run(Self.table()) { live in
            live.table.edit(1, 6, "a")
            live.cursor = TableModel.bytes(SyncToken(settledAt: live.table.now - 3, epoch: 1))
            try await live.push()
            try await live.answerSync()
            #expect(live.asked.last?.options == [.subscribe, .asides, .devices])
            live.table.edit(1, 6, "b")
            try await live.push()
        } _: { _, book, updates in
            guard case .synced(let report)? = try await updates.next() else {
                Issue.record("a sync")
                return
            }
            #expect(report.answer == .delta && report.contacts == 1)
            _ = try await updates.next()
            #expect(try await book.contact(user: 100)?.text(.title) == "b")
        }
    }

    @Test("a book that is another than the server's is fetched anew") func diverged() async throws {
        try await Self.run(Self.table()) { live in
            live.table.edit(1, 6, "a")
            live.table.lie = 1
            try await live.push()
            live.table.lie = 0
            try await live.answerSync()
            #expect(live.asked.last?.options == [.subscribe, .diverged, .asides, .devices])
        } _: { _, _, updates in
            guard case .synced(let report)? = try await updates.next() else {
                Issue.record("a sync")
                return
            }
            #expect(report.answer == .full && report.reason == .diverged)
        }
    }

    @Test("pushes before an answer are forgotten: the answer has it all, and whoever follows is told so")
    func crossing() async throws {
        try await Self.run(Self.table()) { live in
            live.table.edit(1, 6, "a")
            try await live.push()
            try await live.push(.changes, (1, .away))
            try await live.answerSync()
            #expect(live.asked.last?.options == [.subscribe, .asides, .devices])
            live.table.edit(1, 6, "b")
            try await live.push()
            try await live.answerSync()
        } _: { connection, book, updates in
            // Asked for with the token before both pushes.
            let report = try await connection.sync(book)
            #expect(report.contacts == 1)
            // It has not seen what these told of, nor how the contact is seen now.
            guard case .synced(let again)? = try await updates.next() else {
                Issue.record("a sync")
                return
            }
            #expect(again.contacts == 1)
            #expect(try await book.contact(user: 100)?.text(.title) == "b")
        }
    }

    @Test("a thousand pushes wait for who is slow, and answers are not held up by them") func slow() async throws {
        try await Self.run(Self.table()) { live in
            let (request, message) = try await live.peer.next()
            for round in 0..<1000 {
                live.table.edit(1, 6, "\(round)")
                try await live.push()
            }
            #expect(message == .ping(Ping()))
            try await live.peer.send(.pong(Ping()), request)
        } _: { connection, book, updates in
            try await connection.ping()
            for _ in 0..<1000 { _ = try await updates.next() }
            #expect(try await book.contact(user: 100)?.text(.title) == "999")
        }
    }

    @Test("without being asked for, a push breaks the protocol", arguments: [UInt16(0), 9])
    func unasked(request: UInt16) async throws {
        try await FakeServer.run { peer in
            try await peer.welcome()
            try await peer.send(.pushPresence(PushPresence(scope: .everything, contacts: [])), request)
            await peer.linger()
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: .ticket([1]), configuration: .patient)
            await #expect(throws: ClientError.protocolViolation(.unexpectedReply(type: 0x41, request: request))) {
                try await connection.ping()
                try await connection.ping()
            }
            await connection.close()
        }
    }

    @Test("the end of the connection ends it, behind what came before; so does cancelling") func ends() async throws {
        try await FakeServer.run { peer in
            try await peer.welcome()
            var live = LivePeer(peer, Self.table())
            try await live.answerSync()
            live.table.edit(1, 6, "a")
            try await live.push()
        } _: { address in
            let book = try AddressBook.inMemory()
            let connection = try await TidemarkConnection.open(address, as: .ticket([1]), configuration: .patient)
            var updates: [BookUpdate] = []
            await #expect(throws: ClientError.connection(.closedByServer)) {
                for try await update in connection.updates(to: book) { updates.append(update) }
            }
            #expect(updates.count == 2)
        }
        try await Self.run(Self.table()) { _ in
        } _: { connection, book, _ in
            let follower = Task { for try await _ in connection.updates(to: book) {} }
            follower.cancel()
            await #expect(throws: CancellationError.self) { try await follower.value }
        }
    }
}
