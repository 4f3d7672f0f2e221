import NIOCore
import NIOPosix
import Synchronization
import Testing
import TidemarkWire

@testable import TidemarkClient

private let ticket = Credentials.ticket([1, 2, 3])

/// The connection against a scripted server, over real sockets.
@Suite(.timeLimit(.minutes(1))) struct ConnectionTests {
    @Test("hello, authentication and first sync leave in one segment, and come back as one round trip")
    func loginIsOneSegment() async throws {
        var table = TableModel()
        table.add(1, user: 100, fields: [1: "a"])
        let filled = table
        let firstSegment = Mutex<[UInt8]>([])
        try await FakeServer.run { peer in
            let bytes = try await peer.segment()
            firstSegment.withLock { $0 = bytes }
            try await peer.welcome()
            try await peer.serve(filled)
        } _: { address in
            let book = try AddressBook.inMemory()
            let (connection, report) = try await TidemarkConnection.login(
                address,
                as: ticket,
                book: book,
                configuration: .patient
            )
            #expect(connection.user == 7 && connection.server == FakePeer.helloOK)
            #expect(report.answer == .full && report.contacts == 1 && report.fields == 1 && report.pages == 1)
            #expect(try await book.mark().owner == 7)
            let sent =
                Message.hello(Hello()).frame(request: 1) + Message.authenticate(.ticket([1, 2, 3])).frame(request: 2)
                + Message.sync(Sync(options: [.asides, .devices])).frame(request: 3)
            #expect(firstSegment.withLock { $0 } == sent)
            #expect(report.bytesSent == sent.count && connection.bytesSent == sent.count)
            let received =
                Message.helloOK(FakePeer.helloOK).frame(request: 1)
                + Message.authenticateOK(AuthenticateOK(user: 7)).frame(request: 2)
                + Message.syncPage(filled.answer(Sync())).frame(request: 3)
            #expect(report.bytesReceived == received.count && connection.bytesReceived == received.count)
            await connection.close()
        }
    }

    @Test("a re-login sends the stored token; a later sync counts its own bytes")
    func relogin() async throws {
        let table = TableModel()
        try await FakeServer.run { peer in
            try await peer.welcome()
            try await peer.serve(table)
        } _: { address in
            let book = try AddressBook.inMemory()
            let (first, _) = try await TidemarkConnection.login(
                address,
                as: ticket,
                book: book,
                configuration: .patient
            )
            await first.close()
            let (second, report) = try await TidemarkConnection.login(
                address,
                as: ticket,
                book: book,
                configuration: .patient
            )
            #expect(report.answer == .upToDate && report.reason == .none)
            let again = try await second.sync(book)
            #expect(again.answer == .upToDate && again.bytesSent == 6 + 1 + 1 + 1 + 16)
            #expect(again.bytesSent < report.bytesSent && again.bytesReceived < report.bytesReceived)
            let local = try await second.sync(book, SyncSettings(mode: .local))
            #expect(local.answer == .local && local.bytesSent == 0)
        }
    }

    @Test("pages are asked for one after another until the last, over a Unix socket as well")
    func pages() async throws {
        var table = TableModel()
        for number in 1...7 { table.add(UInt32(number), user: 100 + UserID(number)) }
        table.itemsPerPage = 3
        let filled = table
        let directory = try TemporaryDirectory()
        try await FakeServer.run(unixSocket: directory.file("socket")) { peer in
            try await peer.welcome()
            try await peer.serve(filled)
        } _: { address in
            let book = try AddressBook.inMemory()
            let connection = try await TidemarkConnection.open(address, as: .trusted(.name("alice")))
            let report = try await connection.sync(book)
            #expect(report.pages == 3 && report.contacts == 7 && report.answer == .full && report.reason == .noToken)
        }
    }

    @Test("replies may overtake each other; the request number tells")
    func repliesOutOfOrder() async throws {
        try await FakeServer.run { peer in
            try await peer.welcome()
            var requests: [(request: UInt16, message: Message)] = []
            for _ in 0..<3 { requests.append(try await peer.next()) }
            for (request, message) in requests.reversed() {
                switch message {
                case .ping(let ping): try await peer.send(.pong(ping), request)
                case .rosterRemove(let write):
                    try await peer.send(.rosterRemoveOK(WriteOK(stamp: write.contact * 10)), request)
                default: throw FakePeer.Ended()
                }
            }
            await peer.linger()
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket)
            async let first = connection.removeContact(5)
            async let second = connection.removeContact(6)
            async let third = connection.ping()
            #expect(try await first == 50)
            #expect(try await second == 60)
            _ = try await third
        }
    }

    @Test("every write says what it is asked to say, and returns what the server acknowledged")
    func writes() async throws {
        let seen = Mutex<[Message]>([])
        try await FakeServer.run { peer in
            try await peer.welcome()
            while let (request, message) = try? await peer.next() {
                seen.withLock { $0.append(message) }
                let answer: Message =
                    switch message {
                    case .profileSet: .profileSetOK(WriteOK(stamp: 1))
                    case .rosterAdd: .rosterAddOK(RosterAddOK(stamp: 2, contact: 9, number: 3))
                    case .rosterRemove: .rosterRemoveOK(WriteOK(stamp: 4))
                    case .rosterAnnotate: .rosterAnnotateOK(WriteOK(stamp: 5))
                    default: .presenceSetOK
                    }
                try await peer.send(answer, request)
            }
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket)
            let field = FieldChange(.fullName, text: "Ada")
            #expect(try await connection.setProfile([field], privateFields: [.fullName], unchangedSince: 8) == 1)
            let alias = Annotations(alias: "x")
            #expect(
                try await connection.addContact(.name("bob"), annotations: alias)
                    == RosterAddOK(stamp: 2, contact: 9, number: 3)
            )
            #expect(try await connection.removeContact(9, unchangedSince: 2) == 4)
            #expect(try await connection.annotate(9, alias) == 5)
            try await connection.setPresence(.away)
            #expect(
                seen.withLock { $0 } == [
                    .profileSet(ProfileSet(fields: [field], privateFields: [.fullName], unchangedSince: 8)),
                    .rosterAdd(RosterAdd(contact: .name("bob"), annotations: alias)),
                    .rosterRemove(RosterRemove(contact: 9, unchangedSince: 2)),
                    .rosterAnnotate(RosterAnnotate(contact: 9, annotations: alias)),
                    .presenceSet(PresenceSet(wish: .away)),
                ]
            )
        }
    }

    @Test("frames that come a byte at a time, and many in one segment, are read alike")
    func anySplitting() async throws {
        var table = TableModel()
        table.add(1, user: 100, fields: [1: "Ada"])
        let filled = table
        try await FakeServer.run { peer in
            let hello = try await peer.next().request
            let authenticate = try await peer.next().request
            let (request, message) = try await peer.next()
            guard case .sync(let sync) = message else { throw FakePeer.Ended() }
            let login =
                Message.helloOK(FakePeer.helloOK).frame(request: hello)
                + Message.authenticateOK(AuthenticateOK(user: 7)).frame(request: authenticate)
            try await peer.trickle(login + Message.syncPage(filled.answer(sync)).frame(request: request))
            let pings = [try await peer.next().request, try await peer.next().request]
            try await peer.send(pings.flatMap { Message.pong(Ping()).frame(request: $0) })
            await peer.linger()
        } _: { address in
            let book = try AddressBook.inMemory()
            let (connection, report) = try await TidemarkConnection.login(
                address,
                as: ticket,
                book: book,
                configuration: .patient
            )
            #expect(report.contacts == 1)
            async let one = connection.ping()
            async let two = connection.ping()
            _ = try await (one, two)
        }
    }

    @Test("a server's ping is answered with its own bytes; an unknown type marked as ignorable is passed over")
    func serverPing() async throws {
        let pong = OneShot<Ping>()
        try await FakeServer.run { peer in
            try await peer.welcome()
            try await peer.send([0, 0, 0x10, 0x7E, 0, 0])
            try await peer.send(.ping(Ping(payload: [4, 2])), 0)
            if case (0, .pong(let ping)) = try await peer.next() { pong.settle(.success(ping)) }
            await peer.linger()
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket)
            #expect(try await pong.value.payload == [4, 2])
            #expect(connection.failure == nil)
        }
    }

    @Test("one user's book is not filled by another's login")
    func anotherUsersBook() async throws {
        try await FakeServer.run { peer in
            try await peer.welcome(user: 8)
            try await peer.serve(TableModel())
        } _: { address in
            let book = try await AddressBook.claimed()
            await #expect(throws: BookError.ownedByAnother(owner: 7, user: 8)) {
                try await TidemarkConnection.login(
                    address,
                    as: ticket,
                    book: book,
                    configuration: .patient
                )
            }
            #expect(try await book.token() == [])
        }
    }

    @Test("a book's token is never sent for another user, as far as the credentials say who that is")
    func tokenIsOnesOwn() async throws {
        let syncs = Mutex<[[UInt8]]>([])
        try await FakeServer.run { peer in
            try await peer.welcome(user: 8)
            while case (_, .sync(let sync))? = try? await peer.next() { syncs.withLock { $0.append(sync.token.array) } }
        } _: { address in
            let book = try await AddressBook.claimed()
            try await book.sync(with: TableModel())
            let named =
                Ticket(key: 1, user: 8, issuedSeconds: 0, expiresSeconds: 1).signed + Array(repeating: 0, count: 16)
            for credentials in [.ticket(named), .trusted(.id(8)), .trusted(.name("bob"))] as [Credentials] {
                await #expect(throws: BookError.ownedByAnother(owner: 7, user: 8)) {
                    try await TidemarkConnection.login(address, as: credentials, book: book)
                }
            }
            #expect(syncs.withLock { $0 } == [])
        }
    }

    @Test("many requests at once on one connection")
    func manyRequests() async throws {
        try await FakeServer.run { peer in
            try await peer.welcome()
            while let (request, message) = try? await peer.next() {
                guard case .rosterRemove(let write) = message else { return }
                try await peer.send(.rosterRemoveOK(WriteOK(stamp: write.contact)), request)
            }
        } _: { address in
            let connection = try await TidemarkConnection.open(address, as: ticket)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for contact in 1...500 as ClosedRange<UserID> {
                    group.addTask {
                        let stamp = try await connection.removeContact(contact)
                        #expect(stamp == contact)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("request numbers begin again after 65,535, pass 0 over, and are never one that waits")
    func requestNumbersWrap() throws {
        var pending = PendingRequests()
        let kept = try pending.add(.ping).number
        var seen: Set<UInt16> = [kept]
        for round in 1...70_000 {
            let number = try pending.add(.presenceSet).number
            if number == 0 || number == kept { Issue.record("number \(number) in round \(round)") }
            if round < 65_535 { seen.insert(number) }
            if pending.take(number, for: .pong) != nil { Issue.record("a reply of another type") }
            if pending.take(number, for: .presenceSetOK) == nil { Issue.record("no reply") }
        }
        #expect(seen.count == 65_535)
        for _ in 1..<65_535 { _ = try pending.add(.ping) }
        #expect(throws: ClientError.connection(.tooManyRequests)) { try pending.add(.ping) }
    }
}
